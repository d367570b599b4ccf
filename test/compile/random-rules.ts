/** Random tables and packets over small pools, so that they collide. */
import fc from 'fast-check';
import * as field from '../../src/abi/fields.ts';
import { FIELD_COUNT } from '../../src/abi/fields.ts';
import { SPECIAL_LIMIT } from '../../src/abi/special.ts';
import type { PlainChain, PlainRule, PlainTable } from '../../src/compile/plain.ts';
import type { Action, OnFail, Test } from '../../src/model/predicate.ts';

const WIDE = [
  field.FIELD_SPORT,
  field.FIELD_DPORT,
  field.FIELD_LENGTH,
  field.FIELD_SOURCE,
  field.FIELD_DESTINATION + 3,
  field.FIELD_MAC_LOW,
  field.FIELD_FRAGMENT,
  field.FIELD_L4_LENGTH,
];
const SMALL = [field.FIELD_PROTOCOL, field.FIELD_TCP_FLAGS, field.FIELD_CT_STATE, field.FIELD_TTL];
const VALUES = [0, 1, 2, 5, 6, 17, 22, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const SMALL_VALUES = [0, 1, 2, 3, 4, 6, 7];

const onFail = fc.constantFrom<OnFail>('miss', 'miss', 'miss', 'hotdrop');
const invert = fc.boolean();
const range = (values: readonly number[]): fc.Arbitrary<[number, number]> =>
  fc
    .tuple(fc.constantFrom(...values), fc.constantFrom(...values))
    .map(([one, other]) => [Math.min(one, other), Math.max(one, other)]);
const masks = fc.constantFrom(0, 1, 0xff, 0xffff0000, 0xfffffffe, 0xffffffff, 0x80000000);

const wideTest: fc.Arbitrary<Test> = fc
  .tuple(fc.constantFrom(...WIDE), range(VALUES), invert, onFail)
  .map(([at, [low, high], inverted, fail]) => ({ kind: 'range', field: at, low, high, invert: inverted, onFail: fail }));
const smallTest: fc.Arbitrary<Test> = fc
  .tuple(fc.constantFrom(...SMALL), range(SMALL_VALUES), invert, onFail)
  .map(([at, [low, high], inverted, fail]) => ({ kind: 'range', field: at, low, high, invert: inverted, onFail: fail }));
const maskTest: fc.Arbitrary<Test> = fc
  .tuple(
    fc.constantFrom(...WIDE, ...SMALL, field.FIELD_MARK, field.FIELD_CT_STATUS),
    masks,
    fc.constantFrom(...VALUES),
    invert,
    onFail,
  )
  .map(([at, mask, value, inverted, fail]) => ({
    kind: 'mask',
    field: at,
    mask,
    value: (value & mask) >>> 0,
    invert: inverted,
    onFail: fail,
  }));
const rangesTest: fc.Arbitrary<Test> = fc
  .tuple(fc.array(range(VALUES), { minLength: 1, maxLength: 4 }), invert, onFail)
  .map(([ranges, inverted, fail]) => ({
    kind: 'ranges',
    fields: [field.FIELD_SPORT, field.FIELD_DPORT],
    ranges,
    invert: inverted,
    onFail: fail,
  }));
const wordsTest: fc.Arbitrary<Test> = fc
  .tuple(fc.array(fc.tuple(masks, fc.constantFrom(...VALUES)), { minLength: 4, maxLength: 4 }), invert)
  .map(([words, inverted]) => ({
    kind: 'words',
    field: field.FIELD_DESTINATION,
    mask: words.map(([mask]) => mask),
    value: words.map(([mask, value]) => (mask & value) >>> 0),
    invert: inverted,
    onFail: 'miss',
  }));
const words = fc.array(fc.constantFrom(...VALUES), { minLength: 4, maxLength: 4 });
const wordRangeTest: fc.Arbitrary<Test> = fc.tuple(words, words, invert).map(([low, high, inverted]) => ({
  kind: 'wordRange',
  field: field.FIELD_DESTINATION,
  low,
  high,
  invert: inverted,
  onFail: 'miss',
}));
const limitTest: fc.Arbitrary<Test> = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }))
  .map(([rate, burst]) => ({
    kind: 'special',
    code: SPECIAL_LIMIT,
    parameters: [rate * 3200, rate * 3200 * burst],
    stateful: true,
  }));
