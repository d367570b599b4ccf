/** bin/load.js: a program with the code that V8 kept of it, and without. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

const { codeOf, load } = createRequire(import.meta.url)('../../bin/load.js') as {
  codeOf(file: string): string;
  load(file: string): Loaded;
};
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmtables-load-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file in the folder, its code in `kept` beside it. */
function program(name: string, answer: string, kept?: Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(
    file,
    `exports.answer = () => ${answer};\nexports.other = () => require('./other.cjs').number;\nexports.self = module;\n`,
  );
  if (kept !== undefined) writeFileSync(codeOf(file), kept);
  return file;
}

test('without code it is compiled, and kept code is taken', () => {
  const first = load(program('first.cjs', '41 + 1'));
  expect(first.exports.answer()).toBe(42);
  expect(first.script.cachedDataRejected).toBeUndefined();
  const second = load(program('second.cjs', '41 + 1', first.script.createCachedData()));
  expect(second.script.cachedDataRejected).toBe(false);
  expect(second.exports.answer()).toBe(42);
});

test.each([
  ['nothing', new Uint8Array(0)],
  ['something else', new Uint8Array(5000).fill(7)],
])('a file of code that holds %s only means that V8 compiles', (_, kept) => {
  const { script, exports: loaded } = load(program(`${kept.length}.cjs`, '43', kept));
  expect(script.cachedDataRejected).toBe(true);
  expect(loaded.answer()).toBe(43);
});

test('code of a text of another length is refused', () => {
  const { script } = load(program('short.cjs', '1'));
  const { script: other, exports: loaded } = load(program('long.cjs', '1 + 1', script.createCachedData()));
  expect(other.cachedDataRejected).toBe(true);
  expect(loaded.answer()).toBe(2);
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
