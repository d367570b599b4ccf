/** Relations between rule sets that mean the same. */
import type { Draw } from '../../extensions/extension.ts';
import { formatAddress } from '../../model/address.ts';
import type { AddressMatch, Builtin, Family, InterfaceMatch, Rule } from '../../model/ruleset.ts';
import { type Answer, differences } from '../differential.ts';
import { asBefore, type Before, keepsState, type PlacedRule, placedRules, ruleLine, spliced, wordsOf } from './places.ts';
import { type Changed, type Relation, withRules } from './relation.ts';

/** Rules no packet can match, in every table and chain. None of them asks for a header that could be missing, which would drop the packet. */
const IMPOSSIBLE: Record<Family, readonly string[]> = {
  4: ['-m ttl --ttl-eq 64 -m ttl --ttl-lt 64', '-m length --length 0:19'],
  6: ['-m hl --hl-eq 64 -m hl --hl-gt 64', '-m length --length 0:39'],
};
const IMPOSSIBLE_ANYWHERE = [
  '-m mark --mark 0x1/0x1 -m mark ! --mark 0x1/0x1',
  '-m dscp --dscp 0x2e -m dscp ! --dscp 0x2e',
  '-m tos --tos 0x10/0x10 -m tos --tos 0x00/0x10',
  '-m pkttype --pkt-type broadcast -m pkttype --pkt-type multicast',
];

const has = ({ matches }: Rule, ...names: string[]): boolean => matches.some(({ name }) => names.includes(name));

function sameRules(before: Answer, after: Answer, move: Before, counters = before.result.counters): string[] {
  const [family] = Object.keys(counters) as unknown as Family[];
  const shape = counters[family!] ?? {};
  return differences(
    asBefore(before, (place) => place, shape),
    asBefore(after, move, shape),
  );
}

/** The first of the choices, from a random one on, that leads somewhere. */
function firstOf<T>(choices: readonly T[], draw: Draw, change: (choice: T) => Changed | undefined): Changed | undefined {
  if (choices.length === 0) return undefined;
  const start = draw.integer(0, choices.length - 1);
  for (const choice of [...choices.slice(start), ...choices.slice(0, start)]) {
    const changed = change(choice);
    if (changed !== undefined) return changed;
  }
  return undefined;
}

export const unmatched: Relation = {
  name: 'a rule that cannot match',
  says: 'applies to every rule set with a rule: one that contradicts itself, put in front of it, counts nothing and changes nothing but numbers',
  change(fuzzCase, draw) {
    const { family, rules } = fuzzCase;
    return firstOf(placedRules(fuzzCase), draw, ({ table, chain, number, line }) => {
      const words = draw.pick([...IMPOSSIBLE[family], ...IMPOSSIBLE_ANYWHERE]);
      const target = draw.pick(['', '-j ACCEPT', table === 'nat' ? '-j RETURN' : '-j DROP', '-j RETURN']);
      const changed = withRules(fuzzCase, spliced(rules, line, 0, [ruleLine(chain, [words, target])]));
      if (changed === undefined) return undefined;
      const move: Before = (place) => {
        if (place.table !== table || place.chain !== chain || place.number < number) return place;
        return place.number === number ? undefined : { ...place, number: place.number - 1 };
      };
      const compare = (before: Answer, after: Answer): string[] => {
        const counted = after.result.counters[family]?.[table]?.[chain]?.rules[number - 1]?.packets;
        return counted === 0
          ? sameRules(before, after, move)
          : [`${table} ${chain} ${number}: ${words} counted ${counted} packets`];
      };
      return { fuzzCase: changed, compare };
    });
  },
};

const lengthOf = (mask: readonly number[]): number =>
  mask.reduce((sum, word) => sum + word.toString(2).replaceAll('0', '').length, 0);

