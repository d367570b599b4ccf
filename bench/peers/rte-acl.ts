/** DPDK's rte_acl on the bench's rules and packets: the program beside this file, built on demand where Debian's libdpdk-dev is. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Filter, FilterSet } from '../classbench.ts';

export interface PeerResult {
  name: string;
  nanoseconds: number;
  /** As the program says it: the sum of the numbers of dropped packets, modulo 2^32. */
  dropped: number;
}

export interface Peer {
  buildMs: number;
  results: PeerResult[];
}

/** The program's path, or why there is none. */
export function buildRteAcl(root: string): { program: string } | { missing: string } {
  const folder = join(root, 'build/bench');
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'rte-acl');
  try {
    const flags = execFileSync('pkg-config', ['--cflags', '--libs', 'libdpdk'], { encoding: 'utf8', stdio: 'pipe' }).trim();
    const source = join(root, 'bench/peers/rte-acl.c');
    execFileSync('cc', ['-O3', '-march=native', '-o', program, source, ...flags.split(/\s+/)], { stdio: 'pipe' });
    return { program };
  } catch (error) {
    const said = (error as { stderr?: unknown }).stderr;
    return {
      missing: `rte_acl is not measured (apt-get install libdpdk-dev gcc pkg-config): ${
        String(said ?? error)
          .trim()
          .split('\n')[0]
      }`,
    };
  }
}

/** Runs it, or says why it fails (a set it cannot build). */
export function runRteAcl(
  root: string,
  program: string,
  set: FilterSet,
  tuples: Uint32Array,
  rounds: number,
): Peer | { missing: string } {
  const input = join(root, 'build/bench/rte-acl.input');
  const rules = Uint32Array.from([set.filters.length, ...set.filters.flatMap(ruleWords)]);
  const count = Uint32Array.of(tuples.length / 5);
  writeFileSync(
    input,
    Buffer.concat([rules, count, tuples].map((words) => Buffer.from(words.buffer, words.byteOffset, words.byteLength))),
  );
  let out: string;
  try {
    out = execFileSync(program, [input, String(rounds)], { encoding: 'utf8', stdio: 'pipe', timeout: 300_000 });
  } catch (error) {
    return {
      missing: `rte_acl, ${set.name}: ${String((error as { stderr?: unknown }).stderr ?? error)
        .trim()
        .split('\n')
        .at(-1)}`,
    };
  }
  const lines = out.split('\n').map((line) => line.split(' '));
  const results = lines
    .filter((words) => words.length === 3)
    .map(([name = '', nanoseconds, dropped]) => ({ name, nanoseconds: Number(nanoseconds), dropped: Number(dropped) }));
  return { buildMs: Number(lines.find(([name]) => name === 'build')?.[1]), results };
}

function ruleWords({ source, destination, sport, dport, protocol }: Filter): number[] {
  const addresses = [source.address, source.length, destination.address, destination.length];
  return [...addresses, ...sport, ...dport, protocol ?? 0, protocol === null ? 0 : 1];
}
