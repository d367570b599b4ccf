/** The oracle as plain JavaScript in a folder of its own, for tests that need it in another process (Node 20 runs no TypeScript). */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { KernelJob } from '../../src/kernel/index.ts';

/** Compiles src/kernel; `script(job)` writes a program that runs the job and prints its counters as JSON. */
export function buildOracle(): { script: (job: KernelJob) => string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-oracle-'));
  chmodSync(folder, 0o755);
  const words = ['--ignoreConfig', 'src/kernel/index.ts', '--outDir', join(folder, 'built'), '--rootDir', 'src'];
  words.push('--module', 'nodenext', '--target', 'es2022', '--types', 'node', '--skipLibCheck', '--strict');
  words.push('--allowImportingTsExtensions', '--rewriteRelativeImportExtensions');
  execFileSync(resolve('node_modules/.bin/tsc'), words, { timeout: 60_000 });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  return {
    script(job) {
      const frames = job.frames.map(({ time, direction, bytes }) => {
        const hex = Buffer.from(bytes).toString('hex');
        return `{time:${time}n,direction:'${direction}',bytes:Buffer.from('${hex}','hex')}`;
      });
      const path = join(folder, 'run.mjs');
      writeFileSync(
        path,
        `import { runKernel } from './built/kernel/index.js';
const outcome = await runKernel({ ...${JSON.stringify({ ...job, frames: [] })}, frames: [${frames.join(',')}] });
console.log(JSON.stringify({ counters: outcome.counters, paths: outcome.packets.map((packet) => packet.path) }));
`,
      );
      return path;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
