/** Programs that are the same in several boxes: one tree for all of them, and not more than that. */
import { describe, expect, test } from 'vitest';
import { hostFirewall } from '../../bench/rules.ts';
import * as field from '../../src/abi/fields.ts';
import { NEXT_ACCEPT, NEXT_DROP } from '../../src/abi/program.ts';
import { Alike } from '../../src/compile/alike.ts';
import { Box } from '../../src/compile/box.ts';
import { compile } from '../../src/compile/index.ts';
import { END_HIT } from '../../src/compile/partial.ts';
import { fieldsOf, NO_DROPS, type Program } from '../../src/compile/steps.ts';
import { type CompiledTest, TestPool } from '../../src/compile/tests.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Test } from '../../src/model/predicate.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';

const pool = new TestPool();
const inRange = (at: number, low: number, high: number): CompiledTest =>
  pool.add({ kind: 'range', field: at, low, high, invert: false, onFail: 'miss' });
const port = inRange(field.FIELD_DPORT, 80, 90);
const whole = Box.whole(new Set());

/** Drops what passes these tests. */
function dropping(tests: readonly CompiledTest[], evaluations = 0): Program {
  const step = {
    kind: 'tests',
    index: 0,
    tests,
    fields: fieldsOf(tests),
    end: END_HIT,
    hit: { rope: 0, evaluations: 1, next: NEXT_DROP },
    miss: { rope: 0, evaluations: 1, next: NEXT_ACCEPT },
    drops: NO_DROPS,
    shared: false,
  } as const;
  return { start: { rope: 0, evaluations, next: step }, steps: [step] };
}

/** Whether what was kept for one is found for the other. */
function isOne([program, box]: [Program, Box], [other, otherBox]: [Program, Box]): boolean {
  const alike = new Alike<string>();
  expect(alike.once(program, box, () => 'first')).toBe('first');
  return alike.once(other, otherBox, () => 'second') === 'first';
}

describe('boxes', () => {
  const ports = (low: number, high: number): Box => whole.withRange(field.FIELD_DPORT, low, high);
  test.each([
    ['between their ends nothing begins or ends', ports(0, 100), ports(10, 200), true],
    ['one ends where the range does', ports(0, 90), ports(0, 91), false],
    ['both end within the range', ports(0, 85), ports(0, 86), true],
    ['both end with or within the range', ports(0, 89), ports(0, 90), true],
    ['one begins with the range', ports(80, 100), ports(79, 100), false],
    ['both begin within the range', ports(81, 100), ports(90, 100), true],
    ['they differ in what nobody asks', whole, whole.withRange(field.FIELD_SOURCE, 5, 5), true],
    ['small fields that nobody asks', whole, whole.withBits(field.FIELD_PROTOCOL, new Uint32Array(8).fill(1)), true],
  ])('%s', (_, one, other, is) => {
    expect(isOne([dropping([port]), one], [dropping([port]), other])).toBe(is);
  });

  test('small fields are compared value by value', () => {
    const protocols = (...words: number[]): Box =>
      whole.withBits(field.FIELD_PROTOCOL, Uint32Array.from({ ...words, length: 8 }));
    const tcp = dropping([inRange(field.FIELD_PROTOCOL, 6, 6)]);
    expect(isOne([tcp, protocols(0xff)], [tcp, protocols(0xff)])).toBe(true);
    expect(isOne([tcp, protocols(0xff)], [tcp, protocols(0xfe)])).toBe(false);
  });

  test('ranges of addresses of four words', () => {
    const range: Test = {
      kind: 'wordRange',
      field: field.FIELD_SOURCE,
      low: [1, 0, 0, 5],
      high: [1, 0, 0, 9],
      invert: false,
      onFail: 'miss',
    };
    const program = dropping([pool.add(range)]);
    const last = (low: number, high: number): Box => whole.withRange(field.FIELD_SOURCE + 3, low, high);
    expect(isOne([program, last(0, 20)], [program, last(0, 30)])).toBe(true);
    expect(isOne([program, last(0, 8)], [program, last(0, 9)])).toBe(false);
    expect(isOne([program, last(4, 20)], [program, last(5, 20)])).toBe(false);
  });
});

describe('programs', () => {
  test.each([
    ['the same tests', dropping([port]), true],
    ['other tests', dropping([inRange(field.FIELD_DPORT, 80, 91)]), false],
    ['more tests', dropping([port, inRange(field.FIELD_SPORT, 1, 2)]), false],
    ['rules that were passed before', dropping([port], 1), false],
  ])('%s', (_, other, is) => {
    expect(isOne([dropping([port]), whole], [other, whole])).toBe(is);
  });
});

/** Units of work (the same on every machine) that rules take. */
const workOf = (text: string): number => {
  const job = {
    rules: { 4: parseSave(text, { file: 'rules' }) },
    host: buildHost({ local: ['10.0.0.2'] }),
    profile: DEFAULT_PROFILE,
  };
  return compile(job).statistics.work;
};

describe('work', () => {
  test.each([
    // It was 4,286 when every box had a tree of its own.
    [20, 2500],
    // It was 34,890 when fewer than 128 rules in a row were no search.
    [100, 6000],
    // Of searches alone.
    [1000, 60_000],
  ])('a host firewall of %d rules', (rules, most) => {
    expect(workOf(hostFirewall(rules - 20))).toBeLessThan(most);
  });

  test('60 rules with lists of ports are searched by port: it was 235,552 for one tree', () => {
    const rules = Array.from({ length: 60 }, (_, rule) => {
      const ports = Array.from({ length: 12 }, (_, place) => (place * 5000 + rule * 61) % 65_536);
      return `-A INPUT -p tcp -m multiport --dports ${ports.join()} -j ${rule % 2 === 0 ? 'DROP' : 'ACCEPT'}`;
    });
    const text = ['*filter', ':INPUT ACCEPT [0:0]', ':FORWARD ACCEPT [0:0]', ':OUTPUT ACCEPT [0:0]', ...rules, 'COMMIT', ''];
    expect(workOf(text.join('\n'))).toBeLessThan(20_000);
  });
});
