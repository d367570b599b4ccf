/** The two ways in which windows of plain segments move (assembly/conntrack/follow.ts), one number after the other and four at a time, do the same. */
import { beforeAll, describe, expect, it } from 'vitest';
import { SEED } from '../../seed.ts';
import { randomOf } from '../session/random.ts';
import { compileEngine, type Module, Tracker } from './engine.ts';

/** Of an entry (assembly/conntrack/entry.ts): where what is kept of the last packet, the scales and the sides begin; of a side: END, MAXEND, MAXWIN, MAXACK. */
const [ENTRY_SIZE, LAST_SEQ, LAST_END, SCALES, SIDES, SIDE] = [128, 40, 48, 56, 64, 16];
const CASES = 20_000;
const NOT_PLAIN = 4;
const OPPOSITE = 0x80000000;

/** How far numbers lie from each other: usually as in connections, sometimes where signs turn. */
const NEAR = [0, 1, -1, 100, -100, 1460, 65_535, 66_000, -66_000, -66_001];
const FAR = [OPPOSITE, OPPOSITE - 1, OPPOSITE + 1, 0x40000000, -0x40000000];
const ROOMS = [1, 100, 65_535, 66_000, 66_001, 0x3fffc000, OPPOSITE - 1];
const ODD_ROOMS = [0, OPPOSITE, 0xffffffff];

describe.each(['debug', 'release'] as const)('windows (%s)', (mode) => {
  let module: Module;

  beforeAll(() => {
    module = compileEngine(mode);
  });

  it('move by four numbers at a time as one by one, or not at all', () => {
    const { exports, slot } = new Tracker(module);
    const entry = (slot + ENTRY_SIZE - 1) & -ENTRY_SIZE;
    const header = entry + ENTRY_SIZE;
    const view = new DataView(exports.memory.buffer);
    const bytes = new Uint8Array(exports.memory.buffer, entry, ENTRY_SIZE);
    const draw = randomOf(SEED);
    const one = (usual: readonly number[], odd: readonly number[]): number =>
      draw(12) === 0 ? odd[draw(odd.length)]! : usual[draw(usual.length)]!;
    let taken = 0;
    for (let number = 0; number < CASES; number++) {
      const base = draw(2) === 0 ? draw(1000) : (draw(0x10000) * 0x10000 + draw(0x10000)) >>> 0;
      const near = (): number => (base + one(NEAR, FAR)) >>> 0;
      for (let at = 0; at < ENTRY_SIZE; at++) bytes[at] = draw(256);
      for (const side of [entry + SIDES, entry + SIDES + SIDE]) {
        for (const place of [0, 4, 12]) view.setUint32(side + place, near(), true);
        view.setUint32(side + 8, one(ROOMS, ODD_ROOMS), true);
      }
      for (const place of [0, 1]) view.setUint8(entry + SCALES + place, draw(15));
      const [seq, ack, data, direction] = [near(), near(), one([0, 1, 1460], [65_515]), draw(2)];
      view.setUint32(header + 4, seq);
      view.setUint32(header + 8, ack);
      const window = one([1, 100, 65_535], [0]);
      view.setUint16(header + 14, window);
      if (draw(20) === 0) {
        view.setUint32(entry + LAST_SEQ, seq, true);
        view.setUint32(entry + LAST_SEQ + 4, ack, true);
        if (draw(2) === 0) view.setUint32(entry + LAST_END, (seq + data) >>> 0, true);
      }
      const before = bytes.slice();
      const alone = exports.slide(entry, direction, header, data, 0);
      const after = bytes.slice();
      bytes.set(before);
      const together = exports.slideTogether(entry, direction, header, data);
      const told = `case ${number} of seed ${SEED}`;
      if (saysAgain(new DataView(before.buffer), seq, ack) && view.getUint32(entry + LAST_END, true) === (seq + data) >>> 0)
        expect(alone, told).toBe(NOT_PLAIN);
      const wanted = together === NOT_PLAIN ? before : after;
      if (Buffer.compare(bytes, wanted) !== 0) expect(bytes, told).toEqual(wanted);
      if (together !== NOT_PLAIN) {
        taken++;
        expect(together, told).toBe(alone);
        continue;
      }
      if (alone !== NOT_PLAIN)
        expect(isLeft(new DataView(before.buffer), { direction, seq, ack, data, window }), told).toBe(true);
    }
    expect(taken).toBeGreaterThan(CASES / 50);
  });
});

/** Whether a segment has the numbers of the one before. */
const saysAgain = (entry: DataView, seq: number, ack: number): boolean =>
  entry.getUint32(LAST_SEQ, true) === seq && entry.getUint32(LAST_SEQ + 4, true) === ack;

/** Whether a plain segment is one that four at a time leave to the other way: the same numbers as the one before, with other data; data behind the bound, or two numbers as far from each other as can be. */
function isLeft(
  entry: DataView,
  { direction, seq, ack, data, window }: Record<'direction' | 'seq' | 'ack' | 'data' | 'window', number>,
): boolean {
  const [sender, receiver] = [SIDES + direction * SIDE, SIDES + (1 - direction) * SIDE];
  const word = (at: number): number => entry.getUint32(at, true);
  const isFar = (one: number, other: number): boolean => (one - other) >>> 0 === OPPOSITE;
  const end = (seq + data) >>> 0;
  const scaled = window << entry.getUint8(SCALES + direction);
  if (saysAgain(entry, seq, ack)) return true;
  if (((word(sender + 4) - end) | 0) < 0 || word(sender + 8) === OPPOSITE || word(receiver + 8) === OPPOSITE) return true;
  return isFar(end, word(sender)) || isFar(ack + scaled, word(receiver + 4)) || isFar(ack, word(sender + 12));
}
