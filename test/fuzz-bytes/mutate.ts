/** Captures spoilt on purpose: where the formats have lengths, counts, types and numbers, and anywhere. */
import type { Random } from '../cli/random.ts';

/** A number in a file. */
interface Field {
  at: number;
  size: 1 | 2 | 4;
  little: boolean;
}

const PCAP_MAGICS = [0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34];
const SECTION = 0x0a0d0d0a;
const LINKTYPES = [0, 1, 12, 14, 101, 108, 113, 127, 228, 229, 276, 65_535];
const BLOCK_TYPES = [1, 2, 3, 4, 5, 6, 9, 10, 0xbad, 0x8000_0001, SECTION];
/** Numbers at which readers stumble: zero, ones, signs, and the limits of abi/capture.ts. */
const EDGES = [
  ...[0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 20, 24, 28, 32, 40, 255, 256],
  ...[0x7fff, 0x8000, 0xfffe, 0xffff, 0x1_0000, 262_143, 262_144, 262_145, 1_048_572, 1_048_576, 1_048_580],
  ...[0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_fffc, 0xffff_fffe, 0xffff_ffff],
];

/** Changed in one to four places; `other` is a file for splices. */
export function mutateCapture(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let out = new Uint8Array(bytes);
  for (let times = 1 + random.below(4); times > 0; times--) out = once(out, other, random);
  return out;
}

function once(bytes: Uint8Array<ArrayBuffer>, other: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  const at = place(bytes.length, random);
  const length = random.below(random.pick([2, 5, 17, 300]));
  switch (random.below(12)) {
    case 0:
      if (bytes.length > 0) bytes[at] = bytes[at]! ^ (1 << random.below(8));
      return bytes;
    case 1:
      return bytes.slice(0, at);
    case 2:
      return join(bytes.subarray(0, at), bytes.subarray(at + length));
    case 3:
      return join(bytes.subarray(0, at), noise(length, random), bytes.subarray(at));
    case 4: {
      const from = place(other.length, random);
      return join(
        bytes.subarray(0, at),
        other.subarray(from, from + random.below(4000)),
        bytes.subarray(random.below(2) === 0 ? at : at + length),
      );
    }
    case 5:
      return join(bytes, other);
    case 6:
      return unit(bytes, random);
    default:
      setField(bytes, random);
      return bytes;
  }
}

/** Anywhere, but headers at the front matter most. */
function place(length: number, random: Random): number {
  return random.below(random.below(3) === 0 ? Math.min(length, 300) : length);
}

function noise(length: number, random: Random): Uint8Array {
  const kind = random.below(3);
  return Uint8Array.from({ length }, () => (kind === 0 ? 0 : kind === 1 ? 255 : random.below(256)));
}

/** A whole record or block doubled, taken out, or put elsewhere. */
function unit(bytes: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  const { units } = layout(bytes);
  if (units.length < 2) return bytes;
  const [from, to] = units[random.below(units.length)]!;
  const target = units[random.below(units.length)]![0];
  const moved = bytes.subarray(from, to);
  switch (random.below(3)) {
    case 0:
      return join(bytes.subarray(0, from), bytes.subarray(to));
    case 1:
      return join(bytes.subarray(0, target), moved, bytes.subarray(target));
    default:
      return target < from
        ? join(bytes.subarray(0, target), moved, bytes.subarray(target, from), bytes.subarray(to))
        : join(bytes.subarray(0, from), bytes.subarray(to, target), moved, bytes.subarray(Math.max(to, target)));
  }
}

function setField(bytes: Uint8Array<ArrayBuffer>, random: Random): void {
  const { fields } = layout(bytes);
  if (fields.length === 0) return;
  // Every other time one near the front, where there are fewer of them and each rules over more.
  const { at, size, little } = fields[random.below(random.below(2) === 0 ? Math.min(12, fields.length) : fields.length)]!;
  const view = new DataView(bytes.buffer);
  const old = size === 4 ? view.getUint32(at, little) : size === 2 ? view.getUint16(at, little) : view.getUint8(at);
  const value = random.pick([
    random.pick(EDGES),
    random.pick(EDGES),
    old + random.pick([-8, -4, -1, 1, 4, 8]),
    (old ^ (1 << random.below(size * 8))) >>> 0,
    bytes.length - at,
    random.pick(LINKTYPES),
    random.pick(BLOCK_TYPES),
  ]);
  if (size === 4) view.setUint32(at, value, little);
  else if (size === 2) view.setUint16(at, value, little);
  else view.setUint8(at, value);
}

