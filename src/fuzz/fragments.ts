/** A packet in fragments: whole sets and spoilt ones, in any order. Knows formats, nothing of the witnesses. */
import type { Draw } from '../extensions/extension.ts';
import type { Family } from '../model/ruleset.ts';
import { fillHeaderChecksum } from './build-packet.ts';

const FRAGMENT = 44;
const HEADER: Record<Family, number> = { 4: 20, 6: 40 };

/** A piece of a packet: where it begins behind the header, and whether more follow. */
interface Piece {
  offset: number;
  data: Uint8Array;
  more: boolean;
}

/**
 * The fragments of a whole packet: two or three, now and then one of them lost, sent twice, longer than it should be (overlapping), or the order turned. undefined for packets that are
 * too short, have options or extension headers, or are fragments already.
 */
export function fragmentsOf(draw: Draw, bytes: Uint8Array, family: Family, id: number): Uint8Array[] | undefined {
  const header = HEADER[family];
  const payload = bytes.subarray(header);
  const plain = family === 4 ? bytes[0] === 0x45 && (bytes[6]! & 0x3f) === 0 && bytes[7] === 0 : !isExtension(bytes[6]!);
  if (!plain || payload.length < 9) return undefined;
  const pieces = spoilt(draw, cut(draw, payload), payload);
  return pieces.map((piece) => (family === 4 ? piece4(bytes, piece, id) : piece6(bytes, piece, id)));
}

const isExtension = (type: number): boolean => [0, 43, FRAGMENT, 51, 60, 135].includes(type);

/** At multiples of eight. */
function cut(draw: Draw, payload: Uint8Array): Piece[] {
  const places = [0];
  for (let left = draw.pick([1, 1, 2]); left > 0; left--) {
    // Behind the first eight bytes, where the kernel suspects an attack, more often than elsewhere.
    places.push(draw.chance(0.25) ? 8 : 8 * draw.integer(1, (payload.length - 1) >> 3));
  }
  const starts = [...new Set(places)].sort((a, b) => a - b);
  return starts.map((offset, index) => {
    const end = starts[index + 1];
    return { offset, data: payload.subarray(offset, end), more: end !== undefined };
  });
}

function spoilt(draw: Draw, pieces: Piece[], payload: Uint8Array): Piece[] {
  const at = draw.integer(0, pieces.length - 1);
  const piece = pieces[at]!;
  const longer = { ...piece, data: payload.subarray(piece.offset, piece.offset + piece.data.length + 8) };
  return draw.pick([
    pieces,
    pieces,
    [...pieces].reverse(),
    [...pieces.slice(1), pieces[0]!],
    pieces.filter((_, index) => index !== at),
    [...pieces.slice(0, at + 1), piece, ...pieces.slice(at + 1)],
    piece.more ? pieces.with(at, longer) : pieces,
    pieces.with(at, { ...piece, more: !piece.more }),
  ]);
}

function piece4(bytes: Uint8Array, { offset, data, more }: Piece, id: number): Uint8Array {
  const out = Uint8Array.of(...bytes.subarray(0, HEADER[4]), ...data);
  const view = new DataView(out.buffer);
  view.setUint16(2, out.length);
  view.setUint16(4, id);
  view.setUint16(6, (offset >> 3) | (more ? 0x2000 : 0));
  fillHeaderChecksum(out.subarray(0, HEADER[4]));
  return out;
}

function piece6(bytes: Uint8Array, { offset, data, more }: Piece, id: number): Uint8Array {
  const out = Uint8Array.of(...bytes.subarray(0, HEADER[6]), bytes[6]!, 0, 0, 0, 0, 0, 0, 0, ...data);
  const view = new DataView(out.buffer);
  view.setUint16(4, out.length - HEADER[6]);
  out[6] = FRAGMENT;
  view.setUint16(HEADER[6] + 2, offset | (more ? 1 : 0));
  view.setUint32(HEADER[6] + 4, id);
  return out;
}
