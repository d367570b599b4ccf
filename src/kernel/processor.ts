/** Which processor a run is bound to. */
import { readFileSync } from 'node:fs';

/** Processes that start at the same time shall not all begin with the first. */
let turn = process.pid;

/** One of the processors this process may use; runs take turns. */
export function processor(): string {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  const all = list.split(',').flatMap((range) => {
    const [low = 0, high = low] = range.split('-').map(Number);
    return Array.from({ length: high - low + 1 }, (_, i) => low + i);
  });
  return String(all[turn++ % all.length] ?? 0);
}
