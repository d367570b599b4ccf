/**
 * Builds the project with one bug planted in it: a copy of dist/ and build/ below build/canary, where its imports are found. Host code is translated by tsc (types were checked
 * when dist/ was built), the engine by asc, in one process and thus in moments. Needs a built project.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { hashKeyOf } from '../../../src/fuzz/hash-key.ts';
import type { Witness } from '../../../src/fuzz/witness.ts';
import type { Plant } from './plant.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const place = join(root, 'build', 'canary');
const CONFIG = 'asconfig.json';

/** The file with the bug in it. Throws when the sources moved on: then the plant has to follow. */
export function plantedSource({ name, file, text, replacement }: Plant): string {
  const [before, after, ...more] = readFileSync(join(root, file), 'utf8').split(text);
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`${name}: ${file} must hold exactly once: ${text}`);
  return before + replacement + after;
}

const inAssembly = ({ file }: Plant): boolean => file.startsWith('assembly/');
const folderOf = ({ name }: Plant): string => join(place, name.replaceAll(/[^a-z0-9]+/gi, '-'));

/** The engine's builds that tests load. */
const BUILDS = ['build/engine.wasm', 'build/engine.debug.wasm'];

/** What the plant's test says of the project with the bug, or, for comparison, without it: its exit code, and how many of its tests failed. */
export async function testPlanted(plant: Plant, isPlanted = true): Promise<{ code: number | null; failed: number }> {
  const one = isPlanted ? plant : { ...plant, replacement: plant.text };
  const folder = `${folderOf(plant)}-test`;
  rmSync(folder, { recursive: true, force: true });
  for (const part of ['src', 'test', 'bench', 'pcaps', 'package.json', ...BUILDS, 'build/engine.scalar.wasm'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  if (inAssembly(one)) {
    const wasm = await assembled(one);
    for (const build of BUILDS) writeFileSync(join(folder, build), wasm);
  } else writeFileSync(join(folder, one.file), plantedSource(one));
  // Nothing is built anew there.
  writeFileSync(
    join(folder, 'vitest.config.mjs'),
    "export default { test: { include: ['test/**/*.test.ts'], testTimeout: 60000 } };\n",
  );
  const words = [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--root',
    folder,
    '--reporter',
    'json',
    ...one.test!.split(' '),
  ];
  const { status, stdout } = spawnSync(process.execPath, words, { encoding: 'utf8', maxBuffer: 1 << 28 });
  return { code: status, failed: (JSON.parse(stdout) as { numFailedTests: number }).numFailedTests };
}

/** The project with a bug, and how to ask the witness that has it. */
export async function buildPlanted(plant: Plant): Promise<Witness> {
  const folder = folderOf(plant);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true, filter: (path) => !/\.(d\.ts|map)$/.test(path) });
  mkdirSync(join(folder, 'build'));
  const wasm = inAssembly(plant) ? await assembled(plant) : readFileSync(join(root, 'build', 'engine.debug.wasm'));
  writeFileSync(join(folder, 'build', 'engine.debug.wasm'), wasm);
  if (!inAssembly(plant)) translate(plant, folder);
  return witnessOf(plant, folder);
}

/** The planted host file over its translation in the copy, without looking at what it imports. */
function translate(plant: Plant, folder: string): void {
  const path = join(folder, plant.file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, plantedSource(plant));
  const compilerOptions = {
    noCheck: true,
    noResolve: true,
    types: [],
    declaration: false,
    sourceMap: false,
    rootDir: 'src',
    outDir: 'dist',
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include: ['src'] }),
  );
  const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${plant.name}: ${stdout}`);
}

/** As much of the compiler as is used here: its own types bring AssemblyScript's globals with them. */
interface Asc {
  main(
    words: string[],
    files: {
      readFile(name: string, base: string): string | null;
      writeFile(name: string, contents: Uint8Array | string): void;
    },
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}
const ASC: string = 'assemblyscript/asc';

/** The debug build of the engine with the bug. */
async function assembled(plant: Plant): Promise<Uint8Array> {
  const source = plantedSource(plant);
  let wasm: Uint8Array | undefined;
  const asc = (await import(ASC)) as Asc;
  const { error, stderr } = await asc.main(['--config', CONFIG, '--baseDir', root, '--target', 'debug'], {
    readFile: (name, base) => (name === plant.file ? source : textOf(join(base, name))),
    writeFile: (name, contents) => {
      if (name.endsWith('.wasm') && typeof contents !== 'string') wasm = contents;
    },
  });
  if (error !== null || wasm === undefined) throw new Error(`${plant.name}: ${stderr.toString()}`);
  return wasm;
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

type Sessions = typeof import('../../../src/replay/engine-session.ts') &
  typeof import('../../../src/replay/reference-session.ts');

function witnessOf({ witness, name }: Plant, folder: string): Witness {
  const load = (): Promise<Sessions> => import(pathToFileURL(join(folder, 'dist', 'replay', `${witness}-session.js`)).href);
  return {
    name,
    start: async (job, onPacket) =>
      witness === 'reference'
        ? (await load()).referenceSession(job, { onPacket })
        : (await load()).engineSession(job, { onPacket, build: 'debug', hashKey: hashKeyOf(job) }),
  };
}
