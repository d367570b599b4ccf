/** What the kernel refuses because of rules that were loaded before (estimators of rates, tables of hashlimit): the running kernel judges each rule set. */
import { expect, test } from 'vitest';
import { checkLoadedBefore } from '../../src/extensions/loaded-before.ts';
import { runKernel } from '../../src/kernel/index.ts';
import { RuleError } from '../../src/model/errors.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { describeKernel } from './machine.ts';

const line = (rule: string): string => `-A FORWARD ${rule}`;
const made = (name: string, interval = '8s'): string =>
  `-j RATEEST --rateest-name ${name} --rateest-interval ${interval} --rateest-ewmalog 20s`;
const asked = (name: string): string => `-m rateest --rateest ${name} --rateest-bps 8bit --rateest-lt`;
const limited = (name: string, kind?: 'windows'): string =>
  `-m hashlimit --hashlimit-above 5/s --hashlimit-name ${name}${kind === undefined ? '' : ' --hashlimit-rate-match'}`;
const table = (name: string, ...lines: string[]): string => [`*${name}`, ...lines, 'COMMIT\n'].join('\n');

/** IPv4 rules, and IPv6 rules loaded behind them. */
const LOADED: readonly (readonly [name: string, rules: string, rules6?: string])[] = [
  ['made before it is asked', table('filter', line(made('a')), line(asked('a')))],
  ['asked before it is made', table('filter', line(asked('a')), line(made('a')))],
  ['asked by the rule that makes it', table('filter', line(`${asked('a')} ${made('a')}`))],
  ['never made', table('filter', line(asked('a')))],
  ['made in an earlier table', table('mangle', line(made('a'))) + table('filter', line(asked('a')))],
  ['made in a later table', table('filter', line(asked('a'))) + table('mangle', line(made('a')))],
  ['made in a chain that comes first, by a rule that comes last', table('filter', line(asked('a')), `-A INPUT ${made('a')}`)],
  ['made in a chain that comes last, by a rule that comes first', table('filter', `-A OUTPUT ${made('a')}`, line(asked('a')))],
  ['made in a user chain, asked in an earlier one', table('filter', ':x -', ':b -', `-A x ${made('a')}`, `-A b ${asked('a')}`)],
  ['made in a user chain, asked in a later one', table('filter', ':x -', ':b -', `-A b ${made('a')}`, `-A x ${asked('a')}`)],
  ['made twice alike', table('filter', line(made('a')), line(made('a', '7s')))],
  ['made twice, not alike', table('filter', line(made('a')), line(made('a', '2s')))],
  [
    'the second of two is not there',
    table('filter', line(made('a')), line('-m rateest --rateest1 a --rateest-bps --rateest-lt --rateest2 b')),
  ],
  ['made by the other family', table('filter', line(made('a'))), table('filter', line(asked('a')))],
  ['made by the other family, not alike', table('filter', line(made('a'))), table('filter', line(made('a', '1s')))],
  ['a table of hashlimit with windows, and another', table('filter', line(limited('h', 'windows')), line(limited('g')))],
  ['windows and none in one table', table('filter', line(limited('h', 'windows')), line(limited('h')))],
  ['none and windows in one table', table('filter', line(limited('h')), line(limited('h', 'windows')))],
  ['the same from two tables of rules', table('mangle', line(limited('h'))) + table('filter', line(limited('h', 'windows')))],
  [
    'windows of different lengths',
    table('filter', line(limited('h', 'windows')), line(`${limited('h', 'windows')} --hashlimit-rate-interval 7`)),
  ],
  ['tables of two families', table('filter', line(limited('h'))), table('filter', line(limited('h', 'windows')))],
];

describeKernel('state that rules share by name', () => {
  for (const backend of ['legacy', 'nft'] as const) {
    test(`what is loaded and what is refused, ${backend}`, { timeout: 120_000 }, async () => {
      const wrong: string[] = [];
      for (const [name, rules, rulesOther] of LOADED) {
        const job = { backend, family: 4 as const, rules, topology: 'forward' as const, frames: [], trace: false };
        const outcome = await runKernel(rulesOther === undefined ? job : { ...job, rulesOther });
        const ours = refusal([rules, rulesOther], backend) === undefined;
        const theirs = outcome.refused === undefined;
        if (ours !== theirs) wrong.push(`${name}: the kernel ${theirs ? 'takes' : 'refuses'} it, we do not`);
      }
      expect(wrong).toEqual([]);
    });
  }
});

function refusal(texts: readonly (string | undefined)[], backend: 'legacy' | 'nft'): string | undefined {
  try {
    const rulesets = texts.flatMap((text, i) =>
      text === undefined ? [] : [parseSave(text, { file: 'rules', family: (i === 0 ? 4 : 6) as Family, backend })],
    );
    checkLoadedBefore(rulesets, backend);
    return undefined;
  } catch (error) {
    if (error instanceof RuleError) return error.message;
    throw error;
  }
}
