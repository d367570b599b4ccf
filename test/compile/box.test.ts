/** What boxes of packet fields take for granted. */
import { expect, test } from 'vitest';
import * as field from '../../src/abi/fields.ts';
import { Box } from '../../src/compile/box.ts';

test('a set of fields is a word: each has a bit of its own', () => {
  expect(field.FIELD_COUNT).toBeLessThanOrEqual(32);
  const fields = Array.from({ length: field.FIELD_COUNT }, (_, index) => index);
  const opened = fields.map((one) => Box.whole(new Set([one])).open);
  expect(new Set(opened).size).toBe(field.FIELD_COUNT);
  for (const one of fields) expect(fields.filter((other) => ((opened[one]! >>> other) & 1) !== 0)).toEqual([one]);
});
