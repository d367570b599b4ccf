/**
 * zstd, several frames: what fzstd makes of the blocks, and around it what fzstd does not look at (RFC 8878): how large a window is asked for, dictionaries, block sizes,
 * the announced size, the checksum. fzstd gives whole blocks, so of a damaged file everything comes but the block (128 KiB at most when unpacked) in which the damage lies.
 */
import { Decompress } from 'fzstd';
import type { Damage } from '../capture/frames.ts';
import { joinBytes } from '../capture/reader.ts';
import { Xxh64 } from './xxh64.ts';

const MAGIC = 0xfd2fb528;
/** Sixteen magic numbers of frames to be skipped. */
const SKIPPABLE = 0x184d2a50;
/** The window zstd itself unpacks without being told to: 128 MiB. */
const WINDOW_MAXIMUM = 2 ** 27;
const BLOCK_MAXIMUM = 131_072;
const BLOCK_RLE = 1;
const CHECKSUM_LENGTH = 4;

/** The unpacked bytes of a zstd file; the return value tells damage of the packing, at an offset of the unpacked bytes. */
export async function* unzstd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, Damage | undefined> {
  const frames = new Frames();
  let offset = 0;
  const given = (piece: Uint8Array): Uint8Array => {
    offset += piece.length;
    return piece;
  };
  for await (const chunk of chunks) {
    frames.take(chunk);
    for (const piece of frames.drawn()) yield given(piece);
    if (frames.fault !== undefined) break;
  }
  frames.end();
  for (const piece of frames.drawn()) yield given(piece);
  return frames.fault === undefined ? undefined : { offset, packed: frames.read, reason: `zstd: ${frames.fault}` };
}

/** What stands next in the file. */
type Next = 'frame' | 'block' | 'skip' | 'checksum';

/** Follows frames and blocks; every block goes to fzstd whole. */
class Frames {
  fault: string | undefined;
  /** Bytes of the file that were looked at: up to the block in which the damage lies, or to where it is cut. */
  read = 0;
  #pending = new Uint8Array(0);
  #next: Next = 'frame';
  /** Bytes of a skippable frame still to come. */
  #skip = 0;
  #decoder = new Decompress();
  /** Of the frame's bytes, when the frame has a checksum. */
  #sum: Xxh64 | undefined;
  /** What a block of this frame holds at most. */
  #blockMaximum = BLOCK_MAXIMUM;
  /** Bytes the frame says it has, and those that came. */
  #announced: number | undefined;
  #came = 0;
  #made: Uint8Array[] = [];

  take(chunk: Uint8Array): void {
    this.#pending = joinBytes(this.#pending, chunk);
    let at = 0;
    while (this.fault === undefined) {
      const length = this.#step(this.#pending.subarray(at));
      if (length === 0) break;
      at += length;
    }
    this.#pending = this.#pending.slice(at);
    this.read += at;
  }

