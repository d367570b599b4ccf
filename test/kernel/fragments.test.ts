/** Fragments on the running kernel: who keeps them, which hooks they meet, what leaves. */
import { expect, test } from 'vitest';
import { expectedLeft, type KernelFrame, type KernelJob, leftDifference, runKernel } from '../../src/kernel/index.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { describeKernel } from './machine.ts';
import { ip, udp } from './packets.ts';

const A = { 4: '192.0.2.1', 6: '2001:db8::1' };
const B = { 4: '198.51.100.2', 6: '2001:db8:1::2' };

/** Where the second fragment begins. */
const CUT = 24;

/** A UDP datagram with 40 bytes of data in two fragments. */
function fragments(family: Family, source: string, destination: string, ttl = 64): Uint8Array[] {
  const datagram = Buffer.from(udp(`${source} 5`, `${destination} 53`, 40)).subarray(family === 4 ? 20 : 40);
  const parts = [datagram.subarray(0, CUT), datagram.subarray(CUT)];
  return parts.map((part, i) => {
    const place = i === 0 ? 0 : CUT;
    const more = i === 0 ? 1 : 0;
    if (family === 4) return ip(source, destination, 17, part, -1, { ttl, fragment: place / 8 + more * 0x2000 });
    const header = Buffer.from([17, 0, 0, place | more, 0, 0, 0, 77]);
    return ip(source, destination, 44, Buffer.concat([header, part]), -1, { ttl });
  });
}

/** A table at every hook, a rule in the first and the last; conntrack or none. */
const RULES = (conntrack: boolean) => `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING
-A OUTPUT
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p udp
-A FORWARD -p udp ${conntrack ? '-m conntrack --ctstate NEW' : ''}
-A OUTPUT -p udp
COMMIT
`;

type Way = 'FORWARD' | 'INPUT' | 'OUTPUT';

function jobOf(backend: KernelJob['backend'], family: Family, way: Way, conntrack: boolean, ttl = 64): KernelJob {
  const [from, to] = way === 'OUTPUT' ? [B[family], A[family]] : [A[family], B[family]];
  const direction = way === 'OUTPUT' ? 'out' : 'in';
  const frames: KernelFrame[] = fragments(family, from, to, ttl).map((bytes) => ({ time: 0n, bytes, direction }));
  const host = way === 'FORWARD' ? { topology: 'forward' as const } : { topology: 'host' as const, local: [B[family]] };
  return { backend, family, rules: RULES(conntrack), ...host, frames, trace: true };
}

const CASES = (['legacy', 'nft'] as const).flatMap((backend) => ([4, 6] as const).map((family) => ({ backend, family })));
/** IP length of the two fragments, and of the whole. */
const SIZE = { 4: { parts: [44, 44], whole: 68 }, 6: { parts: [72, 72], whole: 88 } };

describeKernel('fragments', () => {
  test.each(CASES)(
    '$backend IPv$family without conntrack: each is forwarded and sent for itself',
    async ({ backend, family }) => {
      for (const way of ['FORWARD', 'OUTPUT'] as const) {
        const job = jobOf(backend, family, way, false);
        const { packets, counters } = await runKernel(job);
        expect(packets.map(({ verdict, hook }) => [verdict, hook])).toEqual([
          ['ACCEPT', way],
          ['ACCEPT', way],
        ]);
        for (const [i, { left }] of packets.entries()) {
          const expected = expectedLeft(job.frames[i]?.bytes ?? new Uint8Array(), 'ACCEPT', way);
          expect(leftDifference(expected, left)).toBeUndefined();
        }
        expect(counters.filter?.[way]?.packets).toBe(2);
      }
    },
  );

  test.each(CASES)(
    '$backend IPv$family without conntrack: one whose TTL ends is dropped, not kept',
    async ({ backend, family }) => {
      const { packets } = await runKernel(jobOf(backend, family, 'FORWARD', false, 1));
      expect(packets.map(({ verdict, hook, left }) => [verdict, hook, left.length])).toEqual([
        ['STACK', null, 0],
        ['STACK', null, 0],
      ]);
    },
  );

  test.each(CASES)('$backend IPv$family without conntrack, for the host itself', async ({ backend, family }) => {
    const { packets, counters } = await runKernel(jobOf(backend, family, 'INPUT', false));
    const [first, second] = packets;
    expect(counters.raw?.PREROUTING?.rules[0]?.packets).toBe(2);
    expect([second?.verdict, second?.hook]).toEqual(['ACCEPT', 'INPUT']);
    // IPv4 is whole before INPUT, IPv6 behind it.
    expect([first?.verdict, first?.hook]).toEqual(family === 4 ? [undefined, null] : ['ACCEPT', 'INPUT']);
    expect(counters.filter?.INPUT?.packets).toBe(family === 4 ? 1 : 2);
    expect(counters.filter?.INPUT?.bytes).toBe(family === 4 ? SIZE[4].whole : 144);
    expect(packets.flatMap(({ left }) => left)).toEqual([]);
  });

  test.each(CASES)('$backend IPv$family with conntrack: the last one stands for the whole', async ({ backend, family }) => {
    for (const way of ['FORWARD', 'INPUT', 'OUTPUT'] as const) {
      const { packets, counters, entries } = await runKernel(jobOf(backend, family, way, true));
      const [first, last] = packets;
      expect([first?.path, first?.verdict, first?.left]).toEqual([[], undefined, []]);
      expect([last?.verdict, last?.hook]).toEqual(['ACCEPT', way]);
      expect(last?.left.map((bytes) => bytes.length)).toEqual(way === 'INPUT' ? [] : SIZE[family].parts);
      expect(counters.filter?.[way]).toMatchObject({ packets: 1, bytes: SIZE[family].whole });
      expect(entries.map(({ original }) => original.destination.port)).toEqual([53]);
    }
  });
});
