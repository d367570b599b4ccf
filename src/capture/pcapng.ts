/** pcapng for the reference: sections of both byte orders, interfaces with their own link types and clocks, EPB, SPB, old packet blocks. Plain and whole-block. */
import {
  BLOCK_MAXIMUM,
  DAMAGE_BLOCK_LENGTH,
  DAMAGE_BLOCK_SIZE,
  DAMAGE_BLOCK_TRAILER,
  DAMAGE_BYTE_ORDER,
  DAMAGE_CAPTURED_LENGTH,
  DAMAGE_CUT,
  DAMAGE_INTERFACE,
  DAMAGE_INTERFACES,
  DAMAGE_VERSION,
  INTERFACE_MAXIMUM,
  LINK_SLL,
  LINK_SLL2,
} from '../abi/capture.ts';
import type { Frame } from '../model/witness.ts';
import { clampTime, type Damage, damageAt, type FrameReader, type OnFrame, withoutFcs } from './reader.ts';

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const OLD_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const PACKETS: readonly number[] = [OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET];

/** Type, length and the length again: what every block has. */
const BLOCK_FRAME = 12;
const TRAILER = 4;
const SECTION_MINIMUM = 28;

/** Nanoseconds. */
const SECOND = 1_000_000_000n;

const OPTION_END = 0;
const OPTION_IF_NAME = 2;
const OPTION_IF_TSRESOL = 9;
const OPTION_IF_FCSLEN = 13;
const OPTION_IF_TSOFFSET = 14;
const OPTION_PACKET_FLAGS = 2;

interface Interface {
  linktype: number;
  snaplen: number;
  name?: string;
  fcs: number;
  /** Units per second, and seconds to add. */
  resolution: bigint;
  offset: bigint;
}

/** A packet block, whichever of the three, in the terms they share. */
interface Packet {
  body: DataView;
  /** Where the captured bytes begin in the body. */
  from: number;
  /** Interface number. */
  id: number;
  /** In the interface's units; null: the block has none. */
  clock: bigint | null;
  captured: number;
  wire: number;
  /** epb_flags. */
  flags: number;
}

/** The first option of each code in a block body (none of those read here may stand twice); one that does not fit ends the list, as everything behind it is unreliable. */
function firstOptions(body: DataView, from: number, little: boolean): Map<number, DataView> {
  const found = new Map<number, DataView>();
  let at = from;
  while (at + 4 <= body.byteLength) {
    const code = body.getUint16(at, little);
    const length = body.getUint16(at + 2, little);
    if (code === OPTION_END || at + 4 + length > body.byteLength) break;
    if (!found.has(code)) found.set(code, new DataView(body.buffer, body.byteOffset + at + 4, length));
    at += 4 + padded(length);
  }
  return found;
}

/** Empty for "any", which all devices together are called: what is captured there has a cooked header, and was at one of them. */
function deviceName(value: DataView, linktype: number): string {
  const name = new TextDecoder('latin1').decode(value).replace(/\0.*$/s, '');
  return name === 'any' && (linktype === LINK_SLL || linktype === LINK_SLL2) ? '' : name;
}

const byteOf = (value: DataView | undefined): number | undefined =>
  value === undefined || value.byteLength === 0 ? undefined : value.getUint8(0);

const padded = (length: number): number => Math.ceil(length / 4) * 4;

function bytesOf(body: DataView, from: number, length: number): Uint8Array {
  return new Uint8Array(body.buffer, body.byteOffset + from, length);
}

