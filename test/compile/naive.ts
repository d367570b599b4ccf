/** The judge of the compile tests: rules one by one, as ip_tables.c walks them, in the plainest way. */
import { CT_UNTRACKED, FIELD_CT_STATE, FIELD_CT_STATUS, FIELD_MARK } from '../../src/abi/fields.ts';
import { SPECIAL_LIMIT } from '../../src/abi/special.ts';
import { creditsPerJiffy } from '../../src/compile/image.ts';
import type { PlainTable } from '../../src/compile/plain.ts';
import type { Test } from '../../src/model/predicate.ts';

export interface NaiveCounters {
  rules: number[][];
  policies: number[];
  evaluations: number;
}

export interface NaiveResult {
  verdict: 'ACCEPT' | 'DROP' | 'REJECT' | 'HOTDROP';
  path: string[];
}

const CREDITS = creditsPerJiffy(250);

export class Naive {
  readonly counters: NaiveCounters;
  private readonly table: PlainTable;
  private readonly limits = new Map<Test, { credits: number; at: bigint }>();

  constructor(table: PlainTable) {
    this.table = table;
    this.counters = {
      rules: table.chains.map(({ rules }) => rules.map(() => 0)),
      policies: table.chains.map(() => 0),
      evaluations: 0,
    };
  }

  walk(base: string, fields: Uint32Array, jiffies: bigint): NaiveResult {
    const { chains } = this.table;
    const baseIndex = chains.findIndex(({ name }) => name === base);
    const stack: [number, number][] = [];
    const path: string[] = [];
    let chain = baseIndex;
    let rule = 0;
    const leave = (): void => {
      [chain, rule] = stack.pop() ?? [baseIndex, chains[baseIndex]!.rules.length];
    };
    for (;;) {
      const current = chains[chain]!;
      const at = current.rules[rule];
      const line = (word: string): void => void path.push(`${this.table.name}:${current.name}:${word}:${rule + 1}`);
      if (at === undefined) {
        line(current.policy === null ? 'return' : 'policy');
        if (current.policy !== null) {
          this.counters.policies[chain]!++;
          return { verdict: current.policy, path };
        }
        leave();
        continue;
      }
      this.counters.evaluations++;
      const outcome = this.matches(at.tests, fields, jiffies);
      if (outcome === 'hotdrop') return { verdict: 'HOTDROP', path };
      if (!outcome) {
        rule++;
        continue;
      }
      this.counters.rules[chain]![rule]!++;
      line(at.bare ? (current.policy === null ? 'return' : 'policy') : 'rule');
      const { action } = at;
      rule++;
      if (action.kind === 'verdict') return { verdict: action.verdict === 'RESET' ? 'REJECT' : action.verdict, path };
      if (action.kind === 'return') leave();
      if (action.kind === 'jump') stack.push([chain, rule]);
      if (action.kind === 'jump' || action.kind === 'goto') {
        chain = chains.findIndex(({ name }) => name === action.chain);
        rule = 0;
      }
      if (action.kind === 'effect' || action.kind === 'nat') throw new Error('this interpreter has no connections');
      if (action.kind === 'mark') fields[FIELD_MARK] = (fields[FIELD_MARK]! & ~action.mask) ^ action.value;
      if (action.kind === 'notrack' && fields[FIELD_CT_STATUS]! >>> 31 === 0) {
        fields[FIELD_CT_STATE] = CT_UNTRACKED;
      }
    }
  }

  private matches(tests: readonly Test[], fields: Uint32Array, jiffies: bigint): boolean | 'hotdrop' {
    for (const test of tests) {
      const holds = this.holds(test, fields, jiffies);
      if (!holds) return 'onFail' in test && test.onFail === 'hotdrop' ? 'hotdrop' : false;
    }
    return true;
  }

  private holds(test: Test, fields: Uint32Array, jiffies: bigint): boolean {
    const number = (field: number): number => fields[field]!;
    switch (test.kind) {
      case 'constant':
        return test.value;
      case 'range':
        return (number(test.field) >= test.low && number(test.field) <= test.high) !== test.invert;
      case 'mask':
        return ((number(test.field) & test.mask) >>> 0 === test.value >>> 0) !== test.invert;
      case 'ranges': {
        const any = test.fields.some((field) => test.ranges.some(([low, high]) => number(field) >= low && number(field) <= high));
        return any !== test.invert;
      }
      case 'words': {
        const all = test.mask.every((mask, index) => (number(test.field + index) & mask) >>> 0 === test.value[index]! >>> 0);
        return all !== test.invert;
      }
      case 'wordRange': {
        const big = (words: readonly number[]): bigint => words.reduce((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n);
        const value = big(test.low.map((_, index) => number(test.field + index)));
        return (value >= big(test.low) && value <= big(test.high)) !== test.invert;
      }
      case 'special':
        if (test.code !== SPECIAL_LIMIT) throw new Error('the naive evaluator knows limit only');
        return this.limit(test, jiffies);
    }
  }

  private limit(test: Test & { kind: 'special' }, jiffies: bigint): boolean {
    const [cost, cap] = test.parameters as [number, number];
    const state = this.limits.get(test) ?? { credits: cap, at: jiffies };
    this.limits.set(test, state);
    const grown = (state.credits + Number(BigInt.asUintN(32, (jiffies - state.at) * BigInt(CREDITS)))) >>> 0;
    state.credits = Math.min(grown, cap);
    state.at = jiffies;
    if (state.credits < cost) return false;
    state.credits -= cost;
    return true;
  }
}
