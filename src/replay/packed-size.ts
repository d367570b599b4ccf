/** How much a packed capture holds, by what its first bytes unpack to: for a guess whether a tree is worth its time. Node only. */
import { CaptureReader } from '../capture/frames.ts';
import { joinBytes } from '../capture/reader.ts';
import { CaptureOpenError, unpackedBeginning } from './open.ts';

/** Bytes of the file that are unpacked: of .zst a block of 128 KiB comes as a whole. */
const LOOK = 1 << 17;
/** More than that is much. */
const MUCH = 1 << 24;
/** Bytes of what is unpacked in which records are counted. */
const COUNTED = 1 << 18;

export interface Unpacked {
  /** Bytes that one of the file becomes, about. */
  ratio: number;
  /** Bytes of a record, its header included, in the mean of the first; undefined: there is none. */
  record?: number;
}

/** `size`: of the file. */
export async function lookInto(path: string, size: number): Promise<Unpacked> {
  let bytes = 0;
  let beginning: Uint8Array = new Uint8Array(0);
  try {
    for await (const chunk of unpackedBeginning(path, LOOK)) {
      if (beginning.length < COUNTED) beginning = joinBytes(beginning, chunk.subarray(0, COUNTED - beginning.length));
      bytes += chunk.length;
      if (bytes > MUCH) break;
    }
  } catch (error) {
    if (!(error instanceof CaptureOpenError)) throw error;
  }
  const record = meanOf(beginning);
  return { ratio: bytes === 0 ? 1 : bytes / Math.min(size, LOOK), ...(record !== undefined && { record }) };
}

function meanOf(beginning: Uint8Array): number | undefined {
  let frames = 0;
  const reader = new CaptureReader(() => {
    frames++;
  });
  reader.push(beginning);
  return frames === 0 ? undefined : reader.frameEnd / frames;
}
