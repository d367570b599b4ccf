/** Fragment storms, judged by the running kernel: every counter, way, verdict and path of what defragmentation lets through. */

import { expect, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { ethernetFrame } from '../../src/fuzz/build-packet.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { comparedKernel, comparedWitness, compareOutcomes, type KernelJob, openKernelBench } from '../../src/kernel/index.ts';
import { ownPart } from '../../src/kernel/own-datagrams.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Job } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import type { Session } from '../../src/replay/session.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { describeKernel } from '../kernel/machine.ts';
import { STATE_MATCHES } from '../reference/replay.ts';
import { SEED } from '../seed.ts';
import { OWN, storm } from './storm.ts';

const STORMS = Number(process.env.WASMTABLES_STORMS ?? 4);
const DATAGRAMS = 40;

/** Of rules that bring no conntrack, in the place of its states: the packet's mark, which the first table gives by source MAC. */
const MARKS = ['0x0', '0x1'].map((mark) => `-m mark --mark ${mark}`);

/** Rules that tell one packet from another: state or mark, length, fragment, source MAC. */
function rules(family: Family, tracked: boolean): string {
  const matches = tracked ? STATE_MATCHES : MARKS;
  const more = [
    '-m length --length 0:100',
    '-m length --length 101:1500',
    '-p tcp -m tcp --dport 80',
    '-p udp -m udp --dport 53',
    '-m mac --mac-source 02:00:00:00:00:98',
    '-m pkttype --pkt-type multicast',
    ...(family === 4 ? ['-f', '-m ttl --ttl-lt 10'] : ['-m hl --hl-lt 10']),
  ];
  const table = (name: string, chains: string[], probes: string[]): string =>
    [
      `*${name}`,
      ...chains.map((chain) => `:${chain} ACCEPT [0:0]`),
      ...chains.flatMap((chain) =>
        probes.filter((probe) => !(probe.includes('mac') && chain === 'OUTPUT')).map((probe) => `-A ${chain} ${probe}`),
      ),
      'COMMIT\n',
    ].join('\n');
  return (
    table(
      'raw',
      ['PREROUTING', 'OUTPUT'],
      [...more, '-m mac --mac-source 02:00:00:00:00:98 -j MARK --set-xmark 0x1/0xffffffff'],
    ) +
    table('mangle', ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'], matches) +
    table('filter', ['INPUT', 'FORWARD', 'OUTPUT'], [...matches, ...more.slice(0, 4)])
  );
}

const DEVICE = '02:00:00:00:00:01';

const WITNESSES: Record<string, (job: Job, onPacket: (outcome: PacketOutcome) => void) => Session | Promise<Session>> = {
  reference: (job, onPacket) => referenceSession(job, { onPacket }),
  engine: (job, onPacket) => engineSession(job, { hashKey: hashKeyOf(job), onPacket }),
  'engine debug': (job, onPacket) => engineSession(job, { hashKey: hashKeyOf(job), onPacket, build: 'debug' }),
};

async function differences(
  seed: number,
  { family, backend, forward, tracked }: { family: Family; backend: 'legacy' | 'nft'; forward: boolean; tracked: boolean },
): Promise<string[]> {
  const text = rules(family, tracked);
  // A raw socket sends what this host sends: fragments that its kernel might have made are taken for whole datagrams of other sockets (test/replay/own-datagrams.test.ts).
  const packets = storm(seed, family, forward, DATAGRAMS).filter(
    (packet) => tracked || packet.direction === 'in' || ownPart(packet, family) === undefined,
  );
  const mac = (index: number): string => (index % 3 === 0 ? '02:00:00:00:00:98' : '02:00:00:00:00:99');
  const job: KernelJob = {
    backend,
    family,
    rules: text,
    topology: forward ? 'forward' : 'host',
    trace: true,
    inIface: 'eth0',
    ...(forward ? { outIface: 'eth1' } : { local: [OWN[family]] }),
    frames: packets.map((packet, index) => ({
      time: 0n,
      bytes: packet.bytes,
      direction: packet.direction,
      family,
      srcMac: mac(index),
    })),
  };
  const kernel = await bench.judge(job);
  expect(kernel.refused).toBeUndefined();
  const sent = kernel.packets.flatMap((packet, index) => (packet.unsent === undefined ? [index] : []));
  const frames = sent.map((index) => {
    const { bytes, direction } = packets[index]!;
    const [to, from] = direction === 'out' ? [mac(index), DEVICE] : [DEVICE, mac(index)];
    return { time: kernel.packets[index]!.injected, bytes: ethernetFrame(to, from, family, bytes, false) };
  });
  const asked: Job = {
    rules: { [family]: parseSave(text, { file: 'storm', family }) },
    host: forward ? buildHost({ forward: true, in: 'eth0', out: 'eth1' }) : buildHost({ local: [OWN[family]], in: 'eth0' }),
    profile: { ...DEFAULT_PROFILE, backend, hz: kernel.kernel.hz || 250 },
    packets: { path: true },
  };
  const compared = comparedKernel(job, { ...kernel, packets: sent.map((index) => kernel.packets[index]!) });
  const lines: string[] = [];
  for (const [name, start] of Object.entries(WITNESSES)) {
    const outcomes: PacketOutcome[] = [];
    const session = await start(asked, (outcome) => outcomes.push(outcome));
    session.startCapture('storm');
    session.feed(writePcap(frames, 1));
    session.endCapture();
    for (const { unseen, reason } of outcomes) {
      const fate = unseen ?? (reason?.startsWith('fragment ') ? `${reason} before INPUT` : 'whole');
      reach.set(fate, (reach.get(fate) ?? 0) + 1);
    }
    lines.push(...compareOutcomes(compared, comparedWitness(name, session.result().counters[family] ?? {}, outcomes)));
  }
  return lines;
}

let bench: ReturnType<typeof openKernelBench>;
/** What became of fragments, over all storms: the storms must not go blind. */
const reach = new Map<string, number>();

const WAYS = [
  ['forward', true, true],
  ['host', false, true],
  ['host, without conntrack', false, false],
] as const;

describeKernel('fragment storms', () => {
  for (const family of [4, 6] as const)
    for (const backend of ['legacy', 'nft'] as const)
      for (const [way, forward, tracked] of WAYS)
        test(`IPv${family}, ${backend}, ${way}`, { timeout: 240_000 }, async () => {
          bench = openKernelBench();
          try {
            for (let index = 0; index < STORMS; index++) {
              const found = await differences(SEED + index, { family, backend, forward, tracked });
              expect(found, `seed ${SEED + index}`).toEqual([]);
            }
          } finally {
            await bench.close();
          }
        });

  test('fragments were kept, thrown away and put together', () => {
    const fates = ['fragment kept for reassembly', 'fragment discarded by reassembly'];
    for (const what of [...fates, ...fates.map((fate) => `${fate} before INPUT`), 'whole'])
      expect(reach.get(what), what).toBeGreaterThan(STORMS * 20);
  });
});
