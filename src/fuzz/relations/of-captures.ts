/** Relations between captures: the same bytes in other pieces, fewer packets, later ones, twice as many. */
import type { PacketOutcome } from '../../model/outcome.ts';
import type { FuzzCase } from '../case.ts';
import { captureOf } from '../case.ts';
import { type Answer, differences } from '../differential.ts';
import { keepsState, placedRules } from './places.ts';
import type { Relation } from './relation.ts';

const uses = ({ ruleset }: FuzzCase, ...names: string[]): boolean =>
  ruleset.tables.some(({ chains }) =>
    chains.some(({ rules }) => rules.some(({ matches }) => matches.some(({ name }) => names.includes(name)))),
  );

const SECOND = 1_000_000_000n;
const later = (fuzzCase: FuzzCase, by: bigint): FuzzCase['packets'] =>
  fuzzCase.packets.map((packet) => ({ ...packet, time: packet.time + by }));
const earlier = (packets: readonly PacketOutcome[], by: bigint): PacketOutcome[] =>
  packets.map((packet) => ({ ...packet, time: packet.time - by }));

export const chunks: Relation = {
  name: 'the capture in chunks',
  says: 'always applies: however few bytes are fed at a time, every word of the answer is the same',
  change(fuzzCase, draw) {
    const { length } = captureOf(fuzzCase);
    return {
      fuzzCase,
      chunk: draw.pick([1, 2, 3, 16, 24, 40, 61, draw.integer(1, length)]),
      compare: (a, b) => differences(a, b),
    };
  },
};

export const begun: Relation = {
  name: 'only the first packets',
  says: 'applies to two packets and more: what comes later changes nothing for those before',
  change(fuzzCase, draw) {
    const { packets, family } = fuzzCase;
    if (packets.length < 2) return undefined;
    const kept = draw.integer(1, packets.length - 1);
    const compare = (before: Answer, after: Answer): string[] => {
      const first = { ...after, name: before.name, packets: before.packets.slice(0, kept) };
      return [...differences(first, after), ...fewer(before, after, family)];
    };
    return { fuzzCase: { ...fuzzCase, packets: packets.slice(0, kept) }, compare };
  },
};

/** No rule counted more of a part than of the whole. */
function fewer(whole: Answer, part: Answer, family: 4 | 6): string[] {
  const out: string[] = [];
  for (const [table, chains] of Object.entries(part.result.counters[family] ?? {}))
    for (const [name, { rules }] of Object.entries(chains))
      for (const [index, { packets, bytes }] of rules.entries()) {
        const all = whole.result.counters[family]?.[table]?.[name]?.rules[index];
        if (all === undefined || packets > all.packets || bytes > all.bytes)
          out.push(`${table} ${name} ${index + 1}: ${packets} packets of the first ones, ${all?.packets} of all`);
      }
  return out;
}

export const postponed: Relation = {
  name: 'the same later',
  says: 'applies where no rule asks for the time of day: whole seconds later everything happens alike',
  change(fuzzCase, draw) {
    if (uses(fuzzCase, 'time')) return undefined;
    const by = SECOND * BigInt(draw.pick([1, 59, 86_400, 497 * 86_400, 1_000_000_000]));
    return {
      fuzzCase: { ...fuzzCase, packets: later(fuzzCase, by) },
      compare: (before, after) => differences(before, { ...after, packets: earlier(after.packets, by) }),
    };
  },
};

/** Longer than anything that is remembered: connections live five days at most. */
const FORGOTTEN = SECOND * 60n * 86_400n;

/** A template of CT keeps the mark that CONNMARK gave it in the raw table for good. */
const marksTemplates = ({ ruleset: { tables } }: FuzzCase): boolean =>
  tables.some(
    ({ name, chains }) =>
      name === 'raw' &&
      chains.some(({ rules }) => rules.some(({ target }) => target?.kind === 'extension' && target.name === 'CONNMARK')),
  );

export const twice: Relation = {
  name: 'the capture twice, two months between',
  says: 'applies without what keeps state (some matches for ever, limit in 32 bits, marks of templates): every connection is forgotten, so that all happens again and every number doubles',
  change(fuzzCase) {
    if (
      uses(fuzzCase, 'time') ||
      marksTemplates(fuzzCase) ||
      placedRules(fuzzCase).some(({ rule }) => keepsState(rule)) ||
      Object.keys(fuzzCase.profile.sysctls).some((name) => name.includes('timeout'))
    )
      return undefined;
    const span = (fuzzCase.packets.at(-1)?.time ?? 0n) - (fuzzCase.packets[0]?.time ?? 0n);
    const by = FORGOTTEN + (span / SECOND + 1n) * SECOND;
    const count = fuzzCase.packets.length;
    const compare = (before: Answer, after: Answer): string[] => {
      const again = earlier(after.packets.slice(count), by).map((packet) => ({ ...packet, packet: packet.packet - count }));
      const expected = { ...before, result: doubled(before.result) as Answer['result'] };
      return [
        ...differences({ ...expected, result: after.result }, { ...after, name: 'the second time', packets: again }),
        ...differences({ ...expected, packets: [] }, { ...after, packets: [] }),
      ];
    };
    return { fuzzCase: { ...fuzzCase, packets: [...fuzzCase.packets, ...later(fuzzCase, by)] }, compare };
  },
};

/** Every number, but those that name something: `first` is a packet's. */
function doubled(value: unknown): unknown {
  if (typeof value === 'number') return 2 * value;
  if (typeof value !== 'object' || value === null || (Array.isArray(value) && typeof value[0] === 'number')) return value;
  if (Array.isArray(value)) return value.map(doubled);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, key === 'first' ? inner : doubled(inner)]));
}

export const captureRelations: readonly Relation[] = [chunks, begun, postponed, twice];
