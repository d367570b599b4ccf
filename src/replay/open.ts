/** Opens captures: plain files, .gz, .zst, standard input; folders and simple patterns. Node only. */
import { closeSync, createReadStream, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Damage } from '../capture/frames.ts';
import { joinBytes } from '../capture/reader.ts';
import { MAGIC_LENGTH, packedReason, packingOf } from './packing.ts';
import { unzstd } from './unzstd.ts';

const CAPTURE_NAME = /\.(pcap|pcapng|cap|dmp)(\.gz|\.zst)?$/i;

/** A capture cannot be opened, or not be read to its end. */
export class CaptureOpenError extends Error {
  override readonly name = 'CaptureOpenError';
  readonly file: string;
  /** What is in the way, without the file's name. */
  readonly reason: string;

  constructor(path: string, reason: string) {
    const file = nameOf(path);
    super(`${file}: ${reason}`);
    this.file = file;
    this.reason = reason;
  }
}

/** What a capture is called where it is told of. */
export const nameOf = (path: string): string => (path === '-' ? 'standard input' : path);

/**
 * The capture files meant by the arguments, in their order: `-` stays, a folder gives its captures sorted by name, `*` and `?` in the last part of a path match names.
 * @throws CaptureOpenError when there is nothing of that name, or a folder without captures.
 */
