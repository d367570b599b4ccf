/** The results of engines that shared captures, as that of one. */
import { sortConnections } from '../model/connections.ts';
import type { ConntrackEntry, TableCounters } from '../model/outcome.ts';
import { INVALID_WORDS, STACK_WORDS, UNSEEN_WORDS } from '../model/reasons.ts';
import type { Family } from '../model/ruleset.ts';
import type { Sighted } from '../model/vantage.ts';
import type { ReplayResult } from '../model/witness.ts';

/** All read the same packets; each judged its share. At least one. */
export function mergeResults(shares: readonly ReplayResult[]): ReplayResult {
  const first = shares[0]!;
  const sum = (of: (share: ReplayResult) => number): number => shares.reduce((total, share) => total + of(share), 0);
  const sums = <K extends string>(of: (share: ReplayResult) => Record<K, number>): Record<K, number> => {
    const total: Record<string, number> = {};
    for (const share of shares)
      for (const [word, number] of Object.entries<number>(of(share))) total[word] = (total[word] ?? 0) + number;
    return total as Record<K, number>;
  };
  return {
    captures: first.captures,
    packets: first.packets,
    bytes: sum(({ bytes }) => bytes),
    verdicts: sums(({ verdicts }) => verdicts),
    hooks: sums(({ hooks }) => hooks),
    unseen: inOrder(
      sums(({ unseen }) => unseen),
      UNSEEN_WORDS,
    ),
    stack: inOrder(
      sums(({ stack }) => stack),
      STACK_WORDS,
    ),
    invalid: inOrder(
      sums(({ invalid }) => invalid),
      INVALID_WORDS,
    ),
    ctstates: sums(({ ctstates }) => ctstates),
    answers: sum(({ answers }) => answers),
    pickedUp: sum(({ pickedUp }) => pickedUp),
    strays: mergeSighted(shares.map(({ strays }) => strays)),
    unjudged: mergeSighted(shares.map(({ unjudged }) => unjudged)),
    unfinished: sum(({ unfinished }) => unfinished),
    notFollowed: {
      dccp: shares.some(({ notFollowed }) => notFollowed.dccp),
      toGroups: shares.some(({ notFollowed }) => notFollowed.toGroups),
      loopedParts: shares.some(({ notFollowed }) => notFollowed.loopedParts),
    },
    counters: mergeCounters(shares.map(({ counters }) => counters)),
    evaluations: sum(({ evaluations }) => evaluations),
    connections: sum(({ connections }) => connections),
    ...(first.nfacct && { nfacct: mergeAccounts(shares) }),
    notes: [...new Set(shares.flatMap(({ notes }) => notes))],
  };
}

/** The first of all, where there is any. */
const mergeSighted = (all: readonly Sighted[]): Sighted => {
  const seen = all.filter(({ packets }) => packets > 0);
  return {
    packets: seen.reduce((total, { packets }) => total + packets, 0),
    first: seen.length === 0 ? 0 : Math.min(...seen.map(({ first }) => first)),
  };
};

/** All have the same objects. */
const mergeAccounts = (shares: readonly ReplayResult[]): NonNullable<ReplayResult['nfacct']> =>
  shares[0]!.nfacct!.map(({ name }, i) => ({
    name,
    packets: shares.reduce((total, { nfacct }) => total + nfacct![i]!.packets, 0),
    bytes: shares.reduce((total, { nfacct }) => total + nfacct![i]!.bytes, 0),
  }));

export const mergeConnections = (shares: readonly (readonly ConntrackEntry[])[]): ConntrackEntry[] =>
  sortConnections(shares.flat());

/** Reasons in the order of their numbers, as one engine tells them. */
const inOrder = (counts: Record<string, number>, words: readonly string[]): Record<string, number> =>
  Object.fromEntries([...new Set(words)].flatMap((word) => (counts[word] === undefined ? [] : [[word, counts[word]]])));

type Counters = Partial<Record<Family, TableCounters>>;

/** The shares' own are added to those of the first, which are a copy already. */
function mergeCounters(shares: readonly Counters[]): Counters {
  const total = structuredClone(shares[0]!);
  for (const share of shares.slice(1)) {
    for (const family of [4, 6] as const) {
      for (const [table, chains] of Object.entries(share[family] ?? {})) {
        for (const [name, chain] of Object.entries(chains)) {
          const into = total[family]![table]![name]!;
          into.packets += chain.packets;
          into.bytes += chain.bytes;
          for (const [index, rule] of chain.rules.entries()) {
            into.rules[index]!.packets += rule.packets;
            into.rules[index]!.bytes += rule.bytes;
          }
        }
      }
    }
  }
  return total;
}
