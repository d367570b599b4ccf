/** Special tests of the packet's bytes, once more and as plainly as can be, from what abi/special.ts says of them. */
import type { PacketView } from '../../src/packet/view.ts';
import type { Answer } from './interpret.ts';

type Judge = (parameters: readonly number[], packet: PacketView) => Answer;

const number = (bytes: Uint8Array, at: number, width: number): number => {
  let out = 0n;
  for (const byte of bytes.subarray(at, at + width)) out = (out << 8n) | BigInt(byte);
  return Number(out);
};

/** Offset of the transport header; random packets put it at their end. Later IPv6 fragments have none. */
const transportOffset = ({ bytes, transport, family, fragmentOffset }: PacketView): number =>
  family === 6 && fragmentOffset !== 0 ? 0 : bytes.length - transport.length;

/** Kinds, offsets and lengths of the extension headers that can be reached, and how the walk ends. */
export function chainOf(bytes: Uint8Array): { headers: { kind: number; at: number; length: number }[]; cut: boolean } {
  const headers: { kind: number; at: number; length: number }[] = [];
  let [kind, at] = [bytes[6]!, 40];
  while ([0, 43, 44, 51, 60].includes(kind)) {
    const needed = kind === 43 || kind === 44 ? 4 : 2;
    if (bytes.length < at + needed) return { headers: [...headers, { kind, at, length: 0 }], cut: true };
    const words = bytes[at + 1]!;
    const length = kind === 44 ? 8 : kind === 51 ? 4 * words + 8 : 8 * words + 8;
    headers.push({ kind, at, length });
    if (kind === 44 && number(bytes, at + 2, 2) >= 8) return { headers, cut: false };
    [kind, at] = [bytes[at]!, at + length];
  }
  return { headers: [...headers, { kind, at, length: 0 }], cut: false };
}

/** The first header of a kind; null: none. */
export function headerIn(bytes: Uint8Array, kind: number): { at: number; length: number } | 'cut' | null {
  const { headers, cut } = chainOf(bytes);
  const index = headers.findIndex((each) => each.kind === kind);
  if (index >= 0 && !(cut && index === headers.length - 1)) return headers[index]!;
  return cut ? 'cut' : null;
}

const payload: Judge = ([base, offset, width, mask, low, high, invert, short], packet) => {
  const missing: Answer = short === 2 ? 'hotdrop' : false;
  let start = base === 256 ? transportOffset(packet) : 0;
  if (base! >= 512) {
    const header = headerIn(packet.bytes, base! & 255);
    if (header === null) return false;
    if (header === 'cut') return missing;
    if (base! & 1024 && packet.bytes.length < header.at + header.length) return missing;
    start = header.at;
  }
  if (packet.bytes.length < start + offset! + width!) return missing;
  if (width === 0) return true;
  const value = (number(packet.bytes, start + offset!, width!) & mask!) >>> 0;
  return (low! <= value && value <= high!) !== (invert === 1);
};

/** By the text of a regular expression; the shifts of bm can only pass over what letters beyond ASCII hide, which test/kernel looks at. */
const string: Judge = ([, from, to, fold, invert, length, ...words], { bytes }) => {
  const pattern = Array.from({ length: length! }, (_, at) => (words[at >> 2]! >>> ((at & 3) * 8)) & 255);
  const source = pattern.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  const text = String.fromCharCode(...bytes.subarray(from, to));
  return new RegExp(source, fold === 1 ? 'i' : '').test(text) !== (invert === 1);
};

const u32: Judge = ([invert, count, ...rest], { bytes }) => {
  let at = 0;
  let all = true;
  for (let test = 0; test < count!; test++) {
    const [numbers, ranges] = [rest[at]!, rest[at + 1]!];
    const pair = (index: number): [number, number] => [rest[at + 2 + index * 2]!, rest[at + 3 + index * 2]!];
    let [place, base, value] = [pair(0)[1], 0n, 0n];
    let inside = true;
    const read = (): void => {
      inside &&= base + BigInt(place) + 4n <= BigInt(bytes.length);
      if (inside) value = BigInt(number(bytes, Number(base) + place, 4));
    };
    read();
    for (let index = 1; index < numbers && inside; index++) {
      const [operator, operand] = pair(index);
      if (operator === 0) value &= BigInt(operand);
      else if (operator === 1) value = BigInt.asUintN(32, value << BigInt(operand));
      else if (operator === 2) value >>= BigInt(operand);
      else {
        base += value;
        place = operand;
        read();
      }
    }
    const bounds = Array.from({ length: ranges }, (_, index) => pair(numbers + index));
    all &&= inside && bounds.some(([low, high]) => low <= Number(value) && Number(value) <= high);
    at += 2 + (numbers + ranges) * 2;
  }
  return all !== (invert === 1);
};

const tcpmss: Judge = ([low, high, invert], packet) => {
  const tcp = packet.bytes.subarray(transportOffset(packet));
  const end = tcp.length < 20 ? 0 : (tcp[12]! >> 4) * 4;
  if (end < 20 || tcp.length < end) return 'hotdrop';
  for (let at = 20; at < end; at += tcp[at]! < 2 || at === end - 1 ? 1 : Math.max(1, tcp[at + 1]!)) {
    if (tcp[at] !== 2 || tcp[at + 1] !== 4 || at + 4 > end) continue;
    const size = number(tcp, at + 2, 2);
    return (low! <= size && size <= high!) !== (invert === 1);
  }
  return invert === 1;
};

/** By code of abi/special.ts. */
export const BYTE_TESTS: ReadonlyMap<number, Judge> = new Map([
  [40, payload],
  [41, string],
  [42, u32],
  [43, tcpmss],
]);
