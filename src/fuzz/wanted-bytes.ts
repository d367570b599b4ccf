/** Bytes that a rule set's tests ask for where packets have no field: put into packets now and then, as they are or one aside. What is asked for is read from lowered tests. */
import {
  PAYLOAD_HEADER,
  PAYLOAD_TRANSPORT,
  SPECIAL_IPV6_HEADERS,
  SPECIAL_PAYLOAD,
  SPECIAL_ROUTING_ADDRESSES,
  SPECIAL_SEGMENTS,
  SPECIAL_STRING,
  SPECIAL_TCPMSS,
} from '../abi/special.ts';
import type { Draw } from '../extensions/extension.ts';

interface Write {
  offset: number;
  width: number;
  mask: number;
  values: readonly number[];
}

const UDP = 17;
const TCP = 6;
const FIRST_HEADER = 40;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
/** Headers that others follow. */
const CHAINED: readonly number[] = [0, ROUTING, FRAGMENT, AUTHENTICATION, 60];
/** Where ASCII letters stand. */
const LETTER = /[a-z]/i;

export class WantedBytes {
  readonly #transport: Write[] = [];
  readonly #headers = new Map<number, Write[]>();
  readonly #texts: (readonly number[])[] = [];
  readonly #segmentSizes: number[] = [];
  /** Of routing headers: four words each. */
  readonly #addresses: (readonly number[])[] = [];

  /** One special test of a rule. */
  add(code: number, parameters: readonly number[]): void {
    if (code === SPECIAL_PAYLOAD) this.#addPayload(parameters);
    if (code === SPECIAL_STRING) this.#texts.push(unpacked(parameters.slice(6), parameters[5]!));
    if (code === SPECIAL_TCPMSS) this.#segmentSizes.push(...around(parameters[0]!, parameters[1]!, 0xffff));
    if (code === SPECIAL_IPV6_HEADERS) for (const kind of CHAINED) this.#wantHeader(kind);
    if (code === SPECIAL_ROUTING_ADDRESSES)
      for (let at = 2; at < parameters.length; at += 4) this.#addresses.push(parameters.slice(at, at + 4));
    if (code === SPECIAL_SEGMENTS) for (const at of [2, 10, 18]) this.#addresses.push(parameters.slice(at, at + 4));
  }

  /** Kinds of IPv6 extension headers that are asked for. */
  get kinds(): number[] {
    return [...this.#headers.keys()].filter((kind) => CHAINED.includes(kind));
  }

  /** A transport header with payload, without its checksum. */
  intoTransport(draw: Draw, protocol: number, bytes: Uint8Array): Uint8Array {
    if (this.#transport.length > 0 && draw.chance()) write(draw, bytes, 0, draw.pick(this.#transport));
    // A SYN's first option is mostly its segment size.
    if (protocol === TCP && this.#segmentSizes.length > 0 && bytes[20] === 2 && bytes.length >= 24)
      new DataView(bytes.buffer, bytes.byteOffset).setUint16(22, draw.pick(this.#segmentSizes));
    if (this.#texts.length === 0 || draw.chance()) return bytes;
    return withText(draw, protocol, bytes, draw.pick(this.#texts));
  }

  /** The extension headers of a whole IPv6 packet. */
  intoHeaders(draw: Draw, bytes: Uint8Array): void {
    if (this.#headers.size === 0) return;
    let kind = bytes[6]!;
    let at = FIRST_HEADER;
    while (CHAINED.includes(kind) && at + 8 <= bytes.length) {
      const next = bytes[at]!;
      const length = bytes[at + 1]!;
      const wanted = this.#headers.get(kind) ?? [];
      if (wanted.length > 0 && draw.chance(0.6)) write(draw, bytes, at, draw.pick(wanted));
      if (kind === ROUTING && this.#addresses.length > 0 && draw.chance(0.7))
        putAddress(draw, bytes, at, draw.pick(this.#addresses));
      at += kind === FRAGMENT ? 8 : kind === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
      kind = next;
    }
  }

  #addPayload([base = 0, offset = 0, width = 0, mask = 0, low = 0, high = 0]: readonly number[]): void {
    const one = { offset, width, mask, values: around(low, high, mask) };
    if (base === PAYLOAD_TRANSPORT && width > 0) this.#transport.push(one);
    if (base < PAYLOAD_HEADER) return;
    const kind = base & 255;
    const known = this.#wantHeader(kind);
    // Lengths that are not those of the headers end the chain; next headers are what the chain has.
    if (width > 0 && offset >= 2) known.push(one);
  }

  #wantHeader(kind: number): Write[] {
    const known = this.#headers.get(kind) ?? [];
    this.#headers.set(kind, known);
    return known;
  }
}

/** Just below, first, last, just above, and something inside. */
function around(low: number, high: number, most: number): number[] {
  return [low - 1, low, high, high + 1, Math.floor((low + high) / 2)].filter((value) => value >= 0 && value <= most);
}

function write(draw: Draw, bytes: Uint8Array, start: number, { offset, width, mask, values }: Write): void {
  if (start + offset + width > bytes.length || values.length === 0) return;
  const value = draw.pick(values);
  for (let index = 0; index < width; index++) {
    const shift = (width - 1 - index) * 8;
    const own = (mask >>> shift) & 255;
    const at = start + offset + index;
    bytes[at] = (bytes[at]! & ~own) | ((value >>> shift) & own);
  }
}

/** Into the first or second place of a routing header. */
function putAddress(draw: Draw, bytes: Uint8Array, header: number, address: readonly number[]): void {
  const at = header + 8 + draw.pick([0, 0, 16]);
  if (at + 16 > Math.min(bytes.length, header + (bytes[header + 1]! + 1) * 8)) return;
  for (const [index, word] of address.entries()) new DataView(bytes.buffer, bytes.byteOffset).setUint32(at + index * 4, word);
}

/** Behind the payload: the text, in another case, less its last byte, or begun anew in its middle. */
function withText(draw: Draw, protocol: number, bytes: Uint8Array, text: readonly number[]): Uint8Array {
  let added = [...text];
  if (draw.chance(0.3))
    added = added.map((byte) => (LETTER.test(String.fromCharCode(byte)) && draw.chance() ? byte ^ 0x20 : byte));
  if (draw.chance(0.3)) added = added.map((byte) => (byte >= 0xc0 && draw.chance() ? byte ^ 0x20 : byte));
  if (draw.chance(0.2)) added.pop();
  if (draw.chance(0.2)) added = [...added.slice(0, draw.integer(1, added.length)), ...added];
  const out = new Uint8Array(bytes.length + added.length);
  out.set(bytes);
  out.set(added, bytes.length);
  const view = new DataView(out.buffer);
  if (protocol === UDP && bytes.length >= 8 && view.getUint16(4) === bytes.length) view.setUint16(4, out.length);
  return out;
}

function unpacked(words: readonly number[], length: number): number[] {
  return Array.from({ length }, (_, at) => ((words[at >> 2] ?? 0) >>> ((at & 3) * 8)) & 255);
}