const constantTest: fc.Arbitrary<Test> = fc.boolean().map((value) => ({ kind: 'constant', value }));

/** Fields that a key of 16 bytes has room for, and tests of one range of them. */
const KEY_WIDE = [field.FIELD_SOURCE, field.FIELD_SPORT, field.FIELD_DPORT];
const prefixes = fc.constantFrom(0, 0x80000000, 0xffff0000, 0xfffffffe, 0xffffffff);
const keyRangeTest: fc.Arbitrary<Test> = fc
  .tuple(fc.constantFrom(...KEY_WIDE), range(VALUES), invert, onFail)
  .map(([at, [low, high], inverted, fail]) => ({ kind: 'range', field: at, low, high, invert: inverted, onFail: fail }));
const prefixTest: fc.Arbitrary<Test> = fc.tuple(prefixes, fc.constantFrom(...VALUES), invert).map(([mask, value, inverted]) => ({
  kind: 'words',
  field: field.FIELD_SOURCE,
  mask: [mask],
  value: [(value & mask) >>> 0],
  invert: inverted,
  onFail: 'miss',
}));

/** What rules that ask for ports say of fragments and of headers that are cut short. */
const headerTest: fc.Arbitrary<Test> = fc
  .tuple(fc.constantFrom(field.FIELD_FRAGMENT, field.FIELD_L4_LENGTH), range([0, 1, 2, 7, 19]), invert, onFail)
  .map(([at, [low, high], inverted, fail]) => ({ kind: 'range', field: at, low, high, invert: inverted, onFail: fail }));

/** Of fields with few values, masks with holes, too. */
const flagsTest: fc.Arbitrary<Test> = fc
  .tuple(fc.constantFrom(...SMALL), fc.constantFrom(1, 2, 5, 0x12, 0x16, 0x17, 0xff), fc.nat(0x3f), invert, onFail)
  .map(([at, mask, value, inverted, fail]) => ({
    kind: 'mask',
    field: at,
    mask,
    value: value & mask,
    invert: inverted,
    onFail: fail,
  }));

const keyTest = fc.oneof(
  { arbitrary: flagsTest, weight: 2 },
  { arbitrary: keyRangeTest, weight: 5 },
  { arbitrary: headerTest, weight: 4 },
  { arbitrary: smallTest, weight: 5 },
  { arbitrary: prefixTest, weight: 3 },
  { arbitrary: rangesTest, weight: 1 },
  { arbitrary: constantTest, weight: 1 },
);

const test = fc.oneof(
  { arbitrary: wideTest, weight: 5 },
  { arbitrary: smallTest, weight: 5 },
  { arbitrary: maskTest, weight: 2 },
  { arbitrary: rangesTest, weight: 1 },
  { arbitrary: wordsTest, weight: 1 },
  { arbitrary: wordRangeTest, weight: 1 },
  { arbitrary: limitTest, weight: 1 },
  { arbitrary: constantTest, weight: 1 },
);

/** Actions that only decide where a packet goes. */
function wayAction(callees: readonly string[]): fc.Arbitrary<Action> {
  return fc.oneof(...ways(callees));
}

function action(callees: readonly string[]): fc.Arbitrary<Action> {
  const marks = fc.constantFrom(...VALUES).chain((value) => masks.map((mask): Action => ({ kind: 'mark', mask, value })));
  return fc.oneof(...ways(callees), marks, fc.constant<Action>({ kind: 'notrack' }));
}

const verdicts = fc.constantFrom<Action>(
  { kind: 'verdict', verdict: 'ACCEPT' },
  { kind: 'verdict', verdict: 'DROP' },
  { kind: 'verdict', verdict: 'REJECT' },
);

