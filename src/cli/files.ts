/** Files named on the command line that are read whole. */
import { readFileSync } from 'node:fs';

/** The bytes of a file, or of standard input for `-`. Throws what the system says, always with the path it says it about. */
export function readGiven(path: string): Uint8Array {
  try {
    return readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    throw error instanceof Error ? Object.assign(error, { path: path === '-' ? 'standard input' : path }) : error;
  }
}
