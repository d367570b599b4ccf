/** What is told of packets beside the capture, where the running kernel knows it by itself: the bench's socket is root's, devices have groups, and are ports of a bridge. */
import { expect, test } from 'vitest';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import type { Annotation } from '../../src/model/annotations.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Frame } from '../../src/model/witness.ts';
import { differences, judge } from './differential.ts';
import { describeKernel } from './machine.ts';
import { WITNESSES } from './witnesses.ts';

const ENDS: Record<Family, readonly [own: string, other: string]> = {
  4: ['10.9.0.1', '10.9.0.2'],
  6: ['2001:db8:9::1', '2001:db8:9::2'],
};
const HOST = buildHost({ local: [ENDS[4][0], ENDS[6][0]], in: 'eth0' });
const PACKETS = 40;

/** Every other packet is sent, the others arrive. */
function framesOf(family: Family): Frame[] {
  return Array.from({ length: PACKETS }, (_, index) => {
    const [own, other] = ENDS[family];
    const sent = index % 2 === 0;
    const [source, destination] = sent ? [own, other] : [other, own];
    const bytes = usualPacket({ family, source, destination, protocol: 17 }, udpDatagram(1000 + index, 53, 4));
    return { time: BigInt(index), linktype: 101, bytes, wire: bytes.length, direction: sent ? 'out' : 'in' };
  });
}

const ASKED = [
  '-m owner --socket-exists',
  '-m owner ! --socket-exists',
  '-m owner --uid-owner 0',
  '-m owner ! --uid-owner 0',
  '-m owner --uid-owner 1-5',
  '-m owner --uid-owner 0-5 --gid-owner 0',
  '-m owner --uid-owner 0 ! --gid-owner 0',
  '-m owner ! --uid-owner 7 ! --gid-owner 3-9',
  '-m owner --gid-owner 77 --suppl-groups',
  '-m owner ! --gid-owner 77 --suppl-groups',
  '-m cgroup --cgroup 0',
  '-m cgroup ! --cgroup 0',
  '-m cgroup --cgroup 5',
  '-m cgroup ! --cgroup 5',
  '-m cgroup --path /',
  '-m cgroup ! --path /',
];
const chain = (name: string): string => ASKED.map((asked) => `-A ${name} ${asked}\n`).join('');
const RULES = `*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n${chain('OUTPUT')}COMMIT\n*mangle\n:POSTROUTING ACCEPT\n${chain('POSTROUTING')}COMMIT\n`;

describeKernel('annotations of a socket that is root’s', () => {
  for (const family of [4, 6] as const)
    test(`IPv${family}`, { timeout: 60_000 }, async () => {
      const sent = Array.from({ length: PACKETS / 2 }, (_, i) => 2 * i + 1);
      const annotations = new Map(sent.map((packet) => [packet, { socket: true, uid: 0, gid: 0, groups: [0] }]));
      const given = { rules: { [family]: RULES }, host: HOST, frames: framesOf(family), annotations };
      const found = await differences('legacy', given, WITNESSES);
      for (const [witness, lines] of found) expect.soft(lines.slice(0, 10), witness).toEqual([]);
    });
});

/** Every rule of `asked` in every chain of filter and mangle that `chains` names. */
function rulesOf(chains: Readonly<Record<string, readonly string[]>>): string {
  const table = (name: string, hooks: readonly string[]): string => {
    const there = hooks.filter((hook) => chains[hook] !== undefined);
    const lines = there.flatMap((hook) => chains[hook]!.map((asked) => `-A ${hook} ${asked}`));
    return [`*${name}`, ...there.map((hook) => `:${hook} ACCEPT`), ...lines, 'COMMIT', ''].join('\n');
  };
  return table('filter', ['INPUT', 'FORWARD']) + table('mangle', ['PREROUTING', 'INPUT', 'FORWARD', 'POSTROUTING']);
}

/** What each rule counted is seen: neither all of them match nor none. */
async function judged(given: Parameters<typeof judge>[1]): Promise<void> {
  const { found, outcome } = await judge('legacy', given, WITNESSES);
  for (const [witness, lines] of found) expect.soft(lines.slice(0, 10), witness).toEqual([]);
  const counts = Object.values(outcome.counters).flatMap((chains) =>
    Object.values(chains).flatMap(({ rules }) => rules.map(({ packets }) => packets)),
  );
  expect(counts.filter((count) => count > 0).length).toBeGreaterThan(3);
  expect(counts.filter((count) => count === 0).length).toBeGreaterThan(3);
}

