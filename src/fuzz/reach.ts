/** What a run has met: rules hit, verdicts, hooks, states, reasons, every match true and false, every target, odd headers. And what it should have met and did not. */
import type { CtOptions } from '../extensions/ct-target.ts';
import { extensions } from '../extensions/index.ts';
import { HELPERS } from '../model/helpers.ts';
import { INVALID_WORDS, STACK_WORDS, UNSEEN_WORDS } from '../model/reasons.ts';
import type { Listener } from '../reference/index.ts';
import { referenceSession } from '../replay/reference-session.ts';
import type { CaseOptions, FuzzCase } from './case.ts';
import type { Answer } from './differential.ts';
import { WITHOUT } from './features.ts';
import { type OnRelation, RELATIONS } from './metamorphic.ts';
import { SPOKEN } from './talk.ts';
import type { Witness } from './witness.ts';

/** Counts by kind, then by word. */
export interface Reach {
  cases: number;
  packets: number;
  /** Of all rules of all cases: how many there are, how many counted a packet. */
  rules: number;
  rulesHit: number;
  /** Lines of the generator that our parser refused, not for the chains that lead to them: which of those a rule is called from is chance. */
  refused: number;
  counts: Record<Kind, Record<string, number>>;
}

const KINDS = [
  'verdict',
  'hook',
  'state',
  'invalid',
  'unseen',
  'stack',
  'match',
  'target',
  'headers',
  'expected by',
  'zone of',
  'table',
  'flow',
  'relation',
  'answer',
] as const;
type Kind = (typeof KINDS)[number];

export function emptyReach(): Reach {
  const counts = Object.fromEntries(KINDS.map((kind) => [kind, {}])) as Reach['counts'];
  return { cases: 0, packets: 0, rules: 0, rulesHit: 0, refused: 0, counts };
}

/** Adds another run's reach. */
export function addReach(sum: Reach, more: Reach): void {
  for (const key of ['cases', 'packets', 'rules', 'rulesHit', 'refused'] as const) sum[key] += more[key];
  for (const kind of KINDS)
    for (const [word, count] of Object.entries(more.counts[kind])) sum.counts[kind][word] = (sum.counts[kind][word] ?? 0) + count;
}

/** Fills a reach: `witness` is a reference that tells of every match it evaluates, `answer` takes the answers. */
export class ReachMeter {
  /** May be exchanged for an empty one at any time. */
  reach = emptyReach();

  readonly witness: Witness = {
    name: 'reference',
    start: (job, onPacket) => referenceSession(job, { onPacket, listener: this.#listener }),
  };

  /** Connections that had a packet, and whether they had another. */
  readonly #flows = new WeakMap<object, boolean>();

  readonly #listener: Listener = {
    way() {},
    held() {},
    reassembled() {},
    answers: ({ error }, attached) =>
      this.#count('answer', `${error === null ? 'reset' : 'error'}${attached ? ', RELATED' : ''}`),
    hook() {},
    conntrack: ({ connection, ctstate, tracking }) => {
      if (tracking.kind === 'entry' && ctstate !== 'RELATED') this.#flow(tracking.connection);
      if (connection?.masterHelper != null && ctstate === 'RELATED') this.#count('expected by', connection.masterHelper);
    },
    confirmed() {},
    routed() {},
    end() {},
    rule: ({ table }, { matches, target }, result, at) => {
      if (at === 'builtin') return this.#count('match', 'builtin false');
      this.#count('match', 'builtin true');
      for (const each of matches) {
        if (each === at) this.#count('match', `${each.match.name} ${result === 'hotdrop' ? 'hotdrop' : 'false'}`);
        if (each === at) return;
        this.#count('match', `${each.match.name} true`);
      }
      this.#count('table', table);
      if (target.kind === 'extension') this.#extension(target.extension.name, target.options);
      else if (target.kind === 'verdict') this.#count('target', target.verdict);
      else this.#count('target', target.kind === 'none' ? 'none' : target.goto ? 'goto' : 'jump');
    },
  };

  #flow(connection: object): void {
    const more = this.#flows.get(connection);
    if (more === undefined) this.#count('flow', 'begun');
    else if (!more) this.#count('flow', 'of several packets');
    this.#flows.set(connection, more !== undefined);
  }

