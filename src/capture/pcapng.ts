/** pcapng for the reference: sections of both byte orders, interfaces with their own link types and clocks, EPB, SPB, old packet blocks. Plain and whole-block. */
import type { Frame } from '../model/witness.ts';
import { MAXIMUM_CAPTURED } from './classic.ts';
import type { Damage, FrameReader, OnFrame } from './frames.ts';

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const OLD_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

const OPTION_END = 0;
const OPTION_IF_NAME = 2;
const OPTION_IF_TSRESOL = 9;
const OPTION_IF_FCSLEN = 13;
const OPTION_IF_TSOFFSET = 14;
const OPTION_PACKET_FLAGS = 2;

/** Blocks that are no packets may be long (name resolution, decryption secrets), but not absurd. */
const MAXIMUM_BLOCK = 64 * 1024 * 1024;
const MAXIMUM_INTERFACES = 1024;

interface Interface {
  linktype: number;
  snaplen: number;
  name?: string;
  fcs: number;
  /** Units per second, and seconds to add. */
  resolution: bigint;
  offset: bigint;
}

interface Option {
  code: number;
  value: DataView;
}

/** Options of a block body; one that does not fit ends the list, as everything behind it is unreliable. */
function* options(body: DataView, from: number, little: boolean): Generator<Option> {
  let at = from;
  while (at + 4 <= body.byteLength) {
    const code = body.getUint16(at, little);
    const length = body.getUint16(at + 2, little);
    if (code === OPTION_END || at + 4 + length > body.byteLength) return;
    yield { code, value: new DataView(body.buffer, body.byteOffset + at + 4, length) };
    at += 4 + ((length + 3) & ~3);
  }
}

const padded = (length: number): number => Math.ceil(length / 4) * 4;

function bytesOf(body: DataView, from: number, length: number): Uint8Array {
  return new Uint8Array(body.buffer, body.byteOffset + from, length);
}