const both = (asked: readonly string[]): string[] => asked.flatMap((one) => [`-m ${one}`, `-m ${one.replace(' ', ' ! ')}`]);
const arriving = (family: Family, destination: string): Frame[] =>
  Array.from({ length: 4 }, (_, index) => {
    const bytes = usualPacket({ family, source: ENDS[family][1], destination, protocol: 17 }, udpDatagram(1000 + index, 53, 4));
    return { time: BigInt(index), linktype: 101, bytes, wire: bytes.length, direction: 'in' };
  });
const toldAll = (annotation: Annotation): Map<number, Annotation> =>
  new Map(Array.from({ length: 4 }, (_, index) => [index + 1, annotation]));

describeKernel('annotations of groups of devices', () => {
  const source = both([
    'devgroup --src-group 5',
    'devgroup --src-group 0',
    'devgroup --src-group 0x14/0xf',
    'devgroup --src-group 0x4/0xf',
  ]);
  const destination = both(['devgroup --dst-group 0x10', 'devgroup --dst-group 0/0xf', 'devgroup --dst-group 0x11/0xf0']);
  const pairs = ['-m devgroup --src-group 5 --dst-group 16', '-m devgroup --src-group 5 ! --dst-group 16'];
  const rules = rulesOf({ PREROUTING: source, FORWARD: [...source, ...destination, ...pairs], POSTROUTING: destination });
  for (const family of [4, 6] as const)
    test(`IPv${family}`, { timeout: 60_000 }, () =>
      judged({
        rules: { [family]: rules },
        host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }),
        frames: arriving(family, family === 4 ? '10.8.0.2' : '2001:db8:8::2'),
        annotations: toldAll({ srcgroup: 5, dstgroup: 16 }),
        alter: (job) => ({ ...job, ip: ['link set eth0 group 5', 'link set eth1 group 16'] }),
      }),
    );
});

describeKernel('annotations of ports of a bridge', () => {
  const asked = both([
    'physdev --physdev-in eth0',
    'physdev --physdev-in eth1',
    'physdev --physdev-in eth+',
    'physdev --physdev-in et',
    'physdev --physdev-out eth1',
    'physdev --physdev-out eth0',
    'physdev --physdev-out +',
    'physdev --physdev-is-in',
    'physdev --physdev-is-out',
    'physdev --physdev-is-bridged',
    'physdev --physdev-in eth0 --physdev-out eth1',
    'physdev --physdev-is-in --physdev-is-bridged',
    'physdev --physdev-is-in ! --physdev-is-bridged',
    'physdev --physdev-is-in ! --physdev-is-out --physdev-in eth0 ! --physdev-out eth7',
  ]);
  const hooks = ['PREROUTING', 'INPUT', 'FORWARD', 'POSTROUTING'];
  const rules = rulesOf(Object.fromEntries(hooks.map((hook) => [hook, asked])));
  const bridge = [
    'link add name br0 type bridge forward_delay 0',
    'link set eth0 master br0',
    'link set eth1 master br0',
    'link set br0 arp off up',
  ];
  for (const family of [4, 6] as const) {
    const [own, network] = family === 4 ? ['10.9.0.1', 24] : ['2001:db8:9::1', 64];
    test(`IPv${family}, from port to port`, { timeout: 60_000 }, () =>
      judged({
        rules: { [family]: rules },
        host: buildHost({ forward: true, in: 'br0', out: 'br0' }),
        frames: arriving(family, family === 4 ? '10.9.0.3' : '2001:db8:9::3'),
        annotations: toldAll({ physin: 'eth0', physout: 'eth1' }),
        alter: (job) => ({
          ...job,
          ip: bridge,
          inIface: 'eth0',
          outIface: 'eth1',
          routes: [],
          links: {},
          frames: job.frames.map((frame) => ({ ...frame, iface: 'eth0', dstMacKind: 'other' })),
        }),
      }),
    );
    test.each([
      ['to the host itself', own],
      ['routed to another device', family === 4 ? '10.8.0.2' : '2001:db8:8::2'],
    ])(`IPv${family}, in by a port, %s`, { timeout: 60_000 }, (_, destination) =>
      judged({
        rules: { [family]: rules },
        host: buildHost({ local: [`${own}/${network}@br0`], in: 'br0', out: 'eth2' }),
        frames: arriving(family, destination),
        annotations: toldAll({ physin: 'eth0' }),
        alter: (job) => ({
          ...job,
          ip: [...bridge, `addr add ${own}/${network}${family === 6 ? ' nodad' : ''} dev br0`],
          inIface: 'eth0',
          local: [],
          routes: [`${family === 4 ? '0.0.0.0' : '::'}/0 dev eth2`],
          links: { eth1: {}, eth2: {} },
          frames: job.frames.map((frame) => ({ ...frame, iface: 'eth0', dstMacKind: 'host' })),
        }),
      }),
    );
  }
});
