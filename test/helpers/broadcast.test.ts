/** netbios-ns and snmp: who answers what this host broadcasts; judged by the running kernel, packet by packet, and by its list of what is expected. */

import { expect, it } from 'vitest';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { expectationDifferences, listingDifferences } from '../../src/fuzz/listing.ts';
import { jobFromHost, runKernel } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Frame } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { differences } from '../kernel/differential.ts';
import { describeKernel } from '../kernel/machine.ts';
import { stampedCapture } from '../kernel/stamped.ts';
import { WITNESSES } from '../kernel/witnesses.ts';
import { udp } from '../reference/build.ts';

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
  const states = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED'].map((state) => `-m conntrack --ctstate ${state}`);
  const probes = (chain: string): string =>
    [...states, '-m conntrack --ctstatus EXPECTED', `-m helper --helper ${helper}`].map((one) => `-A ${chain} ${one}\n`).join('');
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

/** A question of each kind, each from a port of its own, and who answers it. */
function conversations(port: number): Frame[] {
  const questions: readonly (readonly [device: string, source: string, destination: string, to: number])[] = [
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
  return questions.flatMap(([device, source, destination, to], i) => {
    const own = `${source} ${3000 + i}`;
    const neighbour = device === 'eth0' ? '192.0.2.9' : '198.51.100.9';
    return [
      out(device, own, `${destination} ${to}`),
      into(device, `${neighbour} ${port}`, own),
      into(device, `${neighbour} ${port}`, own),
      into(device, `${neighbour} ${port + 1}`, own),
      into(device, `203.0.113.9 ${port}`, own),
      into(device, `${neighbour} ${port}`, `${source} ${4000 + i}`),
      out(device, own, `${destination} ${to}`),
    ];
  });
}

describeKernel('helpers of broadcasts and the running kernel', () => {
  it.each([
    ['netbios-ns', 137],
    ['snmp', 161],
  ] as const)('%s: whoever a broadcast reached may answer', { timeout: 60_000 }, async (helper, port) => {
    const rules = rulesOf(helper, port);
    const frames = [
      ...conversations(port),
      // Other people's broadcasts are none of ours.
      into('eth0', '192.0.2.9 5000', `192.0.2.255 ${port}`),
      into('eth0', `192.0.2.1 ${port}`, '192.0.2.9 5000'),
    ];
    for (const backend of ['legacy', 'nft'] as const) {
      const found = await differences(backend, { rules: { 4: rules }, host: HOST, frames }, WITNESSES);
      for (const [witness, lines] of found) expect(lines.slice(0, 8), `${backend}, ${witness}`).toEqual([]);
    }
    await expectSameList(rules, frames, port);
  });

  it.each([
    ['netbios-ns', 3],
    ['snmp', 30],
  ] as const)('%s: who asks a network lives %i seconds from each question on', async (helper, seconds) => {
    const rules = `*raw\n-A OUTPUT -p udp -j CT --helper ${helper}\nCOMMIT\n`;
    const ask = (port: number, to: string): Frame => out('eth0', `192.0.2.1 ${port}`, to);
    const answer = (port: number, from: string): Frame => into('eth0', `${from} 137`, `192.0.2.1 ${port}`);
    const frames = [
      ask(1, '192.0.2.255 137'),
      ...[0, 0, 0].map(() => ask(2, '192.0.2.255 9')),
      ...[ask(3, '192.0.2.255 137'), answer(3, '192.0.2.9'), ask(3, '192.0.2.255 137')],
      // Neither the limited broadcast nor a neighbour is a network.
      ask(4, '255.255.255.255 137'),
      ...[ask(5, '192.0.2.9 137'), answer(5, '192.0.2.9')],
    ];
    // Longer than both helpers' times.
    const sysctls = { nf_conntrack_udp_timeout: 100 };
    const { outcome, sessions } = await askAll(rules, frames, sysctls);
    const left = [...outcome.conntrack.matchAll(/ (\d+) src=192\.0\.2\.1 \S+ sport=(\d)/g)].map(([, time, port]) => [
      port,
      Number(time),
    ]);
    for (const [port, time] of left) {
      const most = Number(port) < 4 ? seconds : 100;
      expect(time, `port ${port}`).toBeLessThanOrEqual(most);
      expect(time, `port ${port}`).toBeGreaterThan(most === 100 ? 30 : 0);
    }
    expect(left.map(([port]) => port).sort()).toEqual(['1', '2', '3', '4', '5']);
    for (const session of sessions) {
      const listing = { ...outcome.listed, text: outcome.conntrack, hz: outcome.hz };
      expect(listingDifferences(listing, (at) => session.connections(at))).toEqual([]);
    }
  });
});

/** What the kernel says of frames, and the other witnesses' sessions behind the same. */
async function askAll(rules: string, frames: readonly Frame[], sysctls: Record<string, number> = {}) {
  const { numbers, skipped: _skipped, ...hosted } = jobFromHost(HOST, frames, [4]);
  const texts = Object.fromEntries(Object.entries(sysctls).map(([name, value]) => [`net.netfilter.${name}`, String(value)]));
  const outcome = await runKernel({ ...hosted, backend: 'legacy', family: 4, rules, trace: false, sysctls: texts });
  const hz = outcome.kernel.hz || DEFAULT_PROFILE.hz;
  const profile = { ...DEFAULT_PROFILE, hz, sysctls: { ...DEFAULT_PROFILE.sysctls, ...sysctls } };
  const job = { rules: { 4: parseSave(rules, { file: 'rules', family: 4 }) }, host: HOST, profile };
  const sent = numbers.map((number, i) => ({ ...frames[number - 1]!, time: outcome.packets[i]!.injected }));
  const sessions = [referenceSession(job), await engineSession(job, { hashKey: hashKeyOf(job) })];
  for (const session of sessions) {
    session.startCapture('frames');
    session.feed(stampedCapture(sent));
    session.endCapture();
  }
  return { outcome: { ...outcome, hz }, sessions };
}

/** What is expected at the end, and that it is what the questions above ask for. */
async function expectSameList(rules: string, frames: readonly Frame[], port: number): Promise<void> {
  const { outcome, sessions } = await askAll(rules, frames);
  expect(
    outcome.expectations.map(({ mask, tuple }) => `${mask.source.address} ${tuple.source.port} ${tuple.destination.port}`).sort(),
  ).toEqual(
    [
      `255.255.255.0 ${port} 3000`,
      `255.255.255.0 ${port} 3001`,
      `255.255.255.192 ${port} 3006`,
      `255.255.255.192 ${port} 3007`,
    ].sort(),
  );
  for (const session of sessions) {
    expect(expectationDifferences({ ...outcome, ...outcome.listed }, session)).toEqual([]);
  }
}
