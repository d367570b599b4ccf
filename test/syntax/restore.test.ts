import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseSaveAll, printSave } from '../../src/syntax/index.ts';
import { type RealResult, realTool, restoreReally, sortTables } from './real.ts';
import { RESTORE_CASES } from './restore-cases.ts';

const GOLDEN = new URL('./restore-cases.golden.json', import.meta.url);
const golden: Record<string, RealResult> = existsSync(GOLDEN) ? JSON.parse(readFileSync(GOLDEN, 'utf8')) : {};

/** Tables a kernel shows only because they were touched; ours holds what the dump names, which is the same. */
function ours(text: string, family: 4 | 6): { saved?: string; line?: number; message?: string } {
  const { ruleset, errors } = parseSaveAll(text, { file: 'case', family });
  if (ruleset !== undefined) return { saved: sortTables(printSave(ruleset, { counters: false })) };
  const [error] = errors;
  return { ...(error === undefined ? {} : { line: error.position.line, message: error.message }) };
}

if (process.env.RECORD !== undefined) {
  const recorded = Object.fromEntries(RESTORE_CASES.map(({ name, text, family }) => [name, restoreReally(text, family)]));
  writeFileSync(GOLDEN, `${JSON.stringify(recorded, undefined, 1)}\n`);
  Object.assign(golden, recorded);
}

/** Where the kernel refuses the table as a whole, the tool can only name COMMIT's line; we name the rule. */
function atCommit(text: string, real: RealResult): boolean {
  return real.line !== undefined && text.split('\n')[real.line - 1] === 'COMMIT' && /line \d+ failed/.test(real.message ?? '');
}

describe('dumps and rules as iptables-legacy-restore 1.8.9 takes them', () => {
  for (const { name, text, family } of RESTORE_CASES) {
    it(name, () => {
      const real = golden[name];
      const result = ours(text, family);
      expect(real, 'recorded').toBeDefined();
      if (real === undefined) return;
      if (real.saved !== undefined) expect(result).toEqual({ saved: real.saved });
      else {
        expect(result.saved, real.message).toBeUndefined();
        if (real.line !== undefined && !atCommit(text, real))
          expect(result.line, `${result.message} / ${real.message}`).toBe(real.line);
      }
    });
  }
});

describe.skipIf(!realTool)('the recorded results are what the tool on this machine does', () => {
  it('for all cases', () => {
    for (const { name, text, family } of RESTORE_CASES) {
      const real = restoreReally(text, family);
      expect({ name, saved: real.saved }).toEqual({ name, saved: golden[name]?.saved });
    }
  }, 300_000);
});
