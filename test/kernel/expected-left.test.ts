/** Which bytes must leave, held against the wire. */
import { expect, test } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { kernelJob, tellsWhatLeaves } from '../../src/fuzz/kernels.ts';
import { expectedLeft, type KernelJob, leftDifference, openKernelBench, runKernel } from '../../src/kernel/index.ts';
import { rewrites } from '../../src/model/nat.ts';
import { findUpper } from '../../src/packet/ipv6.ts';
import { needsConntrack } from '../../src/reference/tables.ts';
import { SEED } from '../seed.ts';
import { describeKernel } from './machine.ts';
import { ip, ping, SYN, tcp, udp } from './packets.ts';

const CASES = 25;
const PACKETS = 50;

const PACKET = udp('192.0.2.1 5', '198.51.100.2 6');

test('nothing leaves but what is accepted on its way out', () => {
  expect(expectedLeft(PACKET, 'DROP', 'FORWARD')).toBeUndefined();
  expect(expectedLeft(PACKET, 'ACCEPT', 'INPUT')).toBeUndefined();
  expect(expectedLeft(PACKET, undefined, null)).toBeUndefined();
  expect(expectedLeft(PACKET, 'ACCEPT', 'OUTPUT')).toEqual({ bytes: Uint8Array.from(PACKET), free: [], drawn: [] });
});

test('a difference is told in bytes', () => {
  const expected = expectedLeft(PACKET, 'ACCEPT', 'FORWARD');
  const right = expected?.bytes ?? new Uint8Array();
  expect(leftDifference(expected, [right])).toBeUndefined();
  expect(leftDifference(undefined, [])).toBeUndefined();
  expect(leftDifference(expected, [PACKET])).toMatch(/expected 4500.*3f11.*, left 4500.*4011/);
  expect(leftDifference(expected, [])).toMatch(/left nothing/);
  expect(leftDifference(undefined, [right])).toMatch(/expected nothing/);
  expect(leftDifference(expected, [right, right])).toMatch(/2 packets left/);
});

