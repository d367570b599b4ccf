/** Payloads of protocols that one match alone looks into: DCCP and the mobility header of IPv6. */
import type { Draw } from '../extensions/extension.ts';

export const DCCP = 33;
export const MOBILITY = 135;

const DCCP_HEADER = 12;
const NO_NEXT_HEADER = 59;
/** Lists of options: one byte, with a length, a length of zero, nothing. */
const DCCP_OPTIONS: readonly (readonly number[])[] = [
  [],
  [],
  [0, 0, 0, 0],
  [1, 32, 3, 7],
  [38, 3, 1, 255],
  [2, 0, 32, 1],
  [255, 4, 1, 1],
];

/** A header of any type, sequence numbers short or long, and a data offset that mostly is right. */
export function dccpPacket(draw: Draw, sourcePort: number, destinationPort: number, damage: boolean): Uint8Array {
  const type = draw.integer(0, 11);
  const long = draw.chance(0.7) ? 1 : 0;
  const more = [4, 12, 0, 8, 8, 8, 8, 12, 8, 8][type] ?? 12;
  const options = draw.pick(DCCP_OPTIONS);
  const header = DCCP_HEADER + long * 4 + more + options.length;
  const out = new Uint8Array(header + draw.pick([0, 1, 20]));
  const view = new DataView(out.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  out[4] = damage && draw.chance(0.1) ? draw.integer(0, 40) : header / 4;
  out[8] = (type << 1) | long;
  out.set(options, header - options.length);
  return out;
}

/** A message of any type; now and then another header is said to follow. */
export function mobilityMessage(draw: Draw, damage: boolean): Uint8Array {
  const out = new Uint8Array(damage ? draw.pick([8, 8, 16, 5, 6, 2]) : draw.pick([8, 16]));
  out[0] = draw.chance(0.1) ? draw.pick([6, 0]) : NO_NEXT_HEADER;
  out[1] = Math.max(0, out.length / 8 - 1);
  if (out.length > 2) out[2] = draw.integer(0, 8);
  return out;
}
