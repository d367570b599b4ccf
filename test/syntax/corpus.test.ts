import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RuleError } from '../../src/model/errors.ts';
import type { Family, RuleSet } from '../../src/model/ruleset.ts';
import { guessFamily, parseSaveAll, printSave } from '../../src/syntax/index.ts';
import { realTool, restoreReally, sortTables } from './real.ts';

const ROOT = process.env.WASMTABLES_RULESETS ?? '/work/shared/rulesets';

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return filesBelow(path);
    return name.endsWith('README.md') ? [] : [path];
  });
}

/** Reads as much as is supported: lines with an extension we do not have are taken out, for us and for the real tool. */
function withoutUnsupported(
  text: string,
  family: Family,
): { text: string; ruleset: RuleSet | undefined; errors: RuleError[]; gone: Set<string> } {
  let lines = text.split('\n');
  const gone = new Set<string>();
  for (;;) {
    const now = lines.join('\n');
    const { ruleset, errors } = parseSaveAll(now, { file: 'rules', family });
    const missing = errors.filter((error) => error.kind === 'unsupported');
    if (missing.length === 0) return { text: now, ruleset, errors, gone };
    for (const { message } of missing) gone.add(/"(.*)"/.exec(message)?.[1] ?? message);
    const bad = new Set(missing.map((error) => error.position.line));
    lines = lines.map((line, i) => (bad.has(i + 1) ? '# taken out' : line));
  }
}

describe.skipIf(!realTool || !existsSync(ROOT))(
  'real rule sets: loaded where iptables-legacy-restore loads them, printed as it prints them',
  () => {
    for (const path of filesBelow(ROOT)) {
      it(path.slice(ROOT.length + 1), ({ annotate }) => {
        const whole = readFileSync(path, 'utf8');
        const family = guessFamily(whole) ?? 4;
        const { text, ruleset, errors, gone } = withoutUnsupported(whole, family);
        if (gone.size > 0) annotate(`without: ${[...gone].sort().join(', ')}`);
        const real = restoreReally(text, family);
        if (real.saved === undefined) {
          expect(ruleset, real.message).toBeUndefined();
          expect(errors[0]?.position.line, `${errors[0]?.format()} / ${real.message}`).toBe(real.line);
          return;
        }
        expect(errors.map((error) => error.format())).toEqual([]);
        expect(ruleset && sortTables(printSave(ruleset, { counters: false }))).toBe(real.saved);
      }, 120_000);

      it(`${path.slice(ROOT.length + 1)}, with what is not supported assumed`, () => {
        const whole = readFileSync(path, 'utf8');
        const family = guessFamily(whole) ?? 4;
        const { errors } = withoutUnsupported(whole, family);
        const assumed = parseSaveAll(whole, { file: 'rules', family, unsupported: 'assume-miss' });
        if (errors.length === 0) {
          expect(assumed.errors.map((error) => error.format())).toEqual([]);
          const printed = printSave(assumed.ruleset as RuleSet, { counters: false });
          const again = parseSaveAll(printed, { file: 'again', family, unsupported: 'assume-miss' });
          expect(printSave(again.ruleset as RuleSet, { counters: false })).toBe(printed);
        } else expect(assumed.ruleset).toBeUndefined();
      });
    }
  },
);
