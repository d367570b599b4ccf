/** The real iptables-restore and -save of both backends, each run in a network namespace of its own. */
import { spawnSync } from 'node:child_process';
import { SETS_TEXT } from '../../src/fuzz/sets.ts';

function isThere(backend: 'legacy' | 'nft'): boolean {
  const probe = `iptables-${backend}-save -t filter && ip6tables-${backend}-save -t filter`;
  return spawnSync('unshare', ['-n', 'sh', '-c', probe], { stdio: 'ignore' }).status === 0;
}

/** Whether this machine lets us: root, unshare and the tools. */
export const realTools = { legacy: isThere('legacy'), nft: isThere('nft') };
export const realTool = realTools.legacy;

export interface RealResult {
  /** iptables-save text without comments, tables in alphabetical order; undefined when the dump was refused. */
  saved?: string;
  /** Line of the refusal, where the tool tells. */
  line?: number;
  message?: string;
}

/** Table blocks in alphabetical order: iptables-save's own order depends on when modules were loaded. */
export function sortTables(text: string): string {
  return text
    .split(/(?<=^COMMIT\n)/m)
    .sort()
    .join('');
}

/** `saved` without tables that hold nothing and are not in `real`: iptables-nft makes a table with its first rule or policy. */
export function untouched(saved: string | undefined, real: string): string | undefined {
  if (saved === undefined) return undefined;
  const blocks = saved.split(/(?<=^COMMIT\n)/m);
  const holds = (block: string) => block.split('\n').some((line) => !/^(\*|COMMIT$|$|:\S+ ACCEPT \[0:0\])/.test(line));
  return blocks.filter((block) => holds(block) || real.includes(block)).join('');
}

/** Restores a dump and saves it again. */
export function restoreReally(text: string, family: 4 | 6, backend: 'legacy' | 'nft' = 'legacy'): RealResult {
  const tool = `${family === 4 ? 'iptables' : 'ip6tables'}-${backend}`;
  // The sets that random rules name.
  const sets = text.includes('--match-set') ? 'printf "%s" "$SETS" | ipset restore || exit 98; ' : '';
  const script = `${sets}${tool}-restore || exit 99; echo '#saved'; ${tool}-save`;
  const run = spawnSync('unshare', ['-n', 'sh', '-c', script], {
    input: text,
    env: { ...process.env, SETS: SETS_TEXT },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 60_000,
  });
  if (run.status === 0) {
    const saved = run.stdout.slice(run.stdout.indexOf('#saved'));
    return { saved: sortTables(saved.replace(/^#.*\n/gm, '')) };
  }
  const message = run.stderr
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('Try '))
    .join(' | ');
  const line = /line:? (\d+)/.exec(message)?.[1];
  return { message, ...(line === undefined ? {} : { line: Number(line) }) };
}
