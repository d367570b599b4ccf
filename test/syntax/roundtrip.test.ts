/** Rules printed and read again are the same rules. */
import { describe, expect, it } from 'vitest';
import type { RuleSet } from '../../src/model/ruleset.ts';
import { parseSaveAll, printSave } from '../../src/syntax/index.ts';
import { SEED } from '../seed.ts';
import { dumpOf, randomRule, seeded } from './random.ts';
import { type RealResult, realTool, restoreReally, sortTables } from './real.ts';

/** Loads what this machine's kernel has modules for: the tool warns of the others, and the kernel refuses them; and nothing that names what must be there first: objects of `nfacct`, estimators of rates, control groups by path. */
function restoreWhatIsThere(
  table: string,
  given: readonly string[],
  family: 4 | 6,
): { dump: string; real: RealResult; left: number } {
  const rules = given.filter((text) => !/ -m (nfacct|rateest) | --path /.test(text));
  const dump = dumpOf(table, rules);
  const real = restoreReally(dump, family);
  const missing = [...(real.message ?? '').matchAll(/Extension (\S+) revision \d+ not supported, missing kernel module/g)].map(
    ([, name]) => name!,
  );
  if (real.saved !== undefined || missing.length === 0) return { dump, real, left: rules.length };
  const uses = (text: string): boolean => missing.some((name) => text.includes(` -m ${name} `) || text.includes(` -j ${name}`));
  return restoreWhatIsThere(
    table,
    rules.filter((text) => !uses(text)),
    family,
  );
}

const RULES = 1500;

/** What of a rule set does not depend on where it was written. */
function bare(ruleset: RuleSet): unknown {
  return ruleset.tables.map((table) => ({
    name: table.name,
    chains: table.chains.map((chain) => ({
      name: chain.name,
      policy: chain.policy,
      rules: chain.rules.map(({ builtin, matches, target }) => ({
        builtin: { ...builtin, inInterface: visible(builtin.inInterface), outInterface: visible(builtin.outInterface) },
        matches: matches.map(({ name, options }) => ({ name, options: printed(name, options) })),
        target: target === null ? null : { ...target, position: undefined },
      })),
    })),
  }));
}

/** iptables-save does not print a range of all ports, or of all fragment identifications or segments left, not even an inverted one, no authentication header of length 0, and no upper bound of connbytes that is 0. */
function printed(name: string, options: unknown): unknown {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return options;
  const all = name === 'frag' || name === 'ah' || name === 'rt' ? [0xffff, 0xffffffff] : [0xffff];
  return Object.fromEntries(
    Object.entries(options).filter(
      ([key, value]) =>
        !(value?.low === 0 && all.includes(value?.high)) &&
        !(name === 'ah' && value?.bytes === 0) &&
        !(name === 'connbytes' && key === 'to' && (value === 0n || value === 2n ** 64n - 1n)),
    ),
  );
}

/** iptables-save does not print `-i +`. */
function visible<T extends { pattern: string }>(part: T | undefined): T | undefined {
  return part?.pattern === '+' ? undefined : part;
}

describe(`random rules (WASMTABLES_SEED=${SEED})`, () => {
  for (const family of [4, 6] as const) {
    it(`parse(print(x)) is x, IPv${family}`, () => {
      const draw = seeded(SEED + family);
      let accepted = 0;
      for (let i = 0; i < RULES; i++) {
        const { table, text } = randomRule(draw, family);
        const { ruleset } = parseSaveAll(dumpOf(table, [text]), { file: 'a', family });
        if (ruleset === undefined) continue;
        accepted++;
        const printed = printSave(ruleset, { counters: false });
        // How both rates are compared is printed twice, and refused then.
        if (/--rateest-bps.*--rateest-pps/.test(printed)) continue;
        const again = parseSaveAll(printed, { file: 'b', family });
        expect(
          again.errors.map((error) => error.format()),
          text,
        ).toEqual([]);
        if (again.ruleset === undefined) continue;
        expect(bare(again.ruleset), text).toEqual(bare(ruleset));
        expect(printSave(again.ruleset, { counters: false }), text).toBe(printed);
      }
      expect(accepted).toBeGreaterThan(RULES / 4);
    });
  }

  for (const family of [4, 6] as const) {
    it.skipIf(!realTool)(
      `the real tool takes and prints what we do, IPv${family}`,
      () => {
        const draw = seeded(SEED + 10 + family);
        const accepted: Record<string, string[]> = { raw: [], mangle: [], filter: [] };
        const refused: { table: string; text: string }[] = [];
        for (let i = 0; i < RULES; i++) {
          const { table, text } = randomRule(draw, family);
          const { ruleset } = parseSaveAll(dumpOf(table, [text]), { file: 'a', family });
          if (ruleset === undefined) refused.push({ table, text });
          else if (!text.includes('-A u1')) accepted[table]?.push(text);
        }
        for (const [table, rules] of Object.entries(accepted)) {
          const { dump, real, left } = restoreWhatIsThere(table, rules, family);
          expect(left, `rules of ${table} that this kernel has modules for`).toBeGreaterThan(0.8 * rules.length);
          const line = real.line === undefined ? '' : dump.split('\n')[real.line - 1];
          expect(real.saved, `${real.message} ${line}`).toBeDefined();
          const { ruleset } = parseSaveAll(dump, { file: 'a', family });
          expect(ruleset && sortTables(printSave(ruleset, { counters: false }))).toBe(real.saved);
        }
        for (const { table, text } of refused.slice(0, 150)) {
          expect(restoreReally(dumpOf(table, [text]), family).saved, text).toBeUndefined();
        }
      },
      120_000,
    );
  }
});

it('a chain of more rules than a call has room for is printed', () => {
  const { ruleset } = parseSaveAll('*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n', { file: 'long', family: 4 });
  const [table] = ruleset!.tables;
  const rules = new Array(300_000).fill(table!.chains[0]!.rules[0]!);
  const long = { ...ruleset!, tables: [{ ...table!, chains: [{ ...table!.chains[0]!, rules }] }] };
  expect(
    printSave(long, { counters: false })
      .split('\n')
      .filter((line) => line === '-A INPUT -j DROP').length,
  ).toBe(300_000);
});
