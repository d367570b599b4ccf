/** Captures by literal bytes: every field is said, in either byte order, so that the readers are tested against the formats and not against a writer. */

/** Bytes of numbers in one byte order. */
export class Bytes {
  readonly #parts: number[] = [];
  readonly little: boolean;

  constructor(little: boolean) {
    this.little = little;
  }

  u16(...values: number[]): this {
    for (const value of values) this.#number(BigInt(value), 2);
    return this;
  }

  u32(...values: number[]): this {
    for (const value of values) this.#number(BigInt(value), 4);
    return this;
  }

  u64(value: bigint): this {
    return this.#number(BigInt.asUintN(64, value), 8);
  }

  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#parts.push(byte);
    return this;
  }

  /** Zeros up to a multiple of four. */
  pad(): this {
    while (this.#parts.length % 4 !== 0) this.#parts.push(0);
    return this;
  }

  get length(): number {
    return this.#parts.length;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#parts);
  }

  #number(value: bigint, size: number): this {
    const bytes = Array.from({ length: size }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
    this.#parts.push(...(this.little ? bytes : bytes.reverse()));
    return this;
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export interface PcapOptions {
  little?: boolean;
  magic?: number;
  major?: number;
  minor?: number;
  linktype?: number;
}

/** The 24 bytes in front of a pcap file. */
export function pcapHeader({
  little = true,
  magic = 0xa1b2c3d4,
  major = 2,
  minor = 4,
  linktype = 1,
}: PcapOptions = {}): Uint8Array {
  return new Bytes(little).u32(magic).u16(major, minor).u32(0, 0, 262144, linktype).done();
}

export interface RecordOptions {
  little?: boolean;
  seconds?: number;
  fraction?: number;
  wire?: number;
  captured?: number;
  /** What the modified format has behind the usual record header. */
  extra?: readonly number[];
}

export function record(bytes: Uint8Array, options: RecordOptions = {}): Uint8Array {
  const { little = true, seconds = 1, fraction = 0, wire = bytes.length, captured = bytes.length, extra = [] } = options;
  return new Bytes(little).u32(seconds, fraction, captured, wire).raw(extra).raw(bytes).done();
}

/** A pcapng block around a body, its lengths right unless said. */
export function block(type: number, body: Uint8Array, { little = true, length = 0, trailer = 0 } = {}): Uint8Array {
  const total = 12 + Math.ceil(body.length / 4) * 4;
  const out = new Bytes(little)
    .u32(type, length === 0 ? total : length)
    .raw(body)
    .pad();
  return out.u32(trailer === 0 ? (length === 0 ? total : length) : trailer).done();
}

export function option(code: number, value: Iterable<number>, little = true): Uint8Array {
  const bytes = [...value];
  return new Bytes(little).u16(code, bytes.length).raw(bytes).pad().done();
}

export function section(little = true, major = 1): Uint8Array {
  return block(0x0a0d0d0a, new Bytes(little).u32(0x1a2b3c4d).u16(major, 0).u64(-1n).done(), { little });
}

export function describe_(linktype: number, { little = true, snaplen = 0, options = [] as Uint8Array[] } = {}): Uint8Array {
  return block(1, concat(new Bytes(little).u16(linktype, 0).u32(snaplen).done(), ...options), { little });
}

export interface PacketOptions {
  little?: boolean;
  id?: number;
  clock?: bigint;
  wire?: number;
  captured?: number;
  options?: readonly Uint8Array[];
}

export function enhanced(bytes: Uint8Array, options: PacketOptions = {}): Uint8Array {
  const { little = true, id = 0, clock = 1_000_000n, wire = bytes.length, captured = bytes.length } = options;
  const body = new Bytes(little)
    .u32(id, Number(clock >> 32n), Number(clock & 0xffff_ffffn), captured, wire)
    .raw(bytes)
    .pad();
  return block(6, concat(body.done(), ...(options.options ?? [])), { little });
}

export function oldPacket(bytes: Uint8Array, options: PacketOptions = {}): Uint8Array {
  const { little = true, id = 0, clock = 1_000_000n, wire = bytes.length, captured = bytes.length } = options;
  const body = new Bytes(little)
    .u16(id, 7)
    .u32(Number(clock >> 32n), Number(clock & 0xffff_ffffn), captured, wire)
    .raw(bytes)
    .pad();
  return block(2, concat(body.done(), ...(options.options ?? [])), { little });
}

export function simple(bytes: Uint8Array, { little = true, wire = bytes.length } = {}): Uint8Array {
  return block(3, new Bytes(little).u32(wire).raw(bytes).done(), { little });
}

/** An Ethernet frame with an IPv4 UDP packet of 40 bytes; `mark` stands in its payload so that frames differ. */
export function ethernet(mark = 0): Uint8Array {
  const ip = [0x45, 0, 0, 40, 0, mark & 255, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += ip[at]! * 256 + ip[at + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  ip[10] = (~sum >>> 8) & 255;
  ip[11] = ~sum & 255;
  const udp = [0x13, 0x88, 0, 53, 0, 20, 0, 0, ...Array.from({ length: 12 }, () => mark & 255)];
  return Uint8Array.from([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, ...ip, ...udp]);
}
