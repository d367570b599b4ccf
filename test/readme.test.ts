/** The README says what is true: its support table is the registry's. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('the support table is that of the registry', () => {
  expect(() => execFileSync(process.execPath, ['scripts/support-table.mjs', '--check'], { stdio: 'pipe' })).not.toThrow();
});

it('npm start builds every engine that is published with the command', async () => {
  const ready = new URL('../scripts/ready.mjs', import.meta.url).href;
  const { COMMAND_ENGINES, ENGINES } = (await import(ready)) as { COMMAND_ENGINES: string[]; ENGINES: Record<string, string> };
  const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] };
  const published = files.filter((name) => name.endsWith('.wasm'));
  expect(COMMAND_ENGINES.map((target) => ENGINES[target])).toEqual(published);
  expect(readFileSync('scripts/start.mjs', 'utf8')).toContain('build(COMMAND_ENGINES)');
});
