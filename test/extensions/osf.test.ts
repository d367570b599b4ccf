/** osf on packets of every kind, broken ones too: the interpreter and every build of the engine, by fingerprints that fit much. */
import { expect, test } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf, withRules } from '../../src/fuzz/case.ts';
import { ask, differences, jobOf } from '../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { parseFingerprints } from '../../src/syntax/index.ts';
import { SEED } from '../seed.ts';

const OPTIONS = ['.', 'M*', 'N,N,S', 'M*,N,N,S', 'N,N,T', 'E,E,E,E', 'M*,N,N,T', 'W*,N'];
const GENRES = { Linux: '*', Windows: '%2', NMAP: 'S20', FreeBSD: '65535' };

/** Any length that the generator's packets have, with and without the options it writes. */
const FINGERPRINTS = Object.entries(GENRES).flatMap(([genre, window]) =>
  [0, 1].flatMap((df) =>
    Array.from({ length: 120 }, (_, i) => 40 + i).flatMap((length) =>
      OPTIONS.map((options) => `${window}:${[64, 255][length % 2]}:${df}:${length}:${options}:${genre}:::\n`),
    ),
  ),
);
const RULES = [
  '*mangle',
  ...Object.keys(GENRES).flatMap((genre) =>
    ['', ' --ttl 1', ' --ttl 2'].map((ttl) => `-A PREROUTING -p tcp -m osf --genre ${genre}${ttl}`),
  ),
  '-A PREROUTING -p tcp -m osf ! --genre none --log 0',
  'COMMIT\n',
].join('\n');

test(`reference and engine agree (seed ${SEED})`, { timeout: 120_000 }, async () => {
  const fingerprints = parseFingerprints(FINGERPRINTS.join(''), 'pf.os');
  const [reference, ...engines] = Object.values(PROGRAMS);
  const counts: number[] = [];
  for (const drawn of casesOf({ packets: 200, judge: 'software', family: 4, only: ['tcp'] }, SEED, 20)) {
    const one = withRules(drawn, RULES);
    const job = { ...jobOf(one), fingerprints };
    const told = await ask(reference!, job, captureOf(one));
    for (const engine of engines) expect(differences(told, await ask(engine, job, captureOf(one)))).toEqual([]);
    for (const [i, { packets }] of told.result.counters[4]!.mangle!.PREROUTING!.rules.entries())
      counts[i] = (counts[i] ?? 0) + packets;
  }
  const all = counts.at(-1)!;
  expect(all).toBeGreaterThan(50);
  expect(counts.filter((count) => count > 0 && count < all).length).toBeGreaterThan(6);
});
