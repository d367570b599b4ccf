/** Sequence numbers of connections whose data got longer or shorter on its way: net/netfilter/nf_conntrack_seqadj.c of 6.18. */
import { u32 } from '../../packet/bytes.ts';
import { halves, putWords, updateChecksumAt } from '../../packet/rewrite.ts';
import * as tcp from '../../packet/tcp.ts';
import type { Packet } from '../packet.ts';
import { type Direction, opposite } from './connection.ts';
import { after } from './tcp-state.ts';

/** What one side's numbers are shifted by: up to a sequence number, and behind it. */
export interface Shift {
  position: number;
  before: number;
  after: number;
}

export type Shifts = readonly [Shift, Shift];

export const noShifts = (): Shifts => [
  { position: 0, before: 0, after: 0 },
  { position: 0, before: 0, after: 0 },
];

const SEQUENCE = 4;
const ACKNOWLEDGEMENT = 8;
const CHECKSUM = 16;
const SACK = 5;

/** What a sequence number of that direction is shifted by. */
export const shiftAt = (shifts: Shifts | null, direction: Direction, sequence: number): number =>
  shifts === null ? 0 : at(shifts[direction], sequence);

const at = (shift: Shift, sequence: number): number => (after(sequence, shift.position) ? shift.after : shift.before);

/** nf_ct_seqadj_set: the segment at `sequence` became `by` bytes longer. Only one place is remembered; what was counted already (a segment sent again) is not counted twice. */
export function shiftFrom(shift: Shift, sequence: number, by: number): void {
  if (shift.before !== shift.after && !after(sequence, shift.position)) return;
  shift.position = sequence;
  shift.before = shift.after;
  shift.after = (shift.after + by) | 0;
}

/** nf_ct_seq_adjust: a packet of the connection, in that direction. False: its options cannot be followed, and it is dropped. */
export function adjustSequence(packet: Packet, shifts: Shifts, direction: Direction): boolean {
  const bytes = new Uint8Array(packet.bytes);
  const header = packet.upperOffset;
  const upper = bytes.subarray(header);
  if (upper.length < tcp.MINIMUM_HEADER) return packet.cut;
  const own = shifts[direction];
  const other = shifts[opposite(direction)];
  const put = (place: number, value: number): void => {
    const word = [value >>> 0];
    updateChecksumAt(bytes, header + CHECKSUM, halves([u32(upper, place)]), halves(word));
    putWords(bytes, header + place, word);
  };
  const sequence = u32(upper, SEQUENCE);
  put(SEQUENCE, sequence + at(own, sequence));
  let whole = true;
  if ((tcp.flags(upper) & tcp.ACK) !== 0) {
    put(ACKNOWLEDGEMENT, unshifted(other, u32(upper, ACKNOWLEDGEMENT)));
    whole = adjustOptions(upper, (place) => put(place, unshifted(other, u32(upper, place))));
  }
  packet.rewrite(bytes);
  return whole;
}

/** A number that acknowledges what the other side's receiver saw, as that side knows it. */
const unshifted = (other: Shift, value: number): number =>
  value - (after((value - other.before) >>> 0, other.position) ? other.after : other.before);

/** Selective acknowledgements, edge by edge. False: an option is not whole. */
function adjustOptions(upper: Uint8Array, adjust: (place: number) => void): boolean {
  const end = tcp.headerLength(upper);
  for (let place = tcp.MINIMUM_HEADER; place < end; ) {
    const kind = upper[place]!;
    if (kind === 0) return true;
    if (kind === 1) {
      place++;
      continue;
    }
    const length = upper[place + 1] ?? 0;
    if (place + 1 === end || place + length > end || length < 2) return false;
    if (kind === SACK && length >= 10 && length % 8 === 2) {
      for (let edge = place + 2; edge < place + length; edge += 4) adjust(edge);
    }
    place += length;
  }
  return true;
}
