// npm run bench: builds and measures. Words behind -- go to bench/main.ts: --smoke, --record.
import { cpSync, mkdirSync } from 'node:fs';
import { build, install, root, runCommand } from './ready.mjs';

install();
// Who asks what there is waits for no engine.
const asks = process.argv.slice(2).some((word) => word === '--help' || word === '-h');
if (!asks) build();
const out = `${root}/build/bench/out`;
const options = ['--config', 'none', '--runtime', 'stub', '-O3', '--enable', 'simd', '--noAssert'];
for (const name of asks ? [] : ['floor', 'collide']) {
  const command = [`assembly/${name}-bench.ts`, '--outFile', `build/${name}.wasm`, ...options];
  if (runCommand(`${root}/node_modules/.bin/asc`, command) !== 0) process.exit(1);
}
if (runCommand(`${root}/node_modules/.bin/tsc`, ['-p', 'tsconfig.bench.json']) !== 0) process.exit(1);
// The engine is looked for two folders above src/replay, as in the package.
mkdirSync(`${out}/build`, { recursive: true });
if (!asks) cpSync(`${root}/build/engine.wasm`, `${out}/build/engine.wasm`);
process.exitCode = runCommand(process.execPath, [`${out}/bench/main.js`, '--root', root, ...process.argv.slice(2)]);
