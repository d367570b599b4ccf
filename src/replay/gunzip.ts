/** gzip, several members, with every byte that can be had before damage. Node only. */
import { createGunzip, type Gunzip } from 'node:zlib';
import type { Damage } from '../capture/frames.ts';

/** Bytes of the packed file that are looked at in one go; near damage one by one. */
const PART = 4096;

/** What zlib says, in words that say what it is. */
const WORDS: Readonly<Record<string, string>> = {
  'unexpected end of file': 'gzip stream is cut',
  'incorrect data check': 'gzip: CRC differs',
  'incorrect length check': 'gzip: length differs',
};

/**
 * The unpacked bytes of a gzip file; the return value tells damage of the packing, at an offset of the unpacked bytes. What comes before the damage is given to the last byte that
 * is sure: zlib keeps back what it made in the call that met a fault, so one inflater runs a part ahead, and when it stumbles the one that gives gets that part in single bytes.
 */
export async function* gunzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, Damage | undefined> {
  const ahead = new Inflater();
  const giving = new Inflater();
  let offset = 0;
  let behind = new Uint8Array(0);
  const given = (pieces: readonly Uint8Array[]): Uint8Array => {
    const joined = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    offset += joined.length;
    return joined;
  };
  const padding = new Padding();
  try {
    for await (const part of parts(chunks)) {
      if (ahead.over) {
        if (!padding.take(part)) break;
        continue;
      }
      const [, pieces] = await Promise.all([ahead.take(part), giving.take(behind)]);
      if (pieces.length > 0) yield given(pieces);
      behind = part;
      if (ahead.fault !== undefined) break;
      if (ahead.over && !padding.take(part.subarray(part.length - ahead.unread), ahead.read)) break;
    }
    const step = ahead.fault === undefined ? PART : 1;
    for (let at = 0; at < behind.length; at += step) {
      const pieces = await giving.take(behind.subarray(at, at + step));
      if (pieces.length > 0) yield given(pieces);
    }
    const last = await giving.end();
    if (last.length > 0) yield given(last);
    const reason = giving.fault ?? padding.fault;
    const packed = giving.fault === undefined ? padding.end : giving.read;
    return reason === undefined ? undefined : { offset, packed, reason };
  } finally {
    ahead.close();
    giving.close();
  }
}

/** Tapes and block devices are filled up with zeros; anything else behind the last member is no gzip. */
class Padding {
  fault: string | undefined;
  /** Where it ends in the file. */
  end = 0;

  /** False when the bytes are not all zeros. `from`: where the padding begins in the file, with the first of it. */
  take(bytes: Uint8Array, from = this.end): boolean {
    const other = bytes.findIndex((byte) => byte !== 0);
    this.end = from + (other === -1 ? bytes.length : other);
    if (other === -1) return true;
    this.fault = 'gzip: something else follows its end';
    return false;
  }
}

async function* parts(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += PART) yield chunk.subarray(at, at + PART) as Uint8Array<ArrayBuffer>;
  }
}

/** zlib's stream, a call at a time. */
class Inflater {
  /** What is wrong with what it was given. */
  fault: string | undefined;
  readonly #stream: Gunzip = createGunzip();
  #made: Uint8Array[] = [];
  #fed = 0;
  #members = false;
  #ended = false;
  #wake = (): void => {};

  constructor() {
    this.#stream.on('data', (piece: Uint8Array) => this.#made.push(piece));
    this.#stream.on('error', (error) => {
      this.fault = this.#words(error.message);
    });
    this.#stream.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    this.#stream.on('close', () => this.#wake());
  }

  /** Nothing more is taken: the stream came to its end, or to a fault. */
  get over(): boolean {
    return this.#ended || this.fault !== undefined || this.#stream.destroyed;
  }

  /** How many of the bytes given were looked at: up to the end, or to the fault. */
  get read(): number {
    return this.fault === undefined ? this.#stream.bytesWritten : this.#fed;
  }

  /** How many of the bytes given lie behind the end. */
  get unread(): number {
    return this.#fed - this.#stream.bytesWritten;
  }

  /** What comes out when these bytes go in. */
  async take(bytes: Uint8Array): Promise<Uint8Array[]> {
    if (bytes.length === 0 || this.over) return [];
    this.#fed += bytes.length;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#stream.write(bytes, () => resolve());
    });
    return this.#drawn();
  }

  /** What comes out at the end of the file. */
  async end(): Promise<Uint8Array[]> {
    if (this.over) return [];
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#stream.end();
    });
    return this.#drawn();
  }

  close(): void {
    this.#stream.destroy();
  }

  #drawn(): Uint8Array[] {
    const made = this.#made;
    if (made.length > 0) this.#members = true;
    this.#made = [];
    return made;
  }

  #words(message: string): string {
    if (message === 'incorrect header check' && this.#members) return 'gzip: something else follows a whole member';
    return WORDS[message] ?? `gzip: ${message}`;
  }
}