/** Fields and whole records or blocks, as far as the file makes sense. */
function layout(bytes: Uint8Array<ArrayBuffer>): { fields: Field[]; units: [number, number][] } {
  const view = new DataView(bytes.buffer);
  if (bytes.length < 24) return { fields: [], units: [] };
  if (view.getUint32(0, true) === SECTION) return pcapng(view);
  const little = PCAP_MAGICS.includes(view.getUint32(0, true));
  return pcap(view, little, view.getUint32(0, little) === 0xa1b2cd34 ? 24 : 16);
}

function pcap(view: DataView, little: boolean, header: number): { fields: Field[]; units: [number, number][] } {
  const fields: Field[] = [
    ...[0, 8, 12, 16, 20].map((at) => ({ at, size: 4, little }) as const),
    ...[4, 6].map((at) => ({ at, size: 2, little }) as const),
  ];
  const units: [number, number][] = [];
  for (let at = 24; at + header <= view.byteLength; ) {
    for (const offset of [0, 4, 8, 12]) fields.push({ at: at + offset, size: 4, little });
    const end = at + header + view.getUint32(at + 8, little);
    if (end > view.byteLength) break;
    units.push([at, end]);
    at = end;
  }
  return { fields, units };
}

/** Bytes of each block type's body that are numbers: offset and size. */
const BODIES: Readonly<Record<number, readonly [number, 1 | 2 | 4][]>> = {
  [SECTION]: [
    [0, 4],
    [4, 2],
    [6, 2],
    [8, 4],
  ],
  1: [
    [0, 2],
    [4, 4],
  ],
  2: [
    [0, 2],
    [4, 4],
    [8, 4],
    [12, 4],
    [16, 4],
  ],
  3: [[0, 4]],
  6: [
    [0, 4],
    [4, 4],
    [8, 4],
    [12, 4],
    [16, 4],
  ],
};

function pcapng(view: DataView): { fields: Field[]; units: [number, number][] } {
  const fields: Field[] = [];
  const units: [number, number][] = [];
  let little = true;
  for (let at = 0; at + 12 <= view.byteLength; ) {
    if (view.getUint32(at, true) === SECTION) little = view.getUint32(at + 8, true) === 0x1a2b3c4d;
    const type = view.getUint32(at, little);
    const total = view.getUint32(at + 4, little);
    fields.push({ at, size: 4, little }, { at: at + 4, size: 4, little });
    if (total < 12 || at + total > view.byteLength) break;
    fields.push({ at: at + total - 4, size: 4, little });
    const end = at + total - 4;
    for (const [offset, size] of BODIES[type] ?? [])
      if (at + 8 + offset + size <= end) fields.push({ at: at + 8 + offset, size, little });
    if (type === 1) optionFields(view, at + 16, end, little, fields);
    if ((type === 2 || type === 6) && at + 28 <= end)
      optionFields(view, at + 28 + Math.ceil(view.getUint32(at + 20, little) / 4) * 4, end, little, fields);
    units.push([at, at + total]);
    at += total;
  }
  return { fields, units };
}

function optionFields(view: DataView, from: number, end: number, little: boolean, fields: Field[]): void {
  for (let at = from; at + 4 <= end; ) {
    fields.push({ at, size: 2, little }, { at: at + 2, size: 2, little });
    const length = view.getUint16(at + 2, little);
    if (at + 4 + length <= end && length > 0) fields.push({ at: at + 4, size: 1, little });
    at += 4 + Math.ceil(length / 4) * 4;
  }
}

export function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
