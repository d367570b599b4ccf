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
  const code = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`;
  const source = pattern.map((byte) => (fold === 1 ? `[${KERNEL_CASES[byte]!.map(code).join('')}]` : code(byte))).join('');
  const text = String.fromCharCode(...bytes.subarray(from, to));
  return new RegExp(source).test(text) !== (invert === 1);
};

/** By the byte that the kernel makes of them: the bytes that are one when case is ignored. Its table takes 0xdf and 0xff for small letters. */
const KERNEL_CASES = ((): number[][] => {
  const small = /[a-z\xdf-\xf6\xf8-\xff]/;
  const cases: number[][] = Array.from({ length: 256 }, () => []);
  for (let byte = 0; byte < 256; byte++) cases[small.test(String.fromCharCode(byte)) ? byte - 32 : byte]!.push(byte);
  return cases;
})();

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

/** Names of headers as bits: hop-by-hop 128, destination 64, routing 32, fragment 16, authentication 8, ESP 4, none 2, anything else 1. */
const ipv6headers: Judge = ([soft, wanted, invert], { bytes }) => {
  const BITS = new Map([
    [0, 128],
    [60, 64],
    [43, 32],
    [44, 16],
    [51, 8],
    [50, 4],
    [59, 2],
  ]);
  let [kind, at, there] = [bytes[6]!, 40, 0];
  for (;;) {
    const bit = BITS.get(kind) ?? 1;
    const beyond = at > bytes.length;
    if (bit === 1 || (beyond && bit > 4)) {
      there |= 1;
      break;
    }
    if (beyond) break;
    if (kind !== 59 && bytes.length < at + 2) return false;
    there |= bit;
    if (bit <= 4) break;
    const length = kind === 44 ? 8 : kind === 51 ? 4 * bytes[at + 1]! + 8 : 8 * bytes[at + 1]! + 8;
    [kind, at] = [bytes[at]!, at + length];
  }
  if (soft === 0) return (there === wanted) !== (invert === 1);
  return invert === 1 ? (there & wanted!) === 0 : (there & wanted!) === wanted;
};

const wholeHeader = (bytes: Uint8Array, kind: number): Uint8Array | undefined => {
  const found = headerIn(bytes, kind);
  if (found === null || found === 'cut' || bytes.length < found.at + found.length) return undefined;
  return bytes.subarray(found.at, found.at + found.length);
};

const routingAddresses: Judge = ([strict, count, ...rest], { bytes }) => {
  const header = wholeHeader(bytes, 43);
  if (header === undefined) return false;
  const text = (from: (index: number) => number): string => Array.from({ length: 4 }, (_, index) => from(index)).join();
  const there: string[] = [];
  for (let at = 8; at + 16 <= header.length; at += 16) there.push(text((index) => number(header, at + index * 4, 4)));
  const wanted = Array.from({ length: count! }, (_, one) => text((index) => rest[one * 4 + index]!));
  if (strict === 1) return there.join() === wanted.join();
  return there.reduce((left, address) => (address === left[0] ? left.slice(1) : left), wanted).length === 0;
};

const headerOptions: Judge = ([kind, , ...rest], { bytes }) => {
  const header = wholeHeader(bytes, kind!);
  if (header === undefined) return false;
  let area = header.subarray(2);
  for (let index = 0; index < rest.length; index += 2) {
    const [type, length] = [rest[index]!, rest[index + 1]!];
    if (area[0] !== type || (type !== 0 && (area[1] === undefined || (length !== 255 && area[1] !== length)))) return false;
    area = area.subarray(type === 0 ? 1 : area[1]! + 2);
  }
  return true;
};

const segments: Judge = ([asked, inverted, ...rest], { bytes }) => {
  const found = headerIn(bytes, 43);
  if (found === null || found === 'cut' || bytes.length < found.at + 8) return false;
  const [left, last] = [bytes[found.at + 3]!, bytes[found.at + 4]!];
  if (left > last) return false;
  return [left === last ? -1 : left + 1, left - 1, 0].every((place, which) => {
    if ((asked! & (1 << which)) === 0) return true;
    const at = found.at + 8 + place * 16;
    if (place < 0 || bytes.length < at + 16) return false;
    const same = [0, 1, 2, 3].every((word) => {
      const [address, mask] = [rest[which * 8 + word]!, rest[which * 8 + 4 + word]!];
      return ((number(bytes, at + word * 4, 4) ^ address) & mask) === 0;
    });
    return same !== ((inverted! & (1 << which)) !== 0);
  });
};

const eui64: Judge = (_, { sourceMac, source }) => {
  if (sourceMac === null) return false;
  const wanted = [...sourceMac.slice(0, 3), 0xff, 0xfe, ...sourceMac.slice(3)].map((byte, at) => (at === 0 ? byte ^ 2 : byte));
  const own = [source[2]!, source[3]!].flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255));
  return own.join() === wanted.join();
};

const dccpOption: Judge = ([kind, invert, malformed], packet) => {
  const header = packet.bytes.subarray(transportOffset(packet));
  if (header.length < 12) return 'hotdrop';
  const type = (header[8]! >> 1) & 15;
  const start = 12 + (header[8]! % 2) * 4 + (type > 9 ? 12 : [4, 12, 0, 8, 8, 8, 8, 12, 8, 8][type]!);
  const end = header[4]! * 4;
  if (end < start || (end > start && header.length < end)) return malformed === 2 ? 'hotdrop' : 'hotdrop-matched';
  for (let at = start; at < end; at += header[at]! < 2 || at === end - 1 ? 1 : Math.max(1, header[at + 1]!))
    if (header[at] === kind) return invert === 0;
  return invert === 1;
};

const time: Judge = ([first, last, start, stop, monthdays, weekdays, contiguous], packet) => {
  const seconds = Number(packet.time / 1_000_000_000n);
  if (seconds < first! || seconds > last!) return false;
  const [, clock = ''] = new Date(seconds * 1000).toISOString().split(/T|\./);
  const [h, m, s] = clock.split(':').map(Number) as [number, number, number];
  const second = h * 3600 + m * 60 + s;
  const morning = start! >= stop! && second <= stop!;
  if (!(morning || (second >= start! && (start! >= stop! || second <= stop!)))) return false;
  const day = new Date((seconds - (morning && contiguous === 1 ? 86_400 : 0)) * 1000);
  return ((weekdays! >> (day.getUTCDay() || 7)) & 1) === 1 && ((monthdays! >>> day.getUTCDate()) & 1) === 1;
};

/** Registers as unsigned numbers in one array: A, X, then the cells. */
const bpf: Judge = ([, ...words], { bytes, length }) => {
  const at = [0, 0, ...new Array<number>(16).fill(0)];
  const load = (code: number, k: number): number | undefined => {
    const [mode, width] = [code >> 5, [4, 2, 1][(code >> 3) & 3]!];
    if (mode === 0) return k;
    if (mode === 3) return at[2 + k]!;
    if (mode === 4) return length;
    const place = mode === 2 ? (at[1]! + k) % 2 ** 32 : k;
    if (place + width > bytes.length) return undefined;
    return mode === 5 ? 4 * (bytes[place]! % 16) : number(bytes, place, width);
  };
  const OPERATIONS: readonly ((a: bigint, b: bigint) => bigint)[] = [
    (a, b) => a + b,
    (a, b) => a - b,
    (a, b) => a * b,
    (a, b) => a / b,
    (a, b) => a | b,
    (a, b) => a & b,
    (a, b) => a << (b % 32n),
    (a, b) => a >> (b % 32n),
    (a) => -a,
    (a, b) => a % b,
    (a, b) => a ^ b,
  ];
  for (let pc = 0; ; pc++) {
    const [head, k] = [words[pc * 2]!, words[pc * 2 + 1]!];
    const code = head & 0xffff;
    const [kind, operation] = [code % 8, code >> 4];
    const operand = code & 8 ? at[1]! : k;
    if (kind < 2) {
      const value = load(code, k);
      if (value === undefined) return false;
      at[kind] = value;
    } else if (kind < 4) at[2 + k] = at[kind - 2]!;
    else if (kind === 4) {
      if ((operation === 3 || operation === 9) && operand === 0) return false;
      at[0] = Number(BigInt.asUintN(32, OPERATIONS[operation]!(BigInt(at[0]!), BigInt(operand))));
    } else if (kind === 5 && operation === 0) pc += k;
    else if (kind === 5) {
      const truth = [at[0] === operand, at[0]! > operand, at[0]! >= operand, (at[0]! & operand) !== 0][operation - 1];
      pc += truth === true ? (head >>> 16) & 255 : head >>> 24;
    } else if (kind === 6) return (operation === 1 ? at[0] : k) !== 0;
    else at[code === 7 ? 1 : 0] = at[code === 7 ? 0 : 1]!;
  }
};

/** By code of abi/special.ts. */
export const BYTE_TESTS: ReadonlyMap<number, Judge> = new Map([
  [40, payload],
  [41, string],
  [42, u32],
  [43, tcpmss],
  [44, ipv6headers],
  [45, routingAddresses],
  [46, headerOptions],
  [47, segments],
  [48, eui64],
  [49, dccpOption],
  [50, time],
  [51, bpf],
]);
