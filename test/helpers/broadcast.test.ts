/** netbios-ns and snmp: who answers what this host broadcasts; judged by the running kernel, packet by packet, and by its list of what is expected. */
import { expect, it } from 'vitest';
import type { KernelOutcome } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Frame } from '../../src/model/witness.ts';
import { differences, judge } from '../kernel/differential.ts';
import { describeKernel } from '../kernel/machine.ts';
import { WITNESSES } from '../kernel/witnesses.ts';
import { udp } from '../reference/build.ts';
import { STATE_MATCHES } from '../reference/replay.ts';

const HOST = buildHost({
  addresses: [
    { ifname: 'eth0', addr_info: [{ family: 'inet', local: '192.0.2.1', prefixlen: 24, broadcast: '192.0.2.255' }] },
    { ifname: 'eth1', addr_info: [{ family: 'inet', local: '198.51.100.1', prefixlen: 26, broadcast: '198.51.100.63' }] },
  ],
  routes: [[{ dst: 'default', dev: 'eth1' }]],
});

function rulesOf(helper: string, port: number): string {
  const assign = (chain: string): string =>
    [port, 9].map((one) => `-A ${chain} -p udp -m udp --dport ${one} -j CT --helper ${helper}\n`).join('');
  const probes = (chain: string): string =>
    [...STATE_MATCHES, '-m conntrack --ctstatus EXPECTED', `-m helper --helper ${helper}`]
      .map((one) => `-A ${chain} ${one}\n`)
      .join('');
  return `*raw\n${assign('PREROUTING')}${assign('OUTPUT')}COMMIT\n*mangle\n${probes('PREROUTING')}${probes('OUTPUT')}COMMIT\n`;
}

const out = (device: string, from: string, to: string): Frame => frame(device, 'out', udp(from, to, { data: 'who' }));
const into = (device: string, from: string, to: string): Frame => frame(device, 'in', udp(from, to, { data: 'me' }));
const frame = (interfaceName: string, direction: 'in' | 'out', bytes: Uint8Array): Frame => ({
  time: 0n,
  linktype: 101,
  bytes,
  wire: bytes.length,
  interfaceName,
  direction,
});

interface Question {
  device: 'eth0' | 'eth1';
  /** Address and port of this host. */
  own: string;
  to: string;
}

/** A question of each kind, each from a port of its own. */
function questionsOf(port: number): Question[] {
  const all: readonly (readonly [device: Question['device'], source: string, destination: string, to: number])[] = [
    ['eth0', '192.0.2.1', '192.0.2.255', port],
    ['eth0', '192.0.2.1', '192.0.2.255', 9],
    ['eth0', '192.0.2.1', '192.0.2.255', 10],
    ['eth0', '192.0.2.1', '192.0.2.0', port],
    ['eth0', '192.0.2.1', '255.255.255.255', port],
    ['eth0', '192.0.2.1', '192.0.2.9', port],
    ['eth1', '198.51.100.1', '198.51.100.63', port],
    ['eth1', '192.0.2.1', '198.51.100.63', port],
    ['eth1', '198.51.100.1', '198.51.100.255', port],
  ];
  return all.map(([device, source, destination, to], i) => ({
    device,
    own: `${source} ${3000 + i}`,
    to: `${destination} ${to}`,
  }));
}

const ask = ({ device, own, to }: Question): Frame => out(device, own, to);

/** A question, who answers it, and the question again. */
function conversation(question: Question, port: number): Frame[] {
  const { device, own } = question;
  const neighbour = device === 'eth0' ? '192.0.2.9' : '198.51.100.9';
  return [
    ask(question),
    into(device, `${neighbour} ${port}`, own),
    into(device, `${neighbour} ${port}`, own),
    into(device, `${neighbour} ${port + 1}`, own),
    into(device, `203.0.113.9 ${port}`, own),
    into(device, `${neighbour} ${port}`, own.replace(' 3', ' 4')),
    ask(question),
  ];
}

/** Seconds from a frame to the end of the kernel's listing. */
const age = ({ packets, listed }: KernelOutcome, index: number): number => Number(listed.to - packets[index]!.injected) / 1e9;