export function expandCaptures(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (path === '-') return [path];
    const kind = kindOf(path);
    if (kind === 'file') return [path];
    if (kind === 'folder') return listed(path, path, (name) => CAPTURE_NAME.test(name));
    const pattern = basename(path);
    if (!/[*?]/.test(pattern)) throw new CaptureOpenError(path, whyNot(path));
    const expression = new RegExp(
      `^${pattern
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
    );
    return listed(path, dirname(path), (name) => expression.test(name));
  });
}

function kindOf(path: string): 'file' | 'folder' | undefined {
  if (isKind(path, (stat) => stat.isDirectory())) return 'folder';
  return isKind(path, () => true) ? 'file' : undefined;
}

/** Of a path at which there is nothing to see. */
function whyNot(path: string): string {
  try {
    statSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return message(error);
  }
  return 'no such file';
}

function listed(asked: string, folder: string, takes: (name: string) => boolean): string[] {
  if (kindOf(folder) !== 'folder') throw new CaptureOpenError(asked, 'no such folder');
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && takes(entry.name))
    .map((entry) => join(folder, entry.name))
    .sort();
  if (names.length === 0) throw new CaptureOpenError(asked, 'no captures there');
  return names;
}

/** Standard input, a named pipe, `<(command)`: what can be read from beginning to end once. */
export function isReadOnce(path: string): boolean {
  return path === '-' || isKind(path, (stat) => !stat.isFile() && !stat.isDirectory());
}

/** Of what is there, and can be looked at. */
function isKind(path: string, is: (stat: Stats) => boolean): boolean {
  try {
    return is(statSync(path));
  } catch {
    return false;
  }
}

/** A plain regular file that can be read straight into somebody's memory. */
export class PlainFile {
  readonly size: number;
  readonly #path: string;
  readonly #descriptor: number;

  constructor(path: string, descriptor: number, size: number) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.size = size;
  }

  /** Fills the front of `into`, from a place in the file or from where the last call without one ended; returns how many bytes there were, 0 at the end. @throws CaptureOpenError. */
  read(into: Uint8Array, from: number | null = null): number {
    try {
      return readSync(this.#descriptor, into, 0, into.length, from);
    } catch (error) {
      throw new CaptureOpenError(this.#path, message(error));
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/**
 * The file if it is a regular, unpacked one; undefined: use `readChunks`.
 * @throws CaptureOpenError when it cannot be opened.
 */
export function openPlain(path: string): PlainFile | undefined {
  // A pipe must not be opened for a look: whoever writes to it would lose its reader.
  if (isReadOnce(path)) return undefined;
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw new CaptureOpenError(path, message(error));
  }
  try {
    const stat = statSync(path);
    const head = new Uint8Array(MAGIC_LENGTH);
    if (stat.isFile()) readSync(descriptor, head, 0, 4, 0);
    if (stat.isFile() && packingOf(head) === undefined) return new PlainFile(path, descriptor, stat.size);
  } catch (error) {
    closeSync(descriptor);
    throw new CaptureOpenError(path, message(error));
  }
  closeSync(descriptor);
  return undefined;
}

/** Bytes a capture has on the disk, packed or not; undefined where only reading tells (pipes). A file that cannot be opened has none: who reads it says why. */
export function sizeAhead(path: string): { bytes: number; isPacked: boolean } | undefined {
  if (isReadOnce(path)) return undefined;
  try {
    const file = openPlain(path);
    file?.close();
    return { bytes: file?.size ?? statSync(path).size, isPacked: file === undefined };
  } catch {
    return { bytes: 0, isPacked: false };
  }
}

/** What the first bytes of a packed file unpack to, chunk by chunk. `most`: as many of the file. */
export function unpackedBeginning(path: string, most: number): AsyncGenerator<Uint8Array, Damage | undefined> {
  return unpacked(path, createReadStream(path, { end: most - 1 }));
}

/** What went wrong, without what Node puts around the system's words (`EACCES: permission denied, open '...'`): the file is named already. */
const message = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/^E[A-Z0-9]+: ([^,]+), .*$/s, '$1');

/**
 * The uncompressed bytes of a capture, chunk by chunk; the return value tells damage of the packing itself, at an offset of the uncompressed bytes:
 * what came before it was given (all of a .gz; of a .zst the whole blocks). `close`, aborted, gives the file back at once; so does the end, and `return`.
 * @throws CaptureOpenError when the file cannot be read.
 */
export async function* readChunks(path: string, close?: AbortSignal): AsyncGenerator<Uint8Array, Damage | undefined> {
  const source = await openStream(path);
  // Given back in the meantime.
  if (close?.aborted === true) source.destroy();
  const onClose = (): unknown => source.destroy();
  close?.addEventListener('abort', onClose);
  try {
    return yield* unpacked(path, source);
  } finally {
    close?.removeEventListener('abort', onClose);
    source.destroy();
  }
}

/** The bytes of a file as they are, or of standard input for `-`. @throws CaptureOpenError. */
export async function openStream(path: string): Promise<Readable> {
  try {
    if (path === '-') return process.stdin;
    if (isPipe(path)) return (await import('./pipe.ts')).openPipe(path);
  } catch (error) {
    throw new CaptureOpenError(path, message(error));
  }
  return createReadStream(path, { highWaterMark: 1 << 20 });
}

const isPipe = (path: string): boolean => isKind(path, (stat) => stat.isFIFO());

async function* unpacked(path: string, source: Readable): AsyncGenerator<Uint8Array, Damage | undefined> {
  const chunks = readable(path, source);
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < MAGIC_LENGTH) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    head = joinBytes(head, value);
  }
  const rest = withHead(head, chunks);
  const packing = packingOf(head);
  // It loads zlib, which few captures need.
  if (packing?.name === 'gzip') return yield* (await import('./gunzip.ts')).gunzip(rest);
  if (packing?.name === 'zstd') return yield* unzstd(rest);
  if (packing !== undefined) return { offset: 0, reason: packedReason(packing) };
  yield* rest;
  return undefined;
}

/** The chunks of a stream, its errors with the path in front. */
async function* readable(path: string, source: Readable): AsyncGenerator<Uint8Array, undefined> {
  try {
    yield* source as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw new CaptureOpenError(path, message(error));
  }
  return undefined;
}

async function* withHead(head: Uint8Array, rest: AsyncGenerator<Uint8Array, undefined>): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  yield* rest;
}
