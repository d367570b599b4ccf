/** Metamorphic checks: every relation holds for every program and can be applied; and a program that is wrong in the way a relation looks at breaks it. */
import { describe, expect, it } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { type FuzzCase, withRules } from '../../src/fuzz/case.ts';
import { metamorphic, RELATIONS } from '../../src/fuzz/metamorphic.ts';
import { PROGRAMS, type Witness } from '../../src/fuzz/witness.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import type { Family, Rule, RuleSet } from '../../src/model/ruleset.ts';
import type { Job } from '../../src/model/witness.ts';
import type { Session } from '../../src/replay/session.ts';
import { SEED } from '../seed.ts';

/** Cases that are asked about; more are needed for every relation to find one it applies to. */
const ASKED = 20;
const casesFrom = (count: number): FuzzCase[] => casesOf({ packets: 25, judge: 'software' }, SEED, count);
const reference = PROGRAMS.reference!;

describe('metamorphic checks', () => {
  it(`hold for the reference and the engine, tree and linear (seed ${SEED})`, async () => {
    const broken: string[] = [];
    for (const [number, fuzzCase] of casesFrom(ASKED).entries())
      for (const witness of [reference, PROGRAMS.engine!, PROGRAMS.linear!]) {
        const found = await metamorphic(fuzzCase, witness);
        if (found !== undefined) broken.push([`case ${number}, ${witness.name}: ${found.relation}`, ...found.lines].join('\n'));
      }
    expect(broken).toEqual([]);
  }, 240_000);

  it(`can all be applied (seed ${SEED})`, async () => {
    const applied = new Set<string>();
    // The changes alone are cheap: nobody is asked.
    for (const fuzzCase of casesFrom(400)) {
      const missing = RELATIONS.filter(({ name }) => !applied.has(name));
      for (const relation of missing) if (relation.change(fuzzCase, anyDraw) !== undefined) applied.add(relation.name);
      if (missing.length === 0) break;
    }
    expect([...applied].sort()).toEqual(RELATIONS.map(({ name }) => name).sort());
  }, 120_000);

  it.each([
    ['a rule that cannot match', () => losingRules((number) => number === 2)],
    ['a prefix in two halves', () => losingRules((number) => number === 2)],
    ['disjoint neighbours the other way round', () => losingRules((number) => number % 2 === 0)],
    ['a chain inlined', () => losingRules((number, rules) => number === rules)],
    ['the capture in chunks', losingBytes],
    ['only the first packets', tellingTheFuture],
    ['the same later', readingTheClock],
    ['the capture twice, two months between', readingTheClock],
  ] as const)(
    '"%s" is broken by a program that is wrong there',
    async (name, make) => {
      const relations = RELATIONS.filter((relation) => relation.name === name);
      const witness = make();
      for (const fuzzCase of casesFrom(400)) {
        if (relations[0]!.change(fuzzCase, anyDraw) === undefined) continue;
        const found = await metamorphic(fuzzCase, witness, { relations });
        if (found !== undefined) return expect(found.relation).toBe(name);
      }
      throw new Error(`seed ${SEED}: not once`);
    },
    120_000,
  );
});

it('neighbours with a hashlimit stay: the first of a name makes the table for both', () => {
  const rules = (name: string, other: string): string =>
    `*filter\n-A FORWARD -p tcp ${name}\n-A FORWARD -p udp ${other}\nCOMMIT\n`;
  const limit = (expire: number): string =>
    `-m hashlimit --hashlimit-upto 3/sec --hashlimit-name w --hashlimit-htable-expire ${expire}`;
  const swapped = RELATIONS.find(({ name }) => name === 'disjoint neighbours the other way round')!;
  const [any] = casesOf({ packets: 1, judge: 'software', family: 4 }, SEED, 1);
  expect(swapped.change(withRules(any!, rules(limit(1000), '')), anyDraw)).toBeDefined();
  expect(swapped.change(withRules(any!, rules(limit(1000), limit(2000))), anyDraw)).toBeUndefined();
});

/** The first of everything. */
const anyDraw = { integer: (low: number) => low, pick: <T>(choices: readonly T[]) => choices[0]!, chance: () => true };

const makesEstimator = ({ target }: Rule): boolean => target?.kind === 'extension' && target.name === 'RATEEST';

/** Does not load some rules of every chain, but for those that others cannot be loaded without. */
function losingRules(lost: (number: number, rules: number) => boolean): Witness {
  const poorer = (rules: RuleSet): RuleSet => ({
    ...rules,
    tables: rules.tables.map((table) => ({
      ...table,
      chains: table.chains.map((chain) => ({
        ...chain,
        rules: chain.rules.map((rule, index) =>
          lost(index + 1, chain.rules.length) && !makesEstimator(rule)
            ? { ...rule, target: null, matches: [], builtin: {} }
            : rule,
        ),
      })),
    })),
  });
  const start: Witness['start'] = (job, onPacket) => {
    const rules: Job['rules'] = {};
    for (const [family, ruleset] of Object.entries(job.rules)) rules[Number(family) as Family] = poorer(ruleset);
    return reference.start({ ...job, rules }, onPacket);
  };
  return { name: 'reference', start };
}

const changed = (session: Session, changes: Partial<Session>): Session => ({
  startCapture: (file) => session.startCapture(file),
  feed: (chunk) => session.feed(chunk),
  done: () => session.done(),
  endCapture: (ending) => session.endCapture(ending),
  result: () => session.result(),
  connections: (at) => session.connections(at),
  expectations: (at) => session.expectations(at),
  sets: (at) => session.sets(at),
  recent: () => session.recent(),
  hashlimit: (at) => session.hashlimit(at),
  ...changes,
});

/** Forgets a byte whenever it is fed an odd number of them. */
function losingBytes(): Witness {
  const start: Witness['start'] = async (job, onPacket) => {
    const session = await reference.start(job, onPacket);
    return changed(session, { feed: (chunk) => session.feed(chunk.length % 2 === 1 ? chunk.subarray(1) : chunk) });
  };
  return { name: 'reference', start };
}

/** Says of the first packet how many follow. */
function tellingTheFuture(): Witness {
  const start: Witness['start'] = async (job, onPacket) => {
    const seen: PacketOutcome[] = [];
    const session = await reference.start(job, (outcome) => seen.push(outcome));
    return changed(session, {
      endCapture(ending) {
        for (const outcome of seen) onPacket(outcome.packet === 1 ? { ...outcome, bytes: seen.length } : outcome);
        return session.endCapture(ending);
      },
    });
  };
  return { name: 'reference', start };
}

/** Says nothing of packets of every seventh millisecond. */
function readingTheClock(): Witness {
  const start: Witness['start'] = (job, onPacket) =>
    reference.start(job, (outcome) =>
      onPacket((outcome.time / 1_000_000n) % 7n === 0n ? { ...outcome, verdict: null } : outcome),
    );
  return { name: 'reference', start };
}
