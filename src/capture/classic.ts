/**
 * Classic pcap through pcap-parser, the one place that knows it. What pcap-parser cannot do is done around it: nanosecond files (same layout, other
 * magic), link types with FCS bits, records that are cut, and record lengths that would make it buffer for ever.
 */
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import pcapParser from 'pcap-parser';
import type { Damage, FrameReader, OnFrame } from './frames.ts';

/** No record is longer than libpcap's own MAXIMUM_SNAPLEN. */
export const MAXIMUM_CAPTURED = 262_144;

const FILE_HEADER = 24;
const RECORD_HEADER = 16;

interface RecordHeader {
  timestampSeconds: number;
  timestampMicroseconds: number;
  capturedLength: number;
  originalLength: number;
}

/** The stream pcap-parser wants; bytes are pushed by emitting `data`. */
class Source extends EventEmitter {
  pause(): void {}
  resume(): void {}
}

export class ClassicReader implements FrameReader {
  readonly #onFrame: OnFrame;
  readonly #source = new Source();
  #head = new Uint8Array(0);
  #started = false;
  #nanoseconds = false;
  #linktype = 0;
  #fcs = 0;
  #taken = 0;
  #recordAt = FILE_HEADER;
  #header: RecordHeader | undefined;
  #damage: Damage | undefined;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
    const parser = pcapParser.parse(this.#source);
    parser.on('globalHeader', (header) => this.#fileHeader(header.linkLayerType));
    parser.on('packetHeader', (header) => this.#recordHeader(header));
    parser.on('packetData', (data) => this.#record(data));
    parser.on('error', (error) => this.#fail(0, error.message));
  }

  push(chunk: Uint8Array): void {
    if (this.#damage !== undefined) return;
    if (this.#started) {
      this.#feed(chunk);
      return;
    }
    const joined = new Uint8Array(this.#head.length + chunk.length);
    joined.set(this.#head);
    joined.set(chunk, this.#head.length);
    this.#head = joined;
    if (joined.length < FILE_HEADER) return;
    this.#started = true;
    if (this.#translateMagic(joined)) this.#feed(joined);
  }

  end(): Damage | undefined {
    if (this.#damage !== undefined) return this.#damage;
    if (!this.#started) return { offset: 0, reason: 'file header cut' };
    if (this.#taken > this.#recordAt) return { offset: this.#recordAt, reason: 'last record cut' };
    return undefined;
  }

  /** pcap-parser copies what it holds with every chunk: small pieces keep that linear. A fault inside stops at this record. */
  #feed(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length && this.#damage === undefined; from += 65536) {
      const piece = Buffer.from(chunk.subarray(from, from + 65536));
      this.#taken += piece.length;
      try {
        this.#source.emit('data', piece);
      } catch (error) {
        if (this.#damage === undefined) throw error;
      }
    }
  }

  /** Nanosecond magic is turned into the microsecond one in place, and remembered. False: not a capture. */
  #translateMagic(bytes: Uint8Array): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (const little of [false, true]) {
      const magic = view.getUint32(0, little);
      if (magic === 0xa1b23c4d) {
        this.#nanoseconds = true;
        view.setUint32(0, 0xa1b2c3d4, little);
        return true;
      }
      if (magic === 0xa1b2c3d4) return true;
    }
    this.#fail(0, 'not a capture file (unknown magic number)');
    return false;
  }

  /** draft-ietf-opsawg-pcap: the low 16 bits are the link type; bit 26 says that the top four bits give FCS length in units of two bytes. */
  #fileHeader(linkLayerType: number): void {
    this.#linktype = linkLayerType & 0xffff;
    this.#fcs = (linkLayerType & 0x0400_0000) !== 0 ? (linkLayerType >>> 28) * 2 : 0;
  }

  #recordHeader(header: RecordHeader): void {
    if (header.capturedLength > MAXIMUM_CAPTURED) {
      this.#fail(this.#recordAt, 'impossible record length');
      // Leaves pcap-parser's loop at once; it would wait for (and copy) bytes that never come.
      throw new RangeError('impossible record length');
    }
    this.#header = header;
  }

  #record(data: Uint8Array): void {
    const header = this.#header;
    if (header === undefined || this.#damage !== undefined) return;
    const fraction = BigInt(header.timestampMicroseconds);
    const fcs = Math.min(this.#fcs, Math.max(0, data.length - Math.max(0, header.originalLength - this.#fcs)));
    this.#onFrame({
      time: BigInt(header.timestampSeconds) * 1_000_000_000n + (this.#nanoseconds ? fraction : fraction * 1000n),
      linktype: this.#linktype,
      bytes: data.subarray(0, data.length - fcs),
      wire: header.originalLength,
    });
    this.#recordAt += RECORD_HEADER + header.capturedLength;
  }

  #fail(offset: number, reason: string): void {
    this.#damage ??= { offset, reason };
  }
}
