/** Where values of a JSON file stand: every place that is told is the value's own, whatever the file looks like. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonError, type JsonPath, placeOf, readJson } from '../../src/model/json-place.ts';
import { SEED } from '../seed.ts';

/** Every value in a value, with its path. */
function* inside(value: unknown, path: JsonPath = []): Generator<[JsonPath, unknown]> {
  yield [path, value];
  if (typeof value !== 'object' || value === null) return;
  for (const [key, one] of Object.entries(value)) yield* inside(one, [...path, Array.isArray(value) ? Number(key) : key]);
}

/** Offset of a line and column, both from 1. */
const offset = (text: string, line: number, column: number): number =>
  text
    .split('\n')
    .slice(0, line - 1)
    .join('\n').length +
  (line === 1 ? 0 : 1) +
  column -
  1;

test(`every value (seed ${SEED})`, () => {
  const roots = fc.jsonValue({ maxDepth: 4 }).filter((value) => typeof value === 'object' && value !== null);
  fc.assert(
    fc.property(roots, fc.constantFrom(undefined, 1, '\t', '\n'), (value, space) => {
      const text = JSON.stringify(value, null, space);
      const read = readJson(text, 'file.json');
      for (const [path, one] of inside(read)) {
        const { position } = placeOf(read, path)!;
        const rest = text.slice(offset(text, position.line, position.column));
        expect(rest.startsWith(JSON.stringify(one, null, space).split('\n')[0]!), `${text}: ${JSON.stringify(path)}`).toBe(true);
      }
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('what is not there is told where it would be; of keys that stand twice the last one', () => {
  const read = readJson('[\n  {"a": 1, "b": {"c": [true]}},\r\n  {"a": 1, "a": 2}]', 'file.json') as unknown[];
  const at = (...path: JsonPath) => Object.values(placeOf(read, path)!.position);
  expect(at(0, 'missing')).toEqual(['file.json', 2, 3]);
  expect(at(0, 'b', 'c', 0)).toEqual(['file.json', 2, 24]);
  expect(at(0, 'b', 'x', 0)).toEqual(['file.json', 2, 17]);
  expect(at(7)).toEqual(['file.json', 1, 1]);
  expect(at(1, 'a')).toEqual(['file.json', 3, 17]);
  expect(placeOf(read, [0])!.source).toBe('  {"a": 1, "b": {"c": [true]}},');
  expect(placeOf(JSON.parse('[1]'), [0])).toBeUndefined();
});

test.each([
  ['', 1, 1],
  ['[1,\n 2', 2, 3],
  ['\n', 1, 1],
  ['\n\n', 1, 1],
  ['1: lo: <LOOPBACK>', 1, 1],
  ['10.0.0.0/8 dev eth0\n', 1, 1],
  ['\n  default via 192.0.2.9', 2, 3],
  ['[\n', 1, 2],
  ['[\n{"a" 1}]', 2, 6],
])('no JSON: %j', (text, line, column) => {
  try {
    readJson(text, 'file.json');
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(JsonError);
    expect((error as JsonError).place.position).toEqual({ file: 'file.json', line, column });
    expect((error as JsonError).message).not.toMatch(/position|\n/);
  }
});
