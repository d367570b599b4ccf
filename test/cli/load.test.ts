/** bin/load.js: a program with the code that V8 kept of it, and without. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Script } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from './command.ts';

interface Loaded {
  script: Script;
  exports: { answer(): number; other(): number; self: unknown };
}

const { codeOf, keptOf, load } = createRequire(import.meta.url)('../../bin/load.js') as {
  codeOf(file: string): string;
  keptOf(code: Uint8Array, text: Uint8Array): Uint8Array;
  load(file: string): Loaded;
};
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmtables-load-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const textOf = (answer: string): string =>
  `exports.answer = () => ${answer};\nexports.other = () => require('./other.cjs').number;\nexports.self = module;\n`;

/** A file in the folder, and beside it what was `kept`. */
function program(name: string, answer: string, kept?: Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, textOf(answer));
  if (kept !== undefined) writeFileSync(codeOf(file), kept);
  return file;
}

/** The code that V8 made of the program with an answer, and the text of one that is said to be it. */
function codeFor(answer: string, said: string): Uint8Array {
  const { script, exports: loaded } = load(program('made.cjs', answer));
  loaded.answer();
  return keptOf(script.createCachedData(), Buffer.from(textOf(said)));
}

test('without code it is compiled, and kept code is taken', () => {
  const first = load(program('first.cjs', '41 + 1'));
  expect(first.exports.answer()).toBe(42);
  expect(first.script.cachedDataRejected).toBeUndefined();
  const second = load(program('second.cjs', '41 + 1', codeFor('41 + 1', '41 + 1')));
  expect(second.script.cachedDataRejected).toBe(false);
  expect(second.exports.answer()).toBe(42);
});

test('code of another text is not taken, of the same length either', () => {
  // V8 would run it.
  const { script, exports: fooled } = load(program('fooled.cjs', '2', codeFor('1', '2')));
  expect([script.cachedDataRejected, fooled.answer()]).toEqual([false, 1]);
  const { script: other, exports: loaded } = load(program('two.cjs', '2', codeFor('1', '1')));
  expect([other.cachedDataRejected, loaded.answer()]).toEqual([undefined, 2]);
  expect(load(program('long.cjs', '1 + 1', codeFor('1', '1'))).exports.answer()).toBe(2);
});

test.each([
  ['nothing', (): Uint8Array => new Uint8Array(0), undefined],
  ['something else', () => new Uint8Array(5000).fill(7), undefined],
  ['the text alone', () => Buffer.from(textOf('43')), undefined],
  ['the text behind something else', () => keptOf(new Uint8Array(5000).fill(7), Buffer.from(textOf('43'))), true],
])('a file of code that holds %s only means that V8 compiles', (name, kept, rejected) => {
  const { script, exports: loaded } = load(program(`${name}.cjs`, '43', kept()));
  expect(script.cachedDataRejected).toBe(rejected);
  expect(loaded.answer()).toBe(43);
});

test('files it requires are beside it, and may require it back', () => {
  writeFileSync(join(folder, 'other.cjs'), "exports.number = require('./round.cjs').self.exports.answer() + 1;\n");
  expect(load(program('round.cjs', '44')).exports.other()).toBe(45);
});

test('what the build kept of the command is taken', () => {
  const file = join(ROOT, 'dist/joined/main.js');
  expect(existsSync(codeOf(file))).toBe(true);
  const says = `console.log(require('${ROOT}bin/load.js').load('${file}').script.cachedDataRejected)`;
  expect(execFileSync(process.execPath, ['-e', says], { encoding: 'utf8' })).toBe('false\n');
});

test('all that the command needs at once is in the file whose code is kept', () => {
  // A file beside it would be compiled anew every time: 13 ms when it had what reads rules (scripts/bundle.config.mjs).
  const text = readFileSync(join(ROOT, 'dist/joined/main.js'), 'latin1');
  expect(text.match(/^(?:const|let|var) .* require\("\.\/.*$/gm)).toBeNull();
  expect(text).toMatch(/=> require\("\.\/fuzz-run/);
});
