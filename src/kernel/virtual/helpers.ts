/** The C helpers (guest/): compiled on first use into the cache, named by what they are compiled from. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { found } from '../available.ts';
import { KernelError } from '../job.ts';
import { PATH } from '../session.ts';

/** guest: process 1 of the virtual machine. clock: the virtual clock of Debian's kernel, preloaded. */
export type Helper = 'guest' | 'clock';

// The sources stay where they are when this file is compiled to dist/.
const SOURCES = fileURLToPath(new URL('../../../src/kernel/virtual/guest/', import.meta.url));

const RECIPES: Record<Helper, { sources: string[]; others: string[]; words: string[] }> = {
  guest: { sources: ['main.c', 'inject.c'], others: ['guest.h'], words: ['-static'] },
  clock: { sources: ['clock.c'], others: [], words: ['-shared', '-fPIC'] },
};

/** Where built kernels and helpers are kept: outside the repository, so that every clone finds them. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'wasmtables', 'virtual');
}

/** Why the helpers cannot be compiled here; undefined when they can. */
export function compilerMissing(): string | undefined {
  return found('gcc') && existsSync('/usr/include/stdio.h')
    ? undefined
    : 'missing: gcc and the C library to compile the guest (Debian: gcc libc6-dev)';
}

/** Path of a helper, compiled if need be. Throws KernelError with the compiler's words. */
export function helper(name: Helper): string {
  const { sources, others, words } = RECIPES[name];
  const hash = createHash('sha256').update(words.join(' '));
  for (const file of [...sources, ...others]) hash.update(readFileSync(join(SOURCES, file)));
  const path = join(cacheFolder(), `${name}-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(path)) return path;
  mkdirSync(cacheFolder(), { recursive: true });
  const part = `${path}.${process.pid}`;
  const argv = ['-O2', '-Wall', '-Wextra', ...words, '-o', part, ...sources.map((file) => join(SOURCES, file))];
  try {
    execFileSync('gcc', argv, { env: { PATH }, stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 });
  } catch (error) {
    throw new KernelError(`cannot compile ${name}: ${(error as { stderr?: Buffer }).stderr?.toString() || String(error)}`);
  }
  renameSync(part, path);
  return path;
}