/** An UDP packet with these option bytes, filled up with the end of the list. */
function withOptions(...options: number[]): Uint8Array {
  const padded = [...options, ...new Array<number>((4 - (options.length % 4)) % 4).fill(0)];
  const plain = Buffer.from(udp('192.0.2.1 5', '198.51.100.2 6'));
  const bytes = Buffer.concat([plain.subarray(0, 20), Uint8Array.from(padded), plain.subarray(20)]);
  bytes[0] = 0x45 + padded.length / 4;
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(0, 10);
  let sum = 0;
  for (let at = 0; at < 20 + padded.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes.writeUInt16BE(~sum & 0xffff, 10);
  return bytes;
}

const SLOTS = new Array<number>(8).fill(0);

const OPTIONS: [name: string, options: number[], free: number][] = [
  ['router alert', [148, 4, 0, 0], 0],
  ['no operations', [1, 1, 1, 1], 0],
  ['rubbish behind the end', [1, 0, 9, 9], 0],
  ['record route', [7, 11, 4, ...SLOTS], 1],
  ['record route, one slot taken', [7, 11, 8, ...SLOTS], 1],
  ['record route, full', [7, 11, 12, ...SLOTS], 0],
  ['timestamps', [68, 12, 5, 0, ...SLOTS], 1],
  ['timestamps, full', [68, 12, 13, 0x10, ...SLOTS], 0],
  ['timestamps with addresses', [68, 12, 5, 1, ...SLOTS], 1],
  ['timestamps of others', [68, 12, 5, 3, 203, 0, 113, 9, 0, 0, 0, 0], 2],
  ['timestamps of others, full', [68, 12, 13, 3, ...SLOTS], 0],
  ['unknown flags of timestamps', [68, 12, 5, 2, ...SLOTS], 0],
  ['unknown option', [150, 4, 7, 7], 0],
];

describeKernel('what leaves', () => {
  test.each(['legacy', 'nft'] as const)(`%s: random cases (seed ${SEED})`, { timeout: 240_000 }, async (backend) => {
    const bench = openKernelBench();
    const leaving = { FORWARD: 0, OUTPUT: 0, INPUT: 0 };
    try {
      for (const [index, fuzzCase] of casesOf({ packets: PACKETS, judge: 'kernel', backend }, SEED, CASES).entries()) {
        // What translation and rewriting targets make of a packet only a witness can say: test/kernel/nat.test.ts, rewrite.test.ts.
        if (needsConntrack(fuzzCase.ruleset) && fuzzCase.ruleset.tables.some(({ name }) => name === 'nat')) continue;
        if (rewrites(fuzzCase.ruleset)) continue;
        const { job, numbers, wholes } = kernelJob(fuzzCase);
        const { packets } = await bench.judge(job);
        for (const [i, { verdict, hook, left }] of packets.entries()) {
          const { bytes } = fuzzCase.packets[numbers[i]! - 1]!;
          if (wholes.includes(numbers[i]!) || !tellsWhatLeaves(bytes, fuzzCase)) continue;
          // It ends before its transport header: nf_tables has no trace record for it, so nobody says how far it came.
          if (fuzzCase.family === 6 && (findUpper(bytes)?.offset ?? bytes.length) >= bytes.length) continue;
          const expected = expectedLeft(bytes, verdict, hook);
          expect(leftDifference(expected, left), `seed ${SEED} path ${index}, packet ${i + 1}`).toBeUndefined();
          if (hook && left.length > 0) leaving[hook]++;
        }
      }
    } finally {
      await bench.close();
    }
    expect(leaving.FORWARD).toBeGreaterThan(CASES);
    expect(leaving.OUTPUT).toBeGreaterThan(CASES);
    expect(leaving.INPUT).toBe(0);
  });

  const RULES = '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n';
  const job = (packets: Uint8Array[], more: Partial<KernelJob> = {}): KernelJob => {
    const frames = packets.map((bytes) => ({ time: 0n, bytes, direction: 'in' as const }));
    return { backend: 'legacy', family: 4, rules: RULES, topology: 'forward', trace: false, frames, ...more };
  };

  test('options, as a router leaves them', async () => {
    const packets = OPTIONS.map(([, options]) => withOptions(...options));
    const { packets: told } = await runKernel(job(packets, { local: ['203.0.113.9'] }));
    for (const [i, [name, , free]] of OPTIONS.entries()) {
      const expected = expectedLeft(packets[i] ?? PACKET, 'ACCEPT', 'FORWARD');
      expect(leftDifference(expected, told[i]?.left ?? []), name).toBeUndefined();
      expect(expected?.free.length, name).toBe(free);
    }
  });

  test('what a raw socket fills in', async () => {
    const to = '192.0.2.1';
    const packets = [ping('198.51.100.2', to), tcp('198.51.100.2 1', `${to} 2`, SYN), ip('0.0.0.0', to, 99, Buffer.alloc(8), -1)];
    const zeroId = Buffer.from(ping('198.51.100.2', to));
    zeroId.writeUInt16BE(0, 4);
    const whole = Buffer.from(zeroId);
    whole.writeUInt16BE(0x4000, 6);
    packets.push(zeroId, whole);
    const frames = packets.map((bytes) => ({ time: 0n, bytes, direction: 'out' as const }));
    const { packets: told } = await runKernel({ ...job([]), frames, topology: 'host', local: ['198.51.100.2'] });
    const lines = packets.map((bytes, i) => leftDifference(expectedLeft(bytes, 'ACCEPT', 'OUTPUT'), told[i]?.left ?? []));
    expect(lines).toEqual(packets.map(() => undefined));
  });

  test('padding stays behind, and without trace the bytes are the same', async () => {
    const padded = Buffer.concat([PACKET, Buffer.alloc(9, 7)]);
    const six = Buffer.concat([udp('2001:db8::1 5', '2001:db8:1::2 6'), Buffer.alloc(3, 7)]);
    for (const [family, bytes] of [
      [4, padded],
      [6, six],
    ] as const) {
      const [plain, traced] = [await runKernel(job([bytes], { family })), await runKernel(job([bytes], { family, trace: true }))];
      expect(leftDifference(expectedLeft(bytes, 'ACCEPT', 'FORWARD'), plain.packets[0]?.left ?? [])).toBeUndefined();
      expect(traced.packets[0]?.left).toEqual(plain.packets[0]?.left);
    }
  });
});