function ways(callees: readonly string[]): fc.Arbitrary<Action>[] {
  const always: fc.Arbitrary<Action>[] = [
    verdicts,
    fc.constant<Action>({ kind: 'return' }),
    fc.constant<Action>({ kind: 'continue' }),
  ];
  if (callees.length > 0) {
    const target = fc.constantFrom(...callees);
    for (let times = 0; times < 2; times++) always.push(target.map((chain) => ({ kind: 'jump', chain })));
    always.push(target.map((chain) => ({ kind: 'goto', chain })));
  }
  return always;
}

interface Kinds {
  test: fc.Arbitrary<Test>;
  action: (callees: readonly string[]) => fc.Arbitrary<Action>;
}

const ALL: Kinds = { test, action };
const KEY: Kinds = { test: keyTest, action: wayAction };

function rules(callees: readonly string[], most: number, kinds: Kinds): fc.Arbitrary<PlainRule[]> {
  const rule = fc.tuple(fc.array(kinds.test, { maxLength: 3 }), kinds.action(callees)).map(
    ([tests, made]): PlainRule => ({
      tests,
      action: made,
      bare: tests.length === 0 && (made.kind === 'verdict' || made.kind === 'return'),
    }),
  );
  return fc.array(rule, { maxLength: most });
}

/** One table with a base chain INPUT and user chains that call only later ones. */
export const tables = (most: number): fc.Arbitrary<PlainTable> => tablesOf(most, ALL);

/** The same, of tests and actions that a packed walk can have. */
export const keyTables = (most: number): fc.Arbitrary<PlainTable> => tablesOf(most, KEY);

/** One chain of rules that end with verdicts, whose tests a packed walk can have: all of it can be one search. */
export const keyLists = (most: number): fc.Arbitrary<PlainTable> =>
  fc
    .tuple(fc.constantFrom<'ACCEPT' | 'DROP'>('ACCEPT', 'DROP'), rules([], most, { test: keyTest, action: () => verdicts }))
    .map(([policy, base]) => ({ family: 4, name: 'mangle', chains: [{ name: 'INPUT', policy, rules: base }] }));

function tablesOf(most: number, kinds: Kinds): fc.Arbitrary<PlainTable> {
  const names = ['a', 'b', 'c', 'd'];
  return fc
    .tuple(
      fc.constantFrom<'ACCEPT' | 'DROP'>('ACCEPT', 'DROP'),
      rules(names, most, kinds),
      ...names.map((_, index) => rules(names.slice(index + 1), most, kinds)),
    )
    .map(([policy, base, ...users]) => {
      const chains: PlainChain[] = [{ name: 'INPUT', policy, rules: base }];
      for (const [index, name] of names.entries()) chains.push({ name, policy: null, rules: users[index]! });
      return { family: 4, name: 'mangle', chains };
    });
}

/** Field vectors with the values that tests ask for, and their neighbours. */
export const packet: fc.Arbitrary<Uint32Array> = fc
  .tuple(
    fc.array(fc.constantFrom(...VALUES, 3, 21, 23), { minLength: FIELD_COUNT, maxLength: FIELD_COUNT }),
    fc.array(fc.constantFrom(...SMALL_VALUES), { minLength: SMALL.length, maxLength: SMALL.length }),
  )
  .map(([wide, small]) => {
    const fields = Uint32Array.from(wide);
    for (const [index, at] of SMALL.entries()) fields[at] = small[index]!;
    fields[field.FIELD_FAMILY] = 4;
    fields[field.FIELD_HEADER_ERROR] = 0;
    fields[field.FIELD_OUT_INTERFACE] = 0;
    // No entry, so that NOTRACK works on the slot alone.
    fields[field.FIELD_CT_STATUS] = 0;
    fields[field.FIELD_CT_STATE] = fields[field.FIELD_CT_STATE]! === 4 ? 4 : 0;
    fields[field.FIELD_CT_DIRECTION] = 0;
    return fields;
  });
