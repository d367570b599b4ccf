/** The oracle as plain JavaScript in a folder of its own, for tests that need it in another process (Node 20 runs no TypeScript). */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { KernelFrame, KernelJob } from '../../src/kernel/index.ts';

/** A frame as an expression of JavaScript. */
function frameText({ time, direction, bytes }: KernelFrame): string {
  return `{time:${time}n,direction:'${direction}',bytes:Buffer.from('${Buffer.from(bytes).toString('hex')}','hex')}`;
}

/** Compiles src/kernel; `script(jobs)` writes a program that judges the jobs on one bench and prints the counters and paths of each as a line of JSON. */
export function buildOracle(): { script: (...jobs: KernelJob[]) => string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-oracle-'));
  chmodSync(folder, 0o755);
  const words = ['--ignoreConfig', 'src/kernel/index.ts', '--outDir', join(folder, 'built'), '--rootDir', 'src'];
  words.push('--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--skipLibCheck', '--strict');
  words.push('--allowImportingTsExtensions', '--rewriteRelativeImportExtensions');
  execFileSync(resolve('node_modules/.bin/tsc'), words, { timeout: 60_000 });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  return {
    script(...jobs) {
      const texts = jobs.map(
        (job) => `{ ...${JSON.stringify({ ...job, frames: [] })}, frames: [${job.frames.map(frameText).join(',')}] }`,
      );
      const path = join(folder, 'run.mjs');
      writeFileSync(
        path,
        `import { openKernelBench } from './built/kernel/index.js';
const bench = openKernelBench();
for (const job of [${texts.join(',\n')}]) {
  const outcome = await bench.judge(job);
  console.log(JSON.stringify({ counters: outcome.counters, paths: outcome.packets.map((packet) => packet.path) }));
}
await bench.close();
`,
      );
      return path;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