  /** A metamorphic check that could be made. */
  readonly relation: OnRelation = (name, applied) => {
    if (applied) this.#count('relation', name);
  };

  /** The answer of a program to a case. */
  answer(fuzzCase: FuzzCase, { packets, result }: Answer): void {
    this.reach.cases++;
    this.reach.packets += packets.length;
    this.reach.refused += fuzzCase.refused.filter(({ kind }) => kind !== 'misplaced').length;
    for (const table of Object.values(result.counters[fuzzCase.family] ?? {}))
      for (const { rules } of Object.values(table)) {
        this.reach.rules += rules.length;
        this.reach.rulesHit += rules.filter((rule) => rule.packets > 0).length;
      }
    for (const [kind, counts] of [
      ['verdict', result.verdicts],
      ['hook', result.hooks],
      ['state', result.ctstates],
      ['invalid', result.invalid],
      ['unseen', result.unseen],
      ['stack', result.stack],
    ] as const)
      for (const [word, count] of Object.entries(counts)) if (count > 0) this.#count(kind, word, count);
    for (const { bytes, family } of fuzzCase.packets) for (const word of oddities(bytes, family)) this.#count('headers', word);
  }

  #extension(name: string, options: unknown): void {
    this.#count('target', name);
    if (name !== 'CT') return;
    const { zone, zoneOf, notrack } = options as CtOptions;
    if (zone !== 0 && !notrack) this.#count('zone of', zoneOf);
  }

  #count(kind: Kind, word: string, count = 1): void {
    const counts = this.reach.counts[kind];
    counts[word] = (counts[word] ?? 0) + count;
  }
}

const HEADER_NAMES: Readonly<Record<number, string>> = {
  0: 'hop-by-hop',
  43: 'routing',
  44: 'IPv6 fragment',
  51: 'authentication',
  60: 'destination options',
};

/** What is odd about a packet's headers. */
function oddities(bytes: Uint8Array, family: 4 | 6): string[] {
  if (family === 4) {
    const words: string[] = [];
    if (bytes[0]! > 0x45) words.push('IPv4 options');
    if ((bytes[6]! & 0x1f) !== 0 || bytes[7] !== 0) words.push('IPv4 later fragment');
    else if ((bytes[6]! & 0x20) !== 0) words.push('IPv4 first fragment');
    return words;
  }
  const words: string[] = [];
  for (let type = bytes[6]!, at = 40; HEADER_NAMES[type] !== undefined && at + 8 <= bytes.length; ) {
    words.push(HEADER_NAMES[type]!);
    const length = type === 44 ? 8 : type === 51 ? (bytes[at + 1]! + 2) * 4 : (bytes[at + 1]! + 1) * 8;
    type = bytes[at]!;
    at += length;
  }
  return words;
}

/** Runs smaller than this prove nothing about the generator. */
const ENOUGH = { cases: 100, packets: 5000 };
/** Every so many packets a word should have been met at least once; most are met far more often. */
const RARE = { cases: 600, packets: 30_000 };
/** Helpers that say so much before they are believed, or want a host of their own, that only longer runs must meet what they expect. */
const TALKATIVE = { cases: 6000, packets: 300_000 };
const SOON_BELIEVED: readonly string[] = ['ftp', 'tftp', 'sane', 'amanda', 'Q.931', 'RAS'];

/** Matches of what is taken not to be there (a socket, fingerprints), and those that say yes to everything. */
const NEVER: readonly string[] = ['cgroup', 'socket', 'osf'];
const ALWAYS: readonly string[] = ['comment', 'nfacct'];

/** Reasons that no generated packet can have, by what the generator leaves out on purpose. */
const OUT_OF_REACH: readonly string[] = [
  '',
  // Captures are Ethernet frames of IP, the device has no MAC of its own, and there are rules for the family of every packet.
  'not IP',
  'link type not supported',
  'link header truncated',
  'for another host',
  'outgoing copy of a forwarded packet',
  'no rules for this family',
  // The generator writes whole headers of the right version, and ordinary addresses (boundaries.ts says why).
  'shorter than an IP header',
  'bad IP version',
  'bad IP header length',
  'bad IPv6 address',
  'martian source',
  'martian destination',
  // Routes of the generated hosts lead everywhere, forwarding is on, and no MTU is set.
  'no route',
  'larger than the MTU of the outgoing device',
  'forwarding is off',
  'unreachable route',
  'multicast group not joined',
  'source route refused',
  'reverse path filter',
  'source address may not be forwarded',
];

