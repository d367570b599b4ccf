/** Plain segments are told by their bytes (assembly/packet/segment.ts): of every length, both sums as they are, whatever lies behind the packet. */
import { expect, test } from 'vitest';
import { encodeHost } from '../../../src/compile/host.ts';
import { buildInterfaces } from '../../../src/compile/interfaces.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import { SEED } from '../../seed.ts';
import { randomOf } from '../session/random.ts';
import { BUILDS, compile, Front } from './engine.ts';

const HOST = encodeHost(buildHost({ local: ['10.1.2.3'] }), DEFAULT_PROFILE, buildInterfaces([], ['lo', 'eth0']), {
  addressTypes: false,
});
const [IP, TCP, ROOM] = [14, 34, 160];
const [LEAST, SUMMED, MOST] = [40, 60, 90];
const UNSUMMED = 0x10000;
const ROUNDS = 40;

/** Ones' complement sum of big-endian words; the last byte of an odd number is an upper one. */
const sumOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte, at) => sum + (at % 2 === 0 ? byte << 8 : byte), 0);
const folded = (sum: number): number => ~(sum % 0xffff) & 0xffff;

/** A frame at `at` with a segment of `total` bytes behind its link header, all else drawn. */
function put(view: DataView, at: number, total: number, draw: (below: number) => number): void {
  for (let byte = 0; byte < ROOM; byte++) view.setUint8(at + byte, draw(256));
  view.setUint8(at, draw(128) * 2);
  view.setUint16(at + 12, 0x0800);
  view.setUint8(at + IP, 0x45);
  view.setUint16(at + IP + 2, total);
  view.setUint16(at + IP + 6, [0, 0x4000, 0x8000][draw(3)]!);
  view.setUint8(at + IP + 9, 6);
  view.setUint8(at + TCP + 13, [0x10, 0x18, 0xd0][draw(3)]!);
  const bytes = (from: number, size: number): Uint8Array => new Uint8Array(view.buffer, at + from, size);
  view.setUint16(at + IP + 10, 0);
  view.setUint16(at + IP + 10, folded(sumOf(bytes(IP, 20))));
  view.setUint16(at + TCP + 16, 0);
  view.setUint16(at + TCP + 16, folded(sumOf(bytes(IP + 12, 8)) + 6 + total - 20 + sumOf(bytes(TCP, total - 20))));
}

for (const build of BUILDS)
  test(`${build}: sums of every length`, () => {
    const front = new Front(compile(build));
    front.host(HOST);
    front.exports.segmentInit();
    const draw = randomOf(SEED);
    const at = front.place(new Uint8Array(ROOM));
    const flip = (byte: number): void => front.view.setUint8(at + byte, front.view.getUint8(at + byte) ^ (1 << draw(8)));
    for (let total = LEAST; total <= MOST; total++)
      for (let round = 0; round < ROUNDS; round++) {
        const told = `${total} bytes, round ${round} of seed ${SEED}`;
        const right = total > SUMMED ? total | UNSUMMED : total;
        const look = (captured = IP + total): number => front.exports.segmentAt(at, captured) >>> 0;
        put(front.view, at, total, draw);
        expect([look(), look(IP + total + 9), look(IP + total - 1)], told).toEqual([right, right, 0]);
        flip(IP + total + draw(ROOM - IP - total));
        expect(look(), told).toBe(right);
        // Sequence number and acknowledgement, window, and what is behind them.
        flip(draw(2) === 0 ? TCP + 4 + draw(8) : TCP + 14 + draw(total - 34));
        expect(look(), told).toBe(total | UNSUMMED);
        // Identification, TTL, checksum, addresses.
        flip(IP + [4, 5, 8, 10, 11, 12, 15, 16, 19][draw(9)]!);
        expect(look(), told).toBe(0);
      }
  });

test('what is no plain segment', () => {
  const front = new Front(compile('release'));
  front.host(HOST);
  front.exports.segmentInit();
  const draw = randomOf(SEED);
  const at = front.place(new Uint8Array(ROOM));
  // The group bit; EtherType; version and header length; more fragments, offset; protocol; all flags but PSH and the two above them.
  const bits: readonly (readonly [number, number])[] = [
    [0, 1],
    ...[12, 13, IP, IP + 7, IP + 9].flatMap((byte) => Array.from({ length: 8 }, (_, bit) => [byte, 1 << bit] as const)),
    ...[0x20, 0x10, 0x08, 0x04, 0x02, 0x01].map((bit) => [IP + 6, bit] as const),
    ...[0x01, 0x02, 0x04, 0x10, 0x20].map((bit) => [TCP + 13, bit] as const),
  ];
  for (const [byte, bit] of bits) {
    put(front.view, at, LEAST, draw);
    expect(front.exports.segmentAt(at, IP + LEAST)).toBe(LEAST);
    front.view.setUint8(at + byte, front.view.getUint8(at + byte) ^ bit);
    // The header's sum is made right again.
    front.view.setUint16(at + IP + 10, 0);
    front.view.setUint16(at + IP + 10, folded(sumOf(new Uint8Array(front.view.buffer, at + IP, 20))));
    expect(front.exports.segmentAt(at, IP + LEAST), `byte ${byte}, bit ${bit}`).toBe(0);
  }
});
