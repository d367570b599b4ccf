/** Files named on the command line that are read whole. */
import { fstatSync, readFileSync, statSync } from 'node:fs';
import { isReadOnce, openStream } from '../replay/open.ts';

/** What can be read once, and was. */
const ahead = new Map<string, Uint8Array>();

/** Reads standard input and pipes to their end, for readGiven: it waits for them in a way in which signals are heard. Throws what the system says. */
export async function readAhead(paths: readonly string[]): Promise<void> {
  for (const path of paths.filter((one) => isReadOnce(one) && !ahead.has(one))) {
    if (path === '-' && isReadAtOnce()) continue;
    const chunks: Uint8Array[] = [];
    for await (const chunk of await openStream(path)) chunks.push(chunk as Uint8Array);
    ahead.set(path, Buffer.concat(chunks));
  }
}

/** Standard input is a file. */
function isReadAtOnce(): boolean {
  const stat = fstatSync(0);
  return stat.isFile() || stat.isDirectory();
}

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
