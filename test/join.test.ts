/** scripts/join.mjs: programs in one file each behave as their modules do. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const { joinPrograms } = (await import(new URL('../scripts/join.mjs', import.meta.url).href)) as {
  joinPrograms: (dist: string, entries: readonly string[]) => void;
};

let folder = '';
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(modules: Readonly<Record<string, string>>): string {
  folder = mkdtempSync(join(tmpdir(), 'wasmtables-join-'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [path, text] of Object.entries(modules)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

const PROGRAM = {
  'model/fault.js':
    '/** A class two files know. */\nexport class Fault extends Error {\n}\nexport const where = import.meta.url;\n',
  'model/index.js': "export { Fault, where as place, } from './fault.js';\nexport * as fault from './fault.js';\n",
  'model/words.js': "const hidden = 'a';\nexport { hidden as word };\nexport async function* letters() {\n    yield hidden;\n}\n",
  'cli/main.js': [
    "import { basename as last } from 'node:path';",
    "import { Fault, place } from '../model/index.js';",
    "import * as words from '../model/words.js';",
    'export async function main() {',
    "    const { late, later } = await import('./late.js');",
    '    const read = [];',
    '    for await (const letter of words.letters()) read.push(letter);',
    '    return [late(Fault), later(), words.word, ...read, last(place)];',
    '}',
    "export const thread = new URL('./thread.js', import.meta.url).href;",
    '',
  ].join('\n'),
  'cli/late.js': [
    "import { Fault } from '../model/fault.js';",
    "import { deep } from './deep.js';",
    'export const late = (other) => new Fault() instanceof other;',
    'export const later = () => deep;',
    '',
  ].join('\n'),
  'cli/deep.js': 'export const deep = 7;\n',
  'cli/thread.js': "const module = await import('./deep.js');\nexport const done = module.deep;\n",
};

describe('joined programs', () => {
  it('do what the modules do, with one class of each name', async () => {
    const dist = write(PROGRAM);
    joinPrograms(dist, ['cli/main.js', 'cli/thread.js']);
    const load = async (path: string) => (await import(pathToFileURL(join(dist, path)).href)) as Record<string, () => unknown>;
    const [joined, plain] = [await load('joined/main.js'), await load('cli/main.js')];
    expect(Object.keys(joined).filter((name) => name !== 'modules$')).toEqual(Object.keys(plain).sort());
    expect(await joined.main!()).toEqual([true, 7, 'a', 'a', 'fault.js']);
    expect(await plain.main!()).toEqual([true, 7, 'a', 'a', 'fault.js']);
    expect(joined.thread).toBe(pathToFileURL(join(dist, 'joined/thread.js')).href);
    expect(readFileSync(join(dist, 'joined/main.js'), 'utf8')).not.toContain('instanceof other');
  });

  it.each([
    [
      'a circle of imports',
      { 'a.js': "import { b } from './b.js';\n", 'b.js': "import { a } from './a.js';\n" },
      'a.js > b.js > a.js',
    ],
    ['a variable that is exported', { 'a.js': 'export let a = 1;\n' }, 'export let a = 1;'],
    ['a default export', { 'a.js': 'export default 1;\n' }, 'export default 1;'],
  ])('%s is refused', (_, modules, told) => {
    const dist = write(modules);
    expect(() => joinPrograms(dist, ['a.js'])).toThrow(told);
  });
});
