/** Files named on the command line that are read whole. */
import { readFileSync, statSync } from 'node:fs';

/** What can be read once, and was. */
const ahead = new Map<string, Uint8Array>();

/** The bytes of such a file, for readGiven; `isAhead`: they are there. */
export const keepAhead = (path: string, bytes: Uint8Array): unknown => ahead.set(path, bytes);
export const isAhead = (path: string): boolean => ahead.has(path);

/** Bytes of rules that are not read in a moment. */
const MANY = 1 << 20;

/** Whether files are so large that reading them takes more than a moment. */
export const areLarge = (paths: readonly string[]): boolean =>
  paths.some((path) => (ahead.get(path)?.length ?? statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MANY);

/** The bytes of a file, or of standard input for `-`. Throws what the system says, always with the path it says it about. */
export function readGiven(path: string): Uint8Array {
  const known = ahead.get(path);
  if (known !== undefined) return known;
  try {
    return readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    throw error instanceof Error ? Object.assign(error, { path: path === '-' ? 'standard input' : path }) : error;
  }
}