  /** The file ends here: fzstd may hold small blocks back until now. */
  end(): void {
    if (this.fault === undefined && (this.#pending.length > 0 || this.#next !== 'frame')) {
      this.fault = 'the stream is cut';
      this.read += this.#pending.length;
    }
    if (this.#next === 'block') this.#decode(new Uint8Array(0), true);
  }

  drawn(): Uint8Array[] {
    return this.#made.splice(0);
  }

  /** One header, block or trailer at the front; how many bytes are done with, 0 when more are needed. */
  #step(bytes: Uint8Array): number {
    switch (this.#next) {
      case 'frame':
        return this.#frame(bytes);
      case 'block':
        return this.#block(bytes);
      case 'checksum':
        return this.#trailer(bytes);
      case 'skip':
        return this.#skipped(bytes.length);
    }
  }

  #skipped(length: number): number {
    const step = Math.min(this.#skip, length);
    this.#skip -= step;
    if (this.#skip === 0) this.#next = 'frame';
    return step;
  }

  #frame(bytes: Uint8Array): number {
    if (bytes.length < 5) return 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const magic = view.getUint32(0, true);
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      if (bytes.length < 8) return 0;
      this.#skip = view.getUint32(4, true);
      if (this.#skip > 0) this.#next = 'skip';
      return 8;
    }
    if (magic !== MAGIC) return this.#fail('something else follows a whole frame');
    const header = frameHeader(bytes[4]!);
    if (bytes.length < header.length) return 0;
    const content = littleEndian(bytes, header.size, header.length) + (header.length - header.size === 2 ? 256 : 0);
    const window = header.single ? content : windowSize(bytes[5]!);
    if ((bytes[4]! & 8) !== 0) return this.#fail('a reserved bit is set');
    if (littleEndian(bytes, header.dictionary, header.size) !== 0) return this.#fail('it needs a dictionary');
    if (window > WINDOW_MAXIMUM) return this.#fail(`it wants a window of ${window} bytes, more than ${WINDOW_MAXIMUM}`);
    this.#sum = (bytes[4]! & 4) !== 0 ? new Xxh64() : undefined;
    this.#blockMaximum = Math.min(BLOCK_MAXIMUM, window);
    this.#announced = header.size < header.length ? content : undefined;
    this.#came = 0;
    this.#decoder = new Decompress((piece) => this.#give(piece));
    // fzstd need not wait for a checksum.
    const start = bytes.slice(0, header.length);
    start[4] = start[4]! & ~4;
    this.#decode(start, false);
    this.#next = 'block';
    return header.length;
  }

  #block(bytes: Uint8Array): number {
    if (bytes.length < 3) return 0;
    const header = littleEndian(bytes, 0, 3);
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    const length = 3 + (type === BLOCK_RLE ? 1 : size);
    if (type === 3) return this.#fail('a block of unknown type');
    if (size > this.#blockMaximum) return this.#fail('a block is too large');
    if (bytes.length < length) return 0;
    const last = (header & 1) === 1;
    this.#decode(bytes.slice(0, length), last);
    if (!last || this.fault !== undefined) return length;
    this.#next = this.#sum === undefined ? 'frame' : 'checksum';
    if (this.#announced !== undefined && this.#announced !== this.#came)
      return this.#fail('a frame has another size than it says');
    return length;
  }

  /** The low four bytes of the checksum of the frame's bytes. */
  #trailer(bytes: Uint8Array): number {
    if (bytes.length < CHECKSUM_LENGTH) return 0;
    if (littleEndian(bytes, 0, CHECKSUM_LENGTH) !== this.#sum!.low()) return this.#fail('checksum differs');
    this.#next = 'frame';
    return CHECKSUM_LENGTH;
  }

  #decode(bytes: Uint8Array, last: boolean): void {
    try {
      this.#decoder.push(bytes, last);
    } catch (error) {
      this.fault ??= `a block is damaged (${error instanceof Error ? error.message : String(error)})`;
    }
  }

  #give(piece: Uint8Array): void {
    this.#came += piece.length;
    this.#sum?.take(piece);
    if (piece.length > 0) this.#made.push(piece.slice());
  }

  #fail(fault: string): 0 {
    this.fault ??= fault;
    return 0;
  }
}

/** Where the parts of a frame header lie, by its descriptor byte: dictionary id, content size, end. */
function frameHeader(descriptor: number): { single: boolean; dictionary: number; size: number; length: number } {
  const single = (descriptor & 0x20) !== 0;
  const dictionary = single ? 5 : 6;
  const size = dictionary + [0, 1, 2, 4][descriptor & 3]!;
  const code = descriptor >>> 6;
  return { single, dictionary, size, length: size + (code === 0 ? Number(single) : 1 << code) };
}

function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >>> 3));
  return base + (base / 8) * (byte & 7);
}

function littleEndian(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = to - 1; at >= from; at--) value = value * 256 + bytes[at]!;
  return value;
}
