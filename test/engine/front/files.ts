/** Capture files, written byte by byte from the format documents. */

/** Words and bytes in one byte order. */
export class Writer {
  private readonly parts: number[] = [];
  readonly big: boolean;

  constructor(big: boolean) {
    this.big = big;
  }

  u8(...values: number[]): this {
    for (const value of values) this.parts.push(value & 255);
    return this;
  }

  u16(value: number): this {
    return this.big ? this.u8(value >> 8, value) : this.u8(value, value >> 8);
  }

  u32(value: number): this {
    const [high, low] = [value >>> 16, value & 0xffff];
    return this.big ? this.u16(high).u16(low) : this.u16(low).u16(high);
  }

  u64(value: bigint): this {
    const [high, low] = [Number((value >> 32n) & 0xffffffffn), Number(value & 0xffffffffn)];
    return this.big ? this.u32(high).u32(low) : this.u32(low).u32(high);
  }

  bytes(data: Uint8Array | readonly number[]): this {
    for (const value of data) this.parts.push(value);
    return this;
  }

  pad(): this {
    while (this.parts.length % 4 !== 0) this.parts.push(0);
    return this;
  }

  get length(): number {
    return this.parts.length;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.parts);
  }
}

export interface PcapOptions {
  big?: boolean;
  magic?: number;
  major?: number;
  minor?: number;
  network?: number;
}

export interface PcapRecord {
  seconds: number;
  fraction: number;
  data: readonly number[];
  wire?: number;
  captured?: number;
}

export function pcap(options: PcapOptions, records: readonly PcapRecord[]): Uint8Array {
  const { big = false, magic = 0xa1b2c3d4, major = 2, minor = 4, network = 1 } = options;
  const out = new Writer(big).u32(magic).u16(major).u16(minor).u32(0).u32(0).u32(65535).u32(network);
  for (const { seconds, fraction, data, wire = data.length, captured = data.length } of records) {
    out.u32(seconds).u32(fraction);
    if (minor < 3) out.u32(wire).u32(captured);
    else out.u32(captured).u32(wire);
    if (magic === 0xa1b2cd34) out.u32(7).u16(0x800).u8(0, 0);
    out.bytes(data);
  }
  return out.done();
}

export type Option = [code: number, value: Uint8Array | readonly number[]];

export function block(big: boolean, type: number, body: Uint8Array | readonly number[], total = body.length + 12): Uint8Array {
  return new Writer(big).u32(type).u32(total).bytes(body).u32(total).done();
}

function options(out: Writer, list: readonly Option[]): Writer {
  for (const [code, value] of list) out.u16(code).u16(value.length).bytes(value).pad();
  return list.length > 0 ? out.u32(0) : out;
}

export function section(big: boolean, list: readonly Option[] = []): Uint8Array {
  return block(big, 0x0a0d0d0a, options(new Writer(big).u32(0x1a2b3c4d).u16(1).u16(0).u64(0xffffffffffffffffn), list).done());
}

export function description(big: boolean, linktype: number, snaplen: number, list: readonly Option[] = []): Uint8Array {
  return block(big, 1, options(new Writer(big).u16(linktype).u16(0).u32(snaplen), list).done());
}

export interface Enhanced {
  interface?: number;
  units: bigint;
  data: readonly number[];
  wire?: number;
  captured?: number;
  options?: readonly Option[];
}

export function enhanced(big: boolean, packet: Enhanced): Uint8Array {
  const out = new Writer(big).u32(packet.interface ?? 0);
  return block(big, 6, stamped(out, packet));
}

export function old(big: boolean, packet: Enhanced): Uint8Array {
  const out = new Writer(big).u16(packet.interface ?? 0).u16(3);
  return block(big, 2, stamped(out, packet));
}

function stamped(out: Writer, packet: Enhanced): Uint8Array {
  const { units, data } = packet;
  out.u32(Number((units >> 32n) & 0xffffffffn)).u32(Number(units & 0xffffffffn));
  out.u32(packet.captured ?? data.length).u32(packet.wire ?? data.length);
  return options(out.bytes(data).pad(), packet.options ?? []).done();
}

export function simple(big: boolean, wire: number, data: readonly number[]): Uint8Array {
  return block(big, 3, new Writer(big).u32(wire).bytes(data).pad().done());
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function ascii(text: string): number[] {
  return [...text].map((letter) => letter.charCodeAt(0));
}

/** `length` bytes that tell themselves apart. */
export function filler(length: number, seed = 1): number[] {
  return Array.from({ length }, (_, i) => (i * 7 + seed * 31) & 255);
}
