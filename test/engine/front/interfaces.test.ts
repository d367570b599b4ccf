/** Interface names as ids: a pattern is an interval, for every name there is, in compiler and engine alike. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildInterfaces } from '../../../src/compile/interfaces.ts';
import { SEED } from '../../seed.ts';
import { BUILDS, compile, Front } from './engine.ts';

const name = fc.string({ unit: fc.constantFrom('a', 'b', 'e', '0', '1', '\u007f', 'é', '\u{10ffff}'), maxLength: 4 });
const pattern = fc.tuple(name, fc.boolean()).map(([text, wildcard]) => (wildcard ? `${text}+` : text));

/** iptables' compare: a prefix for `+`, else the whole name; nothing asked, everything matches. */
function matches(asked: string, given: string): boolean {
  if (asked === '') return true;
  const bytes = Buffer.from(given);
  const wanted = Buffer.from(asked.endsWith('+') ? asked.slice(0, -1) : asked);
  return asked.endsWith('+') ? bytes.subarray(0, wanted.length).equals(wanted) : bytes.equals(wanted);
}

test('a name is in the range of a pattern iff it matches', () => {
  const property = fc.property(fc.array(pattern), fc.array(name), fc.array(name), (patterns, names, others) => {
    const table = buildInterfaces(patterns, names);
    for (const asked of patterns) {
      const [low, high] = table.range(asked);
      for (const given of [...names, ...others, '', ...patterns.map((each) => each.replace('+', ''))]) {
        const id = table.idOf(given);
        expect([asked, given, id >= low && id <= high]).toEqual([asked, given, matches(asked, given)]);
      }
    }
  });
  fc.assert(property, { seed: SEED, numRuns: 500 });
});

test('names and ids', () => {
  const table = buildInterfaces(['eth+', '+', 'ppp0'], ['lo', 'eth0', 'wlan0']);
  expect(table.idOf('')).toBe(0);
  expect(table.range('+')).toEqual([0, table.maximum]);
  for (const each of ['lo', 'eth0', 'wlan0', 'ppp0']) expect(table.nameOf(table.idOf(each))).toBe(each);
  expect(table.nameOf(0)).toBe('');
  expect(table.nameOf(table.idOf('eth7'))).toBe('?');
  expect(new Set(['lo', 'eth0', 'wlan0', 'ppp0', 'eth7', 'zzz', 'aaa'].map((each) => table.idOf(each))).size).toBe(7);
});

describe.each(BUILDS)('the engine, %s build', (build) => {
  const front = new Front(compile(build));

  test('finds the same ids', () => {
    const property = fc.property(fc.array(pattern), fc.array(name), fc.array(name), (patterns, names, others) => {
      const table = buildInterfaces(patterns, names);
      const at = 1 << 16;
      front.bytes.set(table.encode(), at);
      for (const given of [...names, ...others]) {
        const bytes = Buffer.from(given);
        front.bytes.set(bytes, front.bytes.length - bytes.length);
        expect(front.exports.interfaceId(at, front.bytes.length - bytes.length, bytes.length)).toBe(table.idOf(given));
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 200 });
  });
});
