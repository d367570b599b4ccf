// npm test: installs, builds, gets the kernel's tools where that can be done, runs all tests. `npm test -- --seed N` repeats a run; other words go to vitest.
import { randomInt } from 'node:crypto';
import { build, install, root, runCommand } from './ready.mjs';

const args = process.argv.slice(2);
const at = args.indexOf('--seed');
const seed = at >= 0 ? Number(args.splice(at, 2)[1]) : randomInt(1, 2 ** 31);
if (!Number.isSafeInteger(seed) || seed < 0) {
  console.error('--seed wants a whole number');
  process.exit(2);
}
install();
build();
for (const script of ['setup-kernel-tools.sh', 'setup-virtual-kernel.sh']) {
  const status = runCommand('sh', [`${root}/scripts/${script}`]);
  if (status !== 0) process.exit(status);
}
console.log(`seed ${seed} (npm test -- --seed ${seed} repeats this run)`);
process.exitCode = runCommand(`${root}/node_modules/.bin/vitest`, ['run', ...args], {
  env: { ...process.env, WASMTABLES_SEED: String(seed) },
});