/** Helpers that expect connections in that family, or in any; snmp_trap expects none. */
export const expecting = (family?: 4 | 6): string[] =>
  HELPERS.filter(({ families }) => family === undefined || families.includes(family))
    .map(({ name }) => name)
    .filter((name) => SPOKEN.includes(name) && name !== 'snmp_trap');

/** What a run of this size must have met and did not: kind and word. Empty for runs too small to tell. */
export function blind(reach: Reach, options: CaseOptions): string[] {
  const enough = reach.cases >= ENOUGH.cases && reach.packets >= ENOUGH.packets;
  if (!enough) return [];
  const missing = (kind: Kind, words: readonly string[]): string[] =>
    words.filter((word) => reach.counts[kind][word] === undefined).map((word) => `${kind}: ${word}`);
  const out = [
    ...missing('verdict', ['ACCEPT', 'DROP']),
    ...missing('hook', ['INPUT', 'OUTPUT', 'FORWARD']),
    ...missing('match', ['builtin true', 'builtin false']),
  ];
  if (reach.rulesHit * 10 < reach.rules) out.push(`rules: ${reach.rulesHit} of ${reach.rules} hit`);
  if (reach.refused * 4 > reach.cases) out.push(`rules: ${reach.refused} lines refused in ${reach.cases} cases`);
  if (options.only !== undefined) return out;
  out.push(
    ...missing('verdict', ['REJECT', 'STACK']),
    ...missing('state', ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED']),
  );
  out.push(...missing('target', ['ACCEPT', 'DROP', 'RETURN', 'jump', 'goto', 'none']));
  if (reach.cases >= RARE.cases && reach.packets >= RARE.packets) out.push(...rarelyMissing(reach, options, missing));
  return out;
}

function rarelyMissing(
  reach: Reach,
  options: CaseOptions,
  missing: (kind: Kind, words: readonly string[]) => string[],
): string[] {
  const without = WITHOUT[options.judge];
  const usable = extensions.filter(
    ({ name, families }) => !without.includes(name) && (options.family === undefined || families.includes(options.family)),
  );
  const matches = usable.filter(({ kind }) => kind === 'match').map(({ name }) => name);
  const out = missing('match', [
    ...matches.filter((name) => !NEVER.includes(name)).map((name) => `${name} true`),
    ...matches.filter((name) => !ALWAYS.includes(name)).map((name) => `${name} false`),
  ]);
  out.push(
    ...missing(
      'target',
      usable.filter(({ kind }) => kind === 'target').map(({ name }) => name),
    ),
  );
  const talkative = reach.cases >= TALKATIVE.cases && reach.packets >= TALKATIVE.packets;
  const believed = expecting(options.family).filter((name) => talkative || SOON_BELIEVED.includes(name));
  out.push(...missing('expected by', believed));
  if (!without.includes('CT')) out.push(...missing('zone of', ['both', 'original', 'reply']));
  out.push(...missing('table', ['raw', 'mangle', 'nat', 'filter', 'security']));
  if (options.judge === 'software') {
    out.push(
      ...missing(
        'relation',
        RELATIONS.map(({ name }) => name),
      ),
    );
    const reachable = (words: readonly string[]): string[] => words.filter((word) => !OUT_OF_REACH.includes(word));
    out.push(...missing('invalid', reachable(INVALID_WORDS)), ...missing('unseen', reachable(UNSEEN_WORDS)));
    out.push(...missing('stack', reachable(STACK_WORDS)));
  }
  const odd = (family: 4 | 6, words: readonly string[]): string[] =>
    options.family === undefined || options.family === family ? missing('headers', words) : [];
  out.push(...odd(4, ['IPv4 options']), ...odd(6, ['hop-by-hop', 'routing', 'destination options', 'authentication']));
  out.push(...odd(4, ['IPv4 first fragment', 'IPv4 later fragment']), ...odd(6, ['IPv6 fragment']));
  return out;
}
