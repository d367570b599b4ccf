/** Files named on the command line that can be read once. Apart from files.ts: what reads rules is in the same file of dist/joined as the program only if it does not read captures, too. */
import { fstatSync } from 'node:fs';
import { isReadOnce, openStream } from '../replay/open.ts';
import { isAhead, keepAhead } from './files.ts';

/** Reads standard input and pipes to their end, for readGiven: it waits for them in a way in which signals are heard. Throws what the system says. */
export async function readAhead(paths: readonly string[]): Promise<void> {
  for (const path of paths.filter((one) => isReadOnce(one) && !isAhead(one))) {
    if (path === '-' && isReadAtOnce()) continue;
    const chunks: Uint8Array[] = [];
    for await (const chunk of await openStream(path)) chunks.push(chunk as Uint8Array);
    keepAhead(path, Buffer.concat(chunks));
  }
}

/** Standard input is a file. */
function isReadAtOnce(): boolean {
  const stat = fstatSync(0);
  return stat.isFile() || stat.isDirectory();
}