export class PcapngReader implements FrameReader {
  readonly #onFrame: OnFrame;
  /** What was pushed and not read yet, and how many bytes the block at the front needs: joined only when they are there. */
  #pending: Uint8Array[] = [];
  #held = 0;
  #needed = 0;
  #at = 0;
  #little = true;
  #inSection = false;
  #interfaces: Interface[] = [];
  #damage: Damage | undefined;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  push(chunk: Uint8Array): void {
    if (this.#damage !== undefined) return;
    this.#pending.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#needed) return;
    const joined = new Uint8Array(this.#held);
    let filled = 0;
    for (const piece of this.#pending) {
      joined.set(piece, filled);
      filled += piece.length;
    }
    let from = 0;
    while (this.#damage === undefined) {
      const length = this.#block(joined.subarray(from));
      if (length === 0) break;
      from += length;
      this.#at += length;
    }
    this.#pending = [joined.slice(from)];
    this.#held = joined.length - from;
  }

  end(): Damage | undefined {
    if (this.#damage === undefined && this.#held > 0) this.#fail('last block cut');
    return this.#damage;
  }

  /** Reads one whole block at the front; returns its length, 0 when more bytes are needed. */
  #block(bytes: Uint8Array): number {
    this.#needed = 12;
    if (bytes.length < 12) return 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isSection = view.getUint32(0, true) === SECTION_HEADER;
    const little = isSection ? this.#byteOrder(view) : this.#little;
    if (little === undefined) return this.#fail('bad byte-order magic');
    if (!isSection && !this.#inSection) return this.#fail('no section header');
    const type = view.getUint32(0, little);
    const length = view.getUint32(4, little);
    if (length < 12 || length % 4 !== 0 || (isSection && length < 28)) return this.#fail('impossible block length');
    const isPacket = type === ENHANCED_PACKET || type === SIMPLE_PACKET || type === OLD_PACKET;
    if (length > (isPacket ? 1024 * 1024 : MAXIMUM_BLOCK)) return this.#fail('impossible block length');
    this.#needed = length;
    if (bytes.length < length) return 0;
    if (view.getUint32(length - 4, little) !== length) return this.#fail('block lengths differ');
    this.#little = little;
    const body = new DataView(bytes.buffer, bytes.byteOffset + 8, length - 12);
    const reason = isSection ? this.#section(body) : this.#content(type, body);
    return reason === undefined ? length : this.#fail(reason);
  }

  #byteOrder(view: DataView): boolean | undefined {
    const magic = view.getUint32(8, true);
    if (magic === 0x1a2b3c4d) return true;
    return magic === 0x4d3c2b1a ? false : undefined;
  }

  #section(body: DataView): string | undefined {
    if (body.getUint16(4, this.#little) !== 1) return 'unknown version of pcapng';
    this.#inSection = true;
    this.#interfaces = [];
    return undefined;
  }

  #content(type: number, body: DataView): string | undefined {
    switch (type) {
      case INTERFACE_DESCRIPTION:
        return this.#interface(body);
      case ENHANCED_PACKET:
        return body.byteLength < 20 ? 'packet block too short' : this.#timed(body, body.getUint32(0, this.#little));
      case OLD_PACKET:
        return body.byteLength < 20 ? 'packet block too short' : this.#timed(body, body.getUint16(0, this.#little));
      case SIMPLE_PACKET:
        return this.#simple(body);
      default:
        return undefined;
    }
  }

  #interface(body: DataView): string | undefined {
    if (body.byteLength < 8) return 'interface block too short';
    if (this.#interfaces.length >= MAXIMUM_INTERFACES) return 'too many interfaces';
    const entry: Interface = {
      linktype: body.getUint16(0, this.#little),
      snaplen: body.getUint32(4, this.#little),
      fcs: 0,
      resolution: 1_000_000n,
      offset: 0n,
    };
    for (const { code, value } of options(body, 8, this.#little)) {
      if (code === OPTION_IF_NAME) {
        entry.name = new TextDecoder('latin1').decode(value).replace(/\0.*$/s, '');
      } else if (code === OPTION_IF_TSRESOL && value.byteLength >= 1) {
        const exponent = value.getUint8(0);
        entry.resolution = (exponent & 0x80) !== 0 ? 2n ** BigInt(exponent & 0x7f) : 10n ** BigInt(exponent);
      } else if (code === OPTION_IF_FCSLEN && value.byteLength >= 1) {
        entry.fcs = value.getUint8(0);
      } else if (code === OPTION_IF_TSOFFSET && value.byteLength >= 8) {
        entry.offset = value.getBigInt64(0, this.#little);
      }
    }
    this.#interfaces.push(entry);
    return undefined;
  }

  /** EPB and the old packet block differ only in how the interface is written. */
  #timed(body: DataView, id: number): string | undefined {
    const little = this.#little;
    const captured = body.getUint32(12, little);
    let flags = 0;
    if (20 + padded(captured) <= body.byteLength) {
      for (const { code, value } of options(body, 20 + padded(captured), little)) {
        if (code === OPTION_PACKET_FLAGS && value.byteLength >= 4) flags = value.getUint32(0, little);
      }
    }
    const clock = (BigInt(body.getUint32(4, little)) << 32n) | BigInt(body.getUint32(8, little));
    return this.#packet(body, 20, id, clock, captured, body.getUint32(16, little), flags);
  }

  /** A simple packet has no clock and belongs to interface 0; its captured length is what the snaplen left. */
  #simple(body: DataView): string | undefined {
    if (body.byteLength < 4) return 'packet block too short';
    const wire = body.getUint32(0, this.#little);
    const snaplen = this.#interfaces[0]?.snaplen ?? 0;
    const captured = Math.min(wire, body.byteLength - 4, snaplen === 0 ? wire : snaplen);
    return this.#packet(body, 4, 0, 0n, captured, wire, 0);
  }

  #packet(
    body: DataView,
    from: number,
    id: number,
    clock: bigint,
    captured: number,
    wire: number,
    flags: number,
  ): string | undefined {
    const entry = this.#interfaces[id];
    if (entry === undefined) return 'packet of an unknown interface';
    if (captured > MAXIMUM_CAPTURED || from + captured > body.byteLength) return 'impossible captured length';
    const fcsOfFlags = (flags >>> 5) & 0xf;
    const fcsLength = fcsOfFlags !== 0 ? fcsOfFlags : entry.fcs;
    const fcs = Math.min(fcsLength, Math.max(0, captured - Math.max(0, wire - fcsLength)));
    const frame: Frame = {
      time: (clock * 1_000_000_000n) / entry.resolution + entry.offset * 1_000_000_000n,
      linktype: entry.linktype,
      bytes: bytesOf(body, from, captured - fcs),
      wire,
    };
    if (entry.name !== undefined && entry.name !== '') frame.interfaceName = entry.name;
    if ((flags & 3) === 1) frame.direction = 'in';
    if ((flags & 3) === 2) frame.direction = 'out';
    this.#onFrame(frame);
    return undefined;
  }

  #fail(reason: string): 0 {
    this.#damage ??= { offset: this.#at, reason };
    return 0;
  }
}
