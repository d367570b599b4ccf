/** The oracle as plain JavaScript in a folder of its own, for tests that need it in another process (Node 20 runs no TypeScript). */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { KernelFrame, KernelJob } from '../../src/kernel/index.ts';

/** A frame as an expression of JavaScript. */
function frameText({ time, direction, bytes }: KernelFrame): string {
  return `{time:${time}n,direction:'${direction}',bytes:Buffer.from('${Buffer.from(bytes).toString('hex')}','hex')}`;
}

/** A job as an expression of JavaScript. */
const jobText = (job: KernelJob): string =>
  `{ ...${JSON.stringify({ ...job, frames: [] })}, frames: [${job.frames.map(frameText).join(',')}] }`;

export interface BuiltOracle {
  folder: string;
  /** A program that judges jobs on one bench of the running kernel and prints the counters and paths of each as a line of JSON. */
  script(...jobs: KernelJob[]): string;
  /** The same with Debian's virtual-clock kernel, in one boot. */
  virtualScript(...jobs: KernelJob[]): string;
  remove(): void;
}

/** Compiles src/kernel. */
export function buildOracle(): BuiltOracle {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-oracle-'));
  chmodSync(folder, 0o755);
  const words = ['--ignoreConfig', 'src/kernel/index.ts', 'src/kernel/virtual/index.ts'];
  words.push('--outDir', join(folder, 'built'), '--rootDir', 'src');
  words.push('--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--skipLibCheck', '--strict');
  words.push('--allowImportingTsExtensions', '--rewriteRelativeImportExtensions');
  execFileSync(resolve('node_modules/.bin/tsc'), words, { timeout: 60_000 });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  cpSync('src/kernel/virtual/guest', join(folder, 'src/kernel/virtual/guest'), { recursive: true });
  const written = (text: string): string => {
    const path = join(folder, 'run.mjs');
    writeFileSync(path, text);
    return path;
  };
  const print =
    'console.log(JSON.stringify({ counters: outcome.counters, paths: outcome.packets.map((packet) => packet.path) }));';
  return {
    folder,
    script: (...jobs) =>
      written(`import { openKernelBench } from './built/kernel/index.js';
const bench = openKernelBench();
for (const job of [${jobs.map(jobText).join(',\n')}]) {
  const outcome = await bench.judge(job);
  ${print}
}
await bench.close();
`),
    virtualScript: (...jobs) =>
      written(`import { runVirtual } from './built/kernel/virtual/index.js';
for (const outcome of await runVirtual('6.1', [${jobs.map(jobText).join(',\n')}])) ${print}
`),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