export class PcapngReader implements FrameReader {
  readonly #onFrame: OnFrame;
  /** What was pushed and not read yet, and how many bytes the block at the front needs: joined only when they are there. */
  #pending: Uint8Array[] = [];
  #held = 0;
  #needed = BLOCK_FRAME;
  /** Offset of the block at the front; in a block that is stepped over, how much of it is still to come. */
  #at = 0;
  #skipping: { left: number; total: number } | undefined;
  #frameEnd = 0;
  #little = true;
  #interfaces: Interface[] = [];
  readonly #linktypes: number[] = [];
  #damage: Damage | undefined;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  get damage(): Damage | undefined {
    return this.#damage;
  }

  get linktypes(): readonly number[] {
    return this.#linktypes;
  }

  get frameEnd(): number {
    return this.#frameEnd;
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
      const length = this.#skipping === undefined ? this.#block(joined.subarray(from)) : this.#skip(joined.subarray(from));
      if (length === 0) break;
      from += length;
    }
    this.#pending = [joined.slice(from)];
    this.#held = joined.length - from;
  }

  end(): Damage | undefined {
    if (this.#held > 0 || this.#skipping !== undefined) this.#fail(DAMAGE_CUT);
    return this.#damage;
  }

  /** Reads one whole block at the front; returns how many bytes are done with, 0 when more are needed. */
  #block(bytes: Uint8Array): number {
    this.#needed = BLOCK_FRAME;
    if (bytes.length < this.#needed) return 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isSection = view.getUint32(0, true) === SECTION_HEADER;
    const little = isSection ? this.#byteOrder(view) : this.#little;
    if (little === undefined) return this.#fail(DAMAGE_BYTE_ORDER);
    const type = isSection ? SECTION_HEADER : view.getUint32(0, little);
    const length = view.getUint32(4, little);
    if (length < (isSection ? SECTION_MINIMUM : BLOCK_FRAME) || length % 4 !== 0) return this.#fail(DAMAGE_BLOCK_LENGTH);
    const long = length > BLOCK_MAXIMUM;
    if (long && (type === INTERFACE_DESCRIPTION || PACKETS.includes(type))) return this.#fail(DAMAGE_BLOCK_SIZE);
    // Of a block that is too long to be held, the front is enough: nobody needs the rest.
    this.#needed = long ? SECTION_MINIMUM : length;
    if (bytes.length < this.#needed) return 0;
    if (!long && view.getUint32(length - TRAILER, little) !== length) return this.#fail(DAMAGE_BLOCK_TRAILER);
    this.#little = little;
    const body = new DataView(bytes.buffer, bytes.byteOffset + 8, (long ? SECTION_MINIMUM : length) - BLOCK_FRAME);
    const reason = isSection ? this.#section(body) : this.#content(type, body);
    if (reason !== undefined) return this.#fail(reason);
    if (long) {
      this.#skipping = { left: length - TRAILER - SECTION_MINIMUM, total: length };
      return SECTION_MINIMUM;
    }
    this.#at += length;
    if (PACKETS.includes(type)) this.#frameEnd = this.#at;
    return length;
  }

  /** Steps over the rest of a long block and holds its trailing length against the first one. */
  #skip(bytes: Uint8Array): number {
    const skipping = this.#skipping!;
    if (skipping.left > 0) {
      const step = Math.min(skipping.left, bytes.length);
      skipping.left -= step;
      this.#needed = 1;
      return step;
    }
    this.#needed = TRAILER;
    if (bytes.length < TRAILER) return 0;
    const trailer = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, this.#little);
    if (trailer !== skipping.total) return this.#fail(DAMAGE_BLOCK_TRAILER);
    this.#skipping = undefined;
    this.#at += skipping.total;
    this.#needed = BLOCK_FRAME;
    return TRAILER;
  }

  #byteOrder(view: DataView): boolean | undefined {
    const magic = view.getUint32(8, true);
    if (magic === 0x1a2b3c4d) return true;
    return magic === 0x4d3c2b1a ? false : undefined;
  }

  /** The number of what is wrong with the body, or undefined; so for all blocks. */
  #section(body: DataView): number | undefined {
    if (body.getUint16(4, this.#little) !== 1) return DAMAGE_VERSION;
    this.#interfaces = [];
    return undefined;
  }

  #content(type: number, body: DataView): number | undefined {
    switch (type) {
      case INTERFACE_DESCRIPTION:
        return this.#interface(body);
      case ENHANCED_PACKET:
        return body.byteLength < 20 ? DAMAGE_BLOCK_LENGTH : this.#timed(body, body.getUint32(0, this.#little));
      case OLD_PACKET:
        return body.byteLength < 20 ? DAMAGE_BLOCK_LENGTH : this.#timed(body, body.getUint16(0, this.#little));
      case SIMPLE_PACKET:
        return this.#simple(body);
      default:
        return undefined;
    }
  }

  #interface(body: DataView): number | undefined {
    if (body.byteLength < 8) return DAMAGE_BLOCK_LENGTH;
    if (this.#interfaces.length >= INTERFACE_MAXIMUM) return DAMAGE_INTERFACES;
    const entry: Interface = {
      linktype: body.getUint16(0, this.#little),
      snaplen: body.getUint32(4, this.#little),
      fcs: 0,
      resolution: 1_000_000n,
      offset: 0n,
    };
    const found = firstOptions(body, 8, this.#little);
    const name = found.get(OPTION_IF_NAME);
    if (name !== undefined) entry.name = deviceName(name, entry.linktype);
    const exponent = byteOf(found.get(OPTION_IF_TSRESOL));
    if (exponent !== undefined)
      entry.resolution = (exponent & 0x80) !== 0 ? 2n ** BigInt(exponent & 0x7f) : 10n ** BigInt(exponent);
    entry.fcs = byteOf(found.get(OPTION_IF_FCSLEN)) ?? 0;
    const offset = found.get(OPTION_IF_TSOFFSET);
    if (offset !== undefined && offset.byteLength >= 8) entry.offset = offset.getBigInt64(0, this.#little);
    this.#interfaces.push(entry);
    if (!this.#linktypes.includes(entry.linktype)) this.#linktypes.push(entry.linktype);
    return undefined;
  }

  /** EPB and the old packet block differ only in how the interface is written. */
  #timed(body: DataView, id: number): number | undefined {
    const little = this.#little;
    const captured = body.getUint32(12, little);
    const behind = 20 + padded(captured);
    const option = behind <= body.byteLength ? firstOptions(body, behind, little).get(OPTION_PACKET_FLAGS) : undefined;
    const flags = option !== undefined && option.byteLength >= 4 ? option.getUint32(0, little) : 0;
    const clock = (BigInt(body.getUint32(4, little)) << 32n) | BigInt(body.getUint32(8, little));
    return this.#packet({ body, from: 20, id, clock, captured, wire: body.getUint32(16, little), flags });
  }

  /** A simple packet has no clock (it stands at the epoch, whatever the interface's offset) and belongs to interface 0; its captured length is what the snaplen left. */
  #simple(body: DataView): number | undefined {
    if (body.byteLength < 4) return DAMAGE_BLOCK_LENGTH;
    const wire = body.getUint32(0, this.#little);
    const snaplen = this.#interfaces[0]?.snaplen ?? 0;
    return this.#packet({
      body,
      from: 4,
      id: 0,
      clock: null,
      captured: snaplen === 0 ? wire : Math.min(wire, snaplen),
      wire,
      flags: 0,
    });
  }

  #packet({ body, from, id, clock, captured, wire, flags }: Packet): number | undefined {
    const entry = this.#interfaces[id];
    if (entry === undefined) return DAMAGE_INTERFACE;
    if (from + captured > body.byteLength) return DAMAGE_CAPTURED_LENGTH;
    const fcsOfFlags = (flags >>> 5) & 0xf;
    const frame: Frame = {
      time: clock === null ? 0n : clampTime((clock * SECOND) / entry.resolution + entry.offset * SECOND),
      linktype: entry.linktype,
      bytes: bytesOf(body, from, withoutFcs(captured, wire, fcsOfFlags !== 0 ? fcsOfFlags : entry.fcs)),
      wire,
    };
    if (entry.name !== undefined && entry.name !== '') frame.interfaceName = entry.name;
    if ((flags & 3) === 1) frame.direction = 'in';
    if ((flags & 3) === 2) frame.direction = 'out';
    this.#onFrame(frame);
    return undefined;
  }

  #fail(reason: number): 0 {
    this.#damage ??= damageAt(this.#at, reason);
    return 0;
  }
}
