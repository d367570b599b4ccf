/**
 * Classic pcap through pcap-parser, the one place that knows it. What pcap-parser cannot do is done around it: nanoseconds, the versions and the modified format that
 * libpcap still reads, link types with FCS bits, records that are cut, and record lengths that would make it buffer for ever.
 */
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import pcapParser from 'pcap-parser';
import { DAMAGE_CUT, DAMAGE_RECORD_LENGTH, DAMAGE_VERSION, RECORD_MAXIMUM } from '../abi/capture.ts';
import { clampTime, type Damage, damageAt, type FrameReader, joinBytes, type OnFrame, withoutFcs } from './reader.ts';

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** What the modified format of patched kernels (magic 0xa1b2cd34) has behind the usual record header. */
const MODIFIED_EXTRA = 8;
const PIECE = 65_536;

const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
const MODIFIED = 0xa1b2cd34;

/** pcap-parser reads on by `capturedLength` of the object it announces, so that it can be set right there. */
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
  /** Bytes of a record header beyond the usual ones. */
  #extra = 0;
  /** Minor version: before 2.3 the two lengths of a record stood the other way round, in 2.3 sometimes. */
  #minor = 4;
  #linktypes: number[] = [];
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
  }

  get damage(): Damage | undefined {
    return this.#damage;
  }

  get linktypes(): readonly number[] {
    return this.#linktypes;
  }

  get frameEnd(): number {
    return this.#recordAt;
  }

  push(chunk: Uint8Array): void {
    if (this.#damage !== undefined) return;
    if (this.#started) {
      this.#feed(chunk);
      return;
    }
    this.#head = joinBytes(this.#head, chunk);
    if (this.#head.length < FILE_HEADER) return;
    this.#started = true;
    if (this.#usualHeader(new DataView(this.#head.buffer))) this.#feed(this.#head);
    else this.#fail(0, DAMAGE_VERSION);
  }

  end(): Damage | undefined {
    if (!this.#started) this.#fail(0, DAMAGE_CUT);
    else if (this.#taken > this.#recordAt) this.#fail(this.#recordAt, DAMAGE_CUT);
    return this.#damage;
  }

  /** pcap-parser copies what it holds with every chunk: small pieces keep that linear. A fault inside stops at this record. */
  #feed(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length && this.#damage === undefined; from += PIECE) {
      const piece = Buffer.from(chunk.subarray(from, from + PIECE));
      this.#taken += piece.length;
      try {
        this.#source.emit('data', piece);
      } catch (error) {
        if (this.#damage === undefined) throw error;
      }
    }
  }

  /** Makes the file header one of version 2.4 with microseconds, in place, and remembers what it was. False: a version nobody reads (libpcap takes 2.0 to 2.4 and 543.0). */
  #usualHeader(view: DataView): boolean {
    const known = [MICROSECONDS, NANOSECONDS, MODIFIED];
    const little = known.includes(view.getUint32(0, true));
    const magic = view.getUint32(0, little);
    const [major, minor] = [view.getUint16(4, little), view.getUint16(6, little)];
    if (!(major === 2 && minor <= 4) && !(major === 543 && minor === 0)) return false;
    this.#nanoseconds = magic === NANOSECONDS;
    this.#extra = magic === MODIFIED ? MODIFIED_EXTRA : 0;
    this.#minor = minor;
    view.setUint32(0, MICROSECONDS, little);
    view.setUint16(4, 2, little);
    view.setUint16(6, 4, little);
    return true;
  }

  /** draft-ietf-opsawg-pcap: the low 16 bits are the link type; bit 26 says that the top four bits give FCS length in units of two bytes. */
  #fileHeader(linkLayerType: number): void {
    this.#linktypes = [linkLayerType & 0xffff];
    this.#fcs = (linkLayerType & 0x0400_0000) !== 0 ? (linkLayerType >>> 28) * 2 : 0;
  }

  #recordHeader(header: RecordHeader): void {
    const { capturedLength: first, originalLength: second } = header;
    if (this.#minor < 3 || (this.#minor === 3 && first > second)) {
      header.capturedLength = second;
      header.originalLength = first;
    }
    if (header.capturedLength > RECORD_MAXIMUM) {
      this.#fail(this.#recordAt, DAMAGE_RECORD_LENGTH);
      // Leaves pcap-parser's loop at once; it would wait for (and copy) bytes that never come.
      throw new RangeError('impossible record length');
    }
    header.capturedLength += this.#extra;
    this.#header = header;
  }

  #record(data: Uint8Array): void {
    const header = this.#header;
    if (header === undefined || this.#damage !== undefined) return;
    this.#recordAt += RECORD_HEADER + header.capturedLength;
    const bytes = new Uint8Array(data.buffer, data.byteOffset + this.#extra, data.length - this.#extra);
    const fraction = BigInt(header.timestampMicroseconds);
    this.#onFrame({
      time: clampTime(BigInt(header.timestampSeconds) * 1_000_000_000n + (this.#nanoseconds ? fraction : fraction * 1000n)),
      linktype: this.#linktypes[0]!,
      bytes: bytes.subarray(0, withoutFcs(bytes.length, header.originalLength, this.#fcs)),
      wire: header.originalLength,
    });
  }

  #fail(offset: number, reason: number): void {
    this.#damage ??= damageAt(offset, reason);
  }
}
