/** What is said of packets that come with an earlier time than one before them: each case has its tool. */
import { expect, test } from 'vitest';
import { clockNotes } from '../../src/model/clock.ts';

test('broken timestamps, one capture out of order, and several that overlap: what to do with each', () => {
  const late = { packets: 3, first: 7, by: 5_000_000_000n, ahead: 6 };
  const [note, ...others] = clockNotes(late, { packets: 0, first: 0 });
  expect(others).toEqual([]);
  expect(note).toMatch(/if the timestamp of packet 6 is broken, .* take them out \(editcap\); /);
  expect(note).toMatch(
    /a capture that is out of order in itself, .*, reordercap puts in order; several that overlap, mergecap merges$/,
  );
  expect(clockNotes({ ...late, packets: 0 }, { packets: 0, first: 0 })).toEqual([]);
});