/** The two halves of a prefix, as text; undefined for one address and for masks that are no prefix. */
function halves({ address, mask, invert }: AddressMatch): [string, string] | undefined {
  const length = lengthOf(mask);
  const isPrefix = mask.every(
    (word, index) =>
      word >>> 0 ===
      (length >= 32 * (index + 1) ? 0xffffffff : length <= 32 * index ? 0 : (0xffffffff << (32 * (index + 1) - length)) >>> 0),
  );
  // Halves of everything ask for something, where everything asks for nothing: TRACE and nf_tables tell the two apart.
  if (invert || !isPrefix || length === 0 || length === 32 * mask.length) return undefined;
  const first = address.map((word, index) => (word & mask[index]!) >>> 0);
  const second = first.with(length >> 5, (first[length >> 5]! | (0x80000000 >>> (length & 31))) >>> 0);
  return [`${formatAddress(first)}/${length + 1}`, `${formatAddress(second)}/${length + 1}`];
}

export const split: Relation = {
  name: 'a prefix in two halves',
  says: 'applies to a rule with -s or -d of a prefix, not inverted, and without matches that keep state: two rules with half of it each count together what it counted',
  change(fuzzCase, draw) {
    const option = draw.pick(['-s', '-d']);
    const part = option === '-s' ? 'source' : 'destination';
    return firstOf(placedRules(fuzzCase), draw, ({ table, chain, number, line, rule }) => {
      const match = rule.builtin[part];
      const two = match === undefined || keepsState(rule) ? undefined : halves(match);
      if (two === undefined) return undefined;
      const words = wordsOf(fuzzCase.rules.split('\n')[line]!);
      const at = words.indexOf(option) + 1;
      const lines = two.map((half) => ruleLine(chain, words.with(at, half)));
      const changed = at === 0 ? undefined : withRules(fuzzCase, spliced(fuzzCase.rules, line, 1, lines));
      if (changed === undefined) return undefined;
      const move: Before = (place) =>
        place.table !== table || place.chain !== chain || place.number <= number ? place : { ...place, number: place.number - 1 };
      return { fuzzCase: changed, compare: (before, after) => sameRules(before, after, move) };
    });
  },
};

const disjointAddresses = (one: AddressMatch | undefined, two: AddressMatch | undefined): boolean =>
  one !== undefined &&
  two !== undefined &&
  !one.invert &&
  !two.invert &&
  one.address.some((word, index) => ((word ^ two.address[index]!) & one.mask[index]! & two.mask[index]!) !== 0);

const disjointInterfaces = (one: InterfaceMatch | undefined, two: InterfaceMatch | undefined): boolean =>
  [one, two].every((match) => match !== undefined && !match.invert && !match.pattern.endsWith('+')) &&
  one?.pattern !== two?.pattern;

/** By their own options alone: those are asked first, so that no match of the other rule is asked about the packet (and no bucket pays for it). */
const disjoint = (one: Builtin, two: Builtin): boolean =>
  disjointAddresses(one.source, two.source) ||
  disjointAddresses(one.destination, two.destination) ||
  disjointInterfaces(one.inInterface, two.inInterface) ||
  disjointInterfaces(one.outInterface, two.outInterface) ||
  ([one, two].every(({ protocol }) => protocol !== undefined && !protocol.invert && protocol.number !== 0) &&
    one.protocol?.number !== two.protocol?.number);

export const swapped: Relation = {
  name: 'disjoint neighbours the other way round',
  says: 'applies to two rules behind each other with different addresses, interfaces or protocols, not both with a hashlimit: what each counts is the same in either order',
  change(fuzzCase, draw) {
    const all = placedRules(fuzzCase);
    return firstOf(all, draw, ({ table, chain, number, line, rule, inChain }) => {
      const next = inChain.rules[number];
      const place = all.find((other) => other.rule === next);
      if (next === undefined || place === undefined || !disjoint(rule.builtin, next.builtin)) return undefined;
      // The first rule of a name makes the table for both.
      if (has(rule, 'hashlimit') && has(next, 'hashlimit')) return undefined;
      const lines = fuzzCase.rules.split('\n');
      const text = lines.with(line, lines[place.line]!).with(place.line, lines[line]!).join('\n');
      const changed = withRules(fuzzCase, text);
      if (changed === undefined) return undefined;
      const move: Before = (at) => {
        if (at.table !== table || at.chain !== chain || at.number < number || at.number > number + 1) return at;
        return { ...at, number: 2 * number + 1 - at.number };
      };
      return { fuzzCase: changed, compare: (before, after) => sameRules(before, after, move) };
    });
  },
};

