/** The README says what is true: its support table is the registry's. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('the support table is that of the registry', () => {
  expect(() => execFileSync(process.execPath, ['scripts/support-table.mjs', '--check'], { stdio: 'pipe' })).not.toThrow();
});
