/** The real iptables-legacy-restore and -save, each run in a network namespace of its own. */
import { spawnSync } from 'node:child_process';

/** Whether this machine lets us: root, unshare and the legacy tools. */
export const realTool =
  spawnSync('unshare', ['-n', 'sh', '-c', 'iptables-legacy-save -t filter && ip6tables-legacy-save -t filter'], {
    stdio: 'ignore',
  }).status === 0;

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

/** Restores a dump and saves it again. */
export function restoreReally(text: string, family: 4 | 6): RealResult {
  const tool = family === 4 ? 'iptables-legacy' : 'ip6tables-legacy';
  const script = `${tool}-restore || exit 99; echo '#saved'; ${tool}-save`;
  const run = spawnSync('unshare', ['-n', 'sh', '-c', script], {
    input: text,
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
