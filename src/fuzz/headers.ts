/** Random IPv4 options and IPv6 extension header chains: right ones, odd ones, and (with `damage`) broken ones. Knows formats, nothing of the witnesses. */
import type { Draw } from '../extensions/extension.ts';

const NOTHING = new Uint8Array(0);

/** Options that are right: no-operations, record route, router alert, timestamp, stream id, an unknown one. */
const RIGHT_OPTIONS: readonly (readonly number[])[] = [
  [1, 1, 1, 0],
  [7, 7, 4, 0, 0, 0, 0, 0],
  [0x94, 4, 0, 0],
  [0x44, 8, 5, 0, 0, 0, 0, 0],
  [0x88, 4, 0, 1],
  [0x9e, 6, 1, 2, 3, 4, 1, 1],
];

/** Lengths that reach past the header, pointers that point nowhere, a length of zero. */
const BROKEN_OPTIONS: readonly (readonly number[])[] = [
  [7, 40, 4, 0],
  [7, 7, 3, 0, 0, 0, 0, 0],
  [7, 7, 6, 0, 0, 0, 0, 0],
  [7, 3, 4, 7, 3, 4, 0, 0],
  [0x44, 8, 7, 0, 0, 0, 0, 0],
  [0x44, 8, 9, 0xf1, 0, 0, 0, 0],
  [0x83, 7, 4, 0, 0, 0, 0, 0],
  [0x86, 4, 0, 0],
  [7, 2, 1, 1],
  [0x44, 3, 5, 0],
  [0x94, 3, 0, 0],
  [0x94, 0, 0, 0],
  [0x9e, 1, 0, 0],
];

/** IPv4 options, a multiple of four bytes. */
export function ipv4Options(draw: Draw, damage: boolean): Uint8Array {
  if (damage && draw.chance(0.4)) return Uint8Array.from(draw.pick(BROKEN_OPTIONS));
  return Uint8Array.from(draw.pick(RIGHT_OPTIONS));
}

/** A chain: the type of its first header, its bytes, and where in them the type of what comes next is written. */
export interface HeaderChain {
  first: number;
  bytes: Uint8Array;
  /** Offset of the last header's next-header byte; -1 when the chain ends here (no next header is written). */
  last: number;
}

export const NO_CHAIN: HeaderChain = { first: 0, bytes: NOTHING, last: -1 };

const HOP_BY_HOP = 0;
const ROUTING = 43;
const AUTHENTICATION = 51;
const DESTINATION = 60;
const MOBILITY = 135;

/** One header with an empty next-header byte. */
function header(draw: Draw, type: number, damage: boolean): number[] {
  switch (type) {
    case HOP_BY_HOP:
    case DESTINATION:
      return [0, ...optionsOf(draw, damage)];
    case ROUTING:
      return routing(draw);
    case AUTHENTICATION:
      // Its length counts words of four bytes, less two.
      return [0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, ...new Array<number>(12).fill(0xaa)];
    default:
      return [0, 0, ...new Array<number>(6).fill(0)];
  }
}

/** Of types that do not route any more, with room for one address or two; mostly no segments are left. */
function routing(draw: Draw): number[] {
  const addresses = draw.pick([1, 1, 2]);
  const type = draw.pick([2, 253, 2, 253, 0, 4]);
  return [
    0,
    addresses * 2,
    type,
    draw.chance(0.3) ? 1 : 0,
    draw.chance(0.3) ? 1 : 0,
    ...new Array<number>(3 + addresses * 16).fill(0),
  ];
}

/** The length byte and options of a hop-by-hop or destination header. */
function optionsOf(draw: Draw, damage: boolean): number[] {
  if (damage && draw.chance(0.25))
    return draw.pick([
      [0, 1, 9, 0, 0, 0, 0],
      [0, 0xc2, 4, 0, 0, 0, 0],
      [0, 0x5e, 4, 1, 2, 3, 4],
      [0, 0x9e, 4, 1, 2, 3, 4],
      [1, ...new Array<number>(8).fill(0), 1, 3, 0, 0, 0],
      [0, 1, 4, 0, 0, 1, 0],
      [3, 1, 4, 0, 0, 0, 0],
    ]);
  return draw.pick([
    [0, 1, 4, 0, 0, 0, 0],
    [0, 5, 2, 0, 0, 1, 0],
    [0, 0x1e, 4, 1, 2, 3, 4],
    [0, 0, 0, 0, 0, 0, 0],
    [1, 1, 12, ...new Array<number>(12).fill(0)],
  ]);
}

/** One to three headers, hop-by-hop first as it must be (elsewhere now and then); unknown ones end what the kernel can parse. `wanted`: kinds that shall be met. */
export function ipv6Chain(draw: Draw, damage: boolean, wanted: readonly number[] = []): HeaderChain {
  const types: number[] = [];
  const usual = [DESTINATION, DESTINATION, ROUTING, AUTHENTICATION, ...(damage ? [MOBILITY, HOP_BY_HOP] : [])];
  const rather = wanted.filter((kind) => usual.includes(kind));
  if (draw.chance(wanted.includes(HOP_BY_HOP) ? 0.7 : 0.35)) types.push(HOP_BY_HOP);
  for (let left = draw.pick([0, 1, 1, 2]); left > 0; left--)
    types.push(rather.length > 0 && draw.chance(0.7) ? draw.pick(rather) : draw.pick(usual));
  if (types.length === 0) types.push(DESTINATION);
  const bytes: number[] = [];
  let last = -1;
  for (const type of types) {
    if (last >= 0) bytes[last] = type;
    last = bytes.length;
    bytes.push(...header(draw, type, damage));
  }
  return { first: types[0]!, bytes: Uint8Array.from(bytes), last };
}
