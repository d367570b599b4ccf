/** Spoilt rules, as dumps, scripts and bare lines, repaired or not: a rule set that prints to itself and compiles, or errors with a place; and no work out of proportion. */
import { expect, test } from 'vitest';
import { compile, type Image } from '../../src/compile/index.ts';
import { readImage } from '../../src/engine/index.ts';
import { RuleError } from '../../src/model/errors.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Builtin, Family, RuleSet } from '../../src/model/ruleset.ts';
import { parseRulesAll, parseSave, printSave } from '../../src/syntax/index.ts';
import { rules } from './corpus.ts';
import { mutateText } from './mutate-text.ts';
import { LONG, rounds, SEED } from './rounds.ts';

console.log(`WASMTABLES_SEED=${SEED} repeats test/fuzz-bytes/rules.test.ts`);

const FILE = 'spoilt';

function checkErrors(text: string, errors: readonly unknown[]): void {
  const lines = text.split('\n');
  for (const error of errors) {
    if (!(error instanceof RuleError)) throw new Error('not a rule error', { cause: error });
    const { file, line, column } = error.position;
    expect(file).toBe(FILE);
    expect(line >= 1 && line <= lines.length + 1, `line ${line} of ${lines.length}: ${error.message}`).toBe(true);
    const length = lines[line - 1]?.length ?? 0;
    expect(column >= 1 && column <= length + 1, `column ${column} of ${length} in line ${line}: ${error.message}`).toBe(true);
    expect(error.message).not.toMatch(/undefined|NaN|\[object/);
    expect(error.format()).toMatch(/^spoilt:\d+:\d+: ./);
  }
}

/** A rule set without places and without what iptables-save never prints: addresses of /0, interfaces of any name. */
function meaning({ family, tables }: RuleSet): unknown {
  const any = (match: Builtin['source']): boolean =>
    match !== undefined && !match.invert && match.mask.every((word) => word === 0);
  return {
    family,
    tables: tables.map(({ name, chains }) => ({
      name,
      chains: chains.map(({ name: chain, policy, rules: list }) => ({
        chain,
        policy,
        rules: list.map(({ builtin, matches, target }) => ({
          builtin: Object.fromEntries(
            Object.entries(builtin).filter(
              ([key, value]) => !(key === 'source' || key === 'destination' ? any(value) : value?.pattern === '+'),
            ),
          ),
          matches: matches.map(({ position: _, ...match }) => match),
          target: target === null ? null : { ...target, position: undefined },
        })),
      })),
    })),
  };
}

/** What iptables-save prints of a cluster's node above the sixth (a mask above 32), iptables-restore refuses. */
const hasFarNode = ({ tables }: RuleSet): boolean =>
  tables.some(({ chains }) =>
    chains.some(({ rules: list }) =>
      list.some(({ matches }) =>
        matches.some(({ name, options }) => name === 'cluster' && (options as { mask: number }).mask > 32),
      ),
    ),
  );

function checkPrinting(ruleset: RuleSet, unsupported: 'refuse' | 'assume-miss' | 'assume-hit'): void {
  const printed = printSave(ruleset, { counters: false });
  // A quote that is left open takes the newline into its argument; what iptables-save makes of it iptables-restore cannot load either.
  const text = JSON.stringify(meaning(ruleset), (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  if (text.includes('\\n') || hasFarNode(ruleset)) return;
  const again = parseSave(printed, { file: 'printed', family: ruleset.family, unsupported });
  expect(meaning(again)).toEqual(meaning(ruleset));
  expect(printSave(again, { counters: false })).toBe(printed);
}

function checkCompiling(family: Family, ruleset: RuleSet): void {
  const image: Image = compile({ rules: { [family]: ruleset }, host: buildHost({}), profile: DEFAULT_PROFILE }, { effort: 0.01 });
  readImage(image.bytes);
}

test(
  'a rule set that prints to itself, or errors with their places',
  async () => {
    let read = 0;
    let refused = 0;
    await rounds('rules', 1500, (random, keep) => {
      const text = mutateText(random.pick(rules).text, random.pick(rules).text, random);
      keep(text, 'rules');
      for (const repair of [false, true]) {
        const unsupported = random.pick(['refuse', 'assume-miss', 'assume-hit'] as const);
        const { result, errors } = parseRulesAll(text, { file: FILE, repair, unsupported });
        checkErrors(text, errors);
        expect(result === undefined).toBe(errors.length > 0);
        if (result === undefined) {
          refused++;
          continue;
        }
        read++;
        for (const family of [4, 6] as const) {
          const ruleset = result[family];
          if (ruleset === undefined) continue;
          checkPrinting(ruleset, unsupported);
          if (random.below(20) === 0) checkCompiling(family, ruleset);
        }
      }
    });
    expect(read).toBeGreaterThan(300);
    expect(refused).toBeGreaterThan(300);
  },
  LONG,
);