/** A jump that can be replaced by the rules it leads to, or undefined. */
function inlinable(call: PlacedRule, all: readonly PlacedRule[], family: Family): PlacedRule[] | undefined {
  const { rule, table } = call;
  if (rule.target?.kind !== 'chain' || rule.target.goto || keepsState(rule)) return undefined;
  // Asked twice it may have been set in between.
  if (has(rule, 'connlabel')) return undefined;
  const name = rule.target.chain;
  const calls = all.filter(
    (other) => other.table === table && other.rule.target?.kind === 'chain' && other.rule.target.chain === name,
  );
  if (calls.length !== 1) return undefined;
  const changes = (...targets: string[]): boolean =>
    all.some((other) => other.rule.target?.kind === 'extension' && targets.includes(other.rule.target.name));
  // What the jump asked for must be the same at every rule of the chain.
  if ((has(rule, 'mark') && changes('MARK', 'CONNMARK')) || (has(rule, 'connmark') && changes('CONNMARK'))) return undefined;
  if (has(rule, 'state', 'conntrack') && changes('CT', 'NOTRACK')) return undefined;
  const inside = all.filter((other) => other.table === table && other.chain === name);
  return inside.every(({ rule: each }) => joinable(rule, each, family)) ? inside : undefined;
}

function joinable({ builtin }: Rule, { builtin: own, target }: Rule, family: Family): boolean {
  if (target?.kind === 'chain' && target.goto) return false;
  if (target?.kind === 'verdict' && target.verdict === 'RETURN') return false;
  const parts = ['source', 'destination', 'inInterface', 'outInterface', 'fragment'] as const;
  if (parts.some((part) => builtin[part] !== undefined && own[part] !== undefined)) return false;
  if (own.protocol === undefined) return true;
  // IPv6: a -p of its own could drop a packet whose headers cannot be parsed, before the jump's matches are asked.
  if (builtin.protocol === undefined) return family === 4;
  return !builtin.protocol.invert && !own.protocol.invert && builtin.protocol.number === own.protocol.number;
}

export const inlined: Relation = {
  name: 'a chain inlined',
  says: "applies to the only jump to a chain without RETURN and goto, whose options fit together with those of its rules: a rule that only counts and the chain's rules, each with the jump's matches, do the same",
  change(fuzzCase, draw) {
    const all = placedRules(fuzzCase);
    const lines = fuzzCase.rules.split('\n');
    return firstOf(all, draw, (call) => {
      const inside = inlinable(call, all, fuzzCase.family);
      if (inside === undefined || call.rule.target?.kind !== 'chain') return undefined;
      const { table, chain, number, rule } = call;
      const name = call.rule.target.chain;
      const asked = wordsOf(lines[call.line]!).slice(0, -2);
      const joined = inside.map((each) =>
        ruleLine(chain, [...asked, ...withoutProtocol(wordsOf(lines[each.line]!), rule.builtin)]),
      );
      const changed = withRules(fuzzCase, spliced(fuzzCase.rules, call.line, 1, [ruleLine(chain, asked), ...joined]));
      if (changed === undefined) return undefined;
      const move: Before = (place) => {
        if (place.table !== table || place.chain !== chain || place.number <= number) return place;
        const inner = place.number - number;
        return inner <= inside.length
          ? { table, chain: name, number: inner }
          : { ...place, number: place.number - inside.length };
      };
      const end = `${table}:${name}:return:${inside.length + 1}`;
      const withoutEnd = (answer: Answer): Answer => ({
        ...answer,
        packets: answer.packets.map(({ path, ...rest }) => ({
          ...rest,
          ...(path && { path: path.filter((word) => word !== end) }),
        })),
      });
      return { fuzzCase: changed, compare: (before, after) => sameRules(withoutEnd(before), after, move) };
    });
  },
};

/** A protocol that the jump asks for already may not be asked for twice. */
function withoutProtocol(words: readonly string[], { protocol }: Builtin): string[] {
  const at = words.indexOf('-p');
  return protocol === undefined || at < 0 ? [...words] : words.toSpliced(at, 2);
}

export const ruleRelations: readonly Relation[] = [unmatched, split, swapped, inlined];
