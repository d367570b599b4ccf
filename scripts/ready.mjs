// What the scripts share: run a command, install what package-lock.json says, build. No dependencies: it runs in a fresh clone.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf } from '../bin/load.js';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command in the project; its output is the user's. Returns its exit code. */
export function runCommand(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) throw error;
  if (signal) process.kill(process.pid, signal);
  return status ?? 1;
}

function must(command, args, what) {
  const quiet = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (quiet.status === 0) return;
  process.stderr.write(`${quiet.stdout ?? ''}${quiet.stderr ?? ''}`);
  console.error(`${what} failed (${command} ${args.join(' ')})`);
  process.exit(quiet.status || 1);
}

/**
 * npm install by package-lock.json, when node_modules is not what it says. Not npm ci: that refuses the lock file where a registry lacks the builds of a tool for other
 * platforms (optional packages that are not installed anyway).
 */
export function install() {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const stamp = join(root, 'node_modules', '.wasmtables-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('installing packages...');
  must('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], 'npm install');
  writeFileSync(stamp, lock);
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), 0);
}

const older = (output, inputs) => {
  const file = join(root, output);
  if (!existsSync(file)) return true;
  const built = statSync(file).mtimeMs;
  return inputs.some((input) => newest(join(root, input)) > built);
};

const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Engine and host code, whichever is older than its sources. */
export function build(targets) {
  buildEngine(targets);
  if (older('dist/.built', ['src', 'tsconfig.json', 'scripts/bundle.config.mjs', 'scripts/keep-code.cjs', 'bin'])) {
    console.error('building the host code...');
    must(bin('tsc'), ['-p', 'tsconfig.json'], 'building the host code');
    for (const mode of ['main', 'replay-thread'])
      must(bin('vite'), ['build', '--config', 'scripts/bundle.config.mjs', '--mode', mode], 'bundling the host code');
    writeFileSync(join(root, 'dist/.built'), '');
  }
  // The bundler has emptied the folder, or another Node built.
  if (!existsSync(codeOf(join(root, 'dist/joined/main.js'))))
    must(process.execPath, ['scripts/keep-code.cjs'], "keeping V8's code of it");
}

/** By target: release, debug, release without SIMD, and release for two threads with one memory. */
export const ENGINES = {
  release: 'build/engine.wasm',
  debug: 'build/engine.debug.wasm',
  scalar: 'build/engine.scalar.wasm',
  threads: 'build/engine.threads.wasm',
};
/** Those that the command takes; the others are for tests and the fuzzer. */
export const COMMAND_ENGINES = ['release', 'threads'];

/** The engine's builds, or only the targets that are asked for, that are older than their sources. */
export function buildEngine(targets = Object.keys(ENGINES)) {
  for (const target of targets) {
    const output = ENGINES[target];
    if (!older(output, ['assembly', 'src/abi', 'asconfig.json'])) continue;
    console.error(`building the engine (${target})...`);
    must(bin('asc'), ['--config', 'asconfig.json', '--target', target], 'building the engine');
  }
}
