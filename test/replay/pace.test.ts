/** Threads of a shared replay stay near each other: what they go on to judge behind a signal is what the fastest is ahead. */
import { expect, test } from 'vitest';
import { Pace, placesOf } from '../../src/replay/pace.ts';

/** Two of them, with a clock. */
function two() {
  const clock = { now: 1000 };
  const places = placesOf(2);
  const [fast, slow] = [0, 1].map((index) => new Pace(places, index, () => clock.now));
  return { clock, fast: fast!, slow: slow! };
}

test('a thread is too far ahead when it has read more than it does in half a second', () => {
  const { clock, fast, slow } = two();
  clock.now += 1000;
  slow.isAhead(5_100_000);
  expect(fast.isAhead(10_000_000)).toBe(false);
  slow.isAhead(4_900_000);
  expect(fast.isAhead(10_000_000)).toBe(true);
  // Ten times as slow, where every packet is.
  clock.now += 9000;
  slow.isAhead(9_490_000);
  expect(fast.isAhead(10_000_000)).toBe(true);
  slow.isAhead(9_510_000);
  expect(fast.isAhead(10_000_000)).toBe(false);
  expect(slow.isAhead(9_510_000)).toBe(false);
});

test('the slowest never waits, where so much time went by that a lead is few packets', () => {
  // A slow disk, very many rules, or the process was stopped for an hour.
  for (const packets of [1, 1023, 1024, 6143, 20_479, 2_000_001]) {
    const { clock, fast, slow } = two();
    clock.now += 3_600_000;
    fast.isAhead(packets + 1023);
    expect(slow.isAhead(packets), `${packets}`).toBe(false);
    expect(fast.isAhead(packets + 5000), `${packets}`).toBe(true);
    // As far as the other, both go on.
    expect(fast.isAhead(packets), `${packets}`).toBe(false);
  }
});

test('at the beginning, while others get ready, nobody waits', () => {
  const { clock, fast } = two();
  clock.now += 450;
  expect(fast.isAhead(1_000_000)).toBe(false);
  clock.now += 100;
  expect(fast.isAhead(1_100_000)).toBe(true);
});

test('it waits until the others have come near, have ended, or it is asked to stop', async () => {
  for (const then of [(slow: Pace) => void slow.isAhead(1_000_000), (slow: Pace) => slow.end()]) {
    const { clock, fast, slow } = two();
    clock.now += 1000;
    let waits = true;
    const waited = fast
      .wait(1_000_000, () => false)
      .then(() => {
        waits = false;
      });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(waits).toBe(true);
    then(slow);
    await waited;
  }
  const { clock, fast } = two();
  clock.now += 1000;
  let asked = 0;
  await fast.wait(1_000_000, () => asked++ > 2);
  expect(asked).toBe(4);
});
