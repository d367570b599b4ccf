/** nf_conntrack_max: random rules and packets with room for few connections, by reference and engine; what they say of it. */
import { expect, test } from 'vitest';
import { STACK_TABLE_FULL } from '../../../src/abi/reasons.ts';
import { casesOf } from '../../../src/fuzz/arbitrary.ts';
import { captureOf, type FuzzCase } from '../../../src/fuzz/case.ts';
import { type Answer, ask, differences, jobOf } from '../../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../../src/fuzz/witness.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import { STACK_WORDS } from '../../../src/model/reasons.ts';
import { isSparse, tableNotes } from '../../../src/model/table-limit.ts';
import { SEED } from '../../seed.ts';

const FULL = STACK_WORDS[STACK_TABLE_FULL];

/** Room for one to eight connections, in a hash where the kernel finds what could go, and in one where it does not. */
const LIMITS = [1, 2, 3, 8].flatMap((max) =>
  [8, 262_144].map((buckets) => ({ nf_conntrack_max: max, nf_conntrack_buckets: buckets })),
);

const limited = (one: FuzzCase, index: number): FuzzCase => {
  const sysctls = { ...one.profile.sysctls, ...LIMITS[index % LIMITS.length] };
  return { ...one, profile: { ...one.profile, sysctls } };
};

const tableNotesOf = ({ result }: Answer): string[] => result.notes.filter((note) => note.startsWith('the table of connections'));

test(`reference and engine have room for the same connections (seed ${SEED})`, { timeout: 120_000 }, async () => {
  const cases = casesOf(
    { packets: 150, judge: 'software', only: ['conntrack', 'CT', 'NOTRACK', 'DNAT', 'MASQUERADE'] },
    SEED,
    32,
  ).map(limited);
  const met = { full: 0, 'most likely finds no': 0, 'had to go': 0 };
  for (const [index, one] of cases.entries()) {
    const capture = captureOf(one);
    const reference = await ask(PROGRAMS.reference!, jobOf(one), capture);
    for (const name of ['engine', 'linear']) {
      const engine = await ask(PROGRAMS[name]!, jobOf(one), capture);
      expect(differences(reference, engine), `case ${index} of seed ${SEED}, ${name}`).toEqual([]);
      expect(tableNotesOf(engine), `case ${index} of seed ${SEED}, ${name}`).toEqual(tableNotesOf(reference));
    }
    met.full += reference.result.stack[FULL] ?? 0;
    for (const note of tableNotesOf(reference)) {
      for (const words of ['most likely finds no', 'had to go'] as const) if (note.includes(words)) met[words]++;
    }
  }
  for (const [what, times] of Object.entries(met)) expect(times, what).toBeGreaterThan(0);
});

test('a table is far smaller than its hash when eight buckets more often hold none than one', () => {
  const profile = (max: number, buckets: number) => ({
    ...DEFAULT_PROFILE,
    sysctls: { nf_conntrack_max: max, nf_conntrack_buckets: buckets },
  });
  // ln 2 / 16 of the buckets.
  expect(isSparse(profile(11_355, 262_144))).toBe(true);
  expect(isSparse(profile(11_358, 262_144))).toBe(false);
  expect(isSparse(profile(1, 8))).toBe(false);
  expect(isSparse(profile(1, 1))).toBe(false);
});

test('the notes count the packets, and nothing that was not met', () => {
  expect(tableNotes(5, { dropped: 0, unlucky: 0, lucky: 0 })).toEqual([]);
  expect(tableNotes(5, { dropped: 1, unlucky: 2, lucky: 3 }).map((note) => /: (?:for )?(\d+ packets?)/.exec(note)?.[1])).toEqual([
    '1 packet',
    '2 packets',
    '3 packets',
  ]);
});