describeKernel('helpers of broadcasts and the running kernel', () => {
  it.each([
    ['netbios-ns', 137],
    ['snmp', 161],
  ] as const)('%s: whoever a broadcast reached may answer', { timeout: 60_000 }, async (helper, port) => {
    const rules = rulesOf(helper, port);
    const frames = [
      ...questionsOf(port).flatMap((question) => conversation(question, port)),
      // Other people's broadcasts are none of ours.
      into('eth0', '192.0.2.9 5000', `192.0.2.255 ${port}`),
      into('eth0', `192.0.2.1 ${port}`, '192.0.2.9 5000'),
    ];
    for (const backend of ['legacy', 'nft'] as const) {
      const found = await differences(backend, { rules: { 4: rules }, host: HOST, frames }, WITNESSES);
      for (const [witness, lines] of found) expect(lines.slice(0, 8), `${backend}, ${witness}`).toEqual([]);
    }
  });

  it.each([
    ['netbios-ns', 137, 3],
    ['snmp', 161, 30],
  ] as const)('%s: who is expected', async (helper, port, seconds) => {
    const frames = questionsOf(port).map(ask);
    const given = { rules: { 4: rulesOf(helper, port) }, host: HOST, frames, lists: true };
    const { outcome, found } = await judge('legacy', given, WITNESSES);
    for (const [witness, lines] of found) expect(lines, witness).toEqual([]);
    const expected = [
      [0, '255.255.255.0'],
      [1, '255.255.255.0'],
      [6, '255.255.255.192'],
      [7, '255.255.255.192'],
    ] as const;
    expect(
      outcome.expectations
        .map(({ mask, tuple }) => `${mask.source.address} ${tuple.source.port} ${tuple.destination.port}`)
        .sort(),
    ).toEqual(
      // On a busy machine some may be over.
      expected.filter(([index]) => age(outcome, index) < seconds - 0.1).map(([index, mask]) => `${mask} ${port} ${3000 + index}`),
    );
  });

  it.each([
    ['netbios-ns', 3],
    ['snmp', 30],
  ] as const)('%s: who asks a network lives %i seconds from each question on', async (helper, seconds) => {
    const rules = { 4: `*raw\n-A OUTPUT -p udp -j CT --helper ${helper}\nCOMMIT\n` };
    const asks = (port: number, to: string): Frame => out('eth0', `192.0.2.1 ${port}`, to);
    const answer = (port: number, from: string): Frame => into('eth0', `${from} 137`, `192.0.2.1 ${port}`);
    const frames = [
      asks(1, '192.0.2.255 137'),
      ...[0, 0, 0].map(() => asks(2, '192.0.2.255 9')),
      ...[asks(3, '192.0.2.255 137'), answer(3, '192.0.2.9'), asks(3, '192.0.2.255 137')],
      // Neither the limited broadcast nor a neighbour is a network.
      asks(4, '255.255.255.255 137'),
      ...[asks(5, '192.0.2.9 137'), answer(5, '192.0.2.9')],
    ];
    // Longer than both helpers' times.
    const sysctls = { nf_conntrack_udp_timeout: 100 };
    const { outcome, found } = await judge('legacy', { rules, host: HOST, frames, sysctls, lists: true }, WITNESSES);
    for (const [witness, lines] of found) expect(lines, witness).toEqual([]);
    const left = new Map(
      [...outcome.conntrack.matchAll(/ (\d+) src=192\.0\.2\.1 \S+ sport=(\d)/g)].map(([, time, port]) => [
        Number(port),
        Number(time),
      ]),
    );
    // By port: the last frame that renewed it, and how long it lives from there.
    const lives = [
      [1, 0, seconds],
      [2, 3, seconds],
      [3, 6, seconds],
      [4, 7, 100],
      [5, 9, 100],
    ] as const;
    for (const [port, index, most] of lives) {
      const least = most - age(outcome, index);
      // On a busy machine some may be over.
      if (least < 0.1 && !left.has(port)) continue;
      expect(left.get(port), `port ${port}`).toBeLessThanOrEqual(most);
      // In whole seconds, and a jiffy.
      expect(left.get(port), `port ${port}`).toBeGreaterThan(least - 1.1);
    }
    expect([...left.keys()].filter((port) => !lives.some(([known]) => known === port))).toEqual([]);
  });
});
