/**
 * The values at which a rule set's answers change: just below, first, last and just above of every range, prefix, list and mask its rules ask for. Traffic is drawn from them.
 * What a match asks for is read from its lowered tests: that biases packets, it judges nothing.
 */
import * as fields from '../abi/fields.ts';
import { SPECIAL_CONNTRACK, SPECIAL_TCP_OPTION, SPECIAL_TCPMSS } from '../abi/special.ts';
import { findMatch } from '../extensions/index.ts';
import { type Rate, SCALE, tokenBucket } from '../extensions/limit-arithmetic.ts';
import { formatAddress } from '../model/address.ts';
import type { Test } from '../model/predicate.ts';
import type { Profile } from '../model/profile.ts';
import type { AddressMatch, Family, Match, Rule, RuleSet } from '../model/ruleset.ts';
import { needsConntrack } from '../reference/tables.ts';
import { WantedBytes } from './wanted-bytes.ts';

export interface Boundaries {
  ports: number[];
  lengths: number[];
  ttls: number[];
  /** Whole TOS bytes. */
  tos: number[];
  /** Flag bytes a mask or value names, and each with one bit off. */
  flags: number[];
  icmpTypes: number[];
  icmpCodes: number[];
  /** TCP option kinds. */
  tcpOptions: number[];
  /** As text. */
  addresses: string[];
  /** Nanoseconds between packets: a limit's interval, its whole burst, the lives of connections where there are such, and one less and more. */
  gaps: bigint[];
  /** What has no list of its own. */
  bytes: WantedBytes;
}

type Numbers = Exclude<keyof Boundaries, 'addresses' | 'gaps' | 'bytes'>;

/** Which list a field's values go to, and the largest value of the field. */
const LISTS: Readonly<Record<number, readonly [Exclude<Numbers, 'flags'>, number]>> = {
  [fields.FIELD_SPORT]: ['ports', 0xffff],
  [fields.FIELD_DPORT]: ['ports', 0xffff],
  [fields.FIELD_LENGTH]: ['lengths', 0xffff],
  [fields.FIELD_TTL]: ['ttls', 0xff],
  [fields.FIELD_TOS]: ['tos', 0xff],
  [fields.FIELD_ICMP_TYPE]: ['icmpTypes', 0xff],
  [fields.FIELD_ICMP_CODE]: ['icmpCodes', 0xff],
};

const FLAG_BITS = 6;
/** The kind of TCP option that tcpmss looks for. */
const SEGMENT_SIZE = 2;
const SECOND = 1_000_000_000n;
/** Seconds after which connections of all kinds and states are forgotten, and become streams. */
const LIVES = [2, 10, 30, 60, 120, 180, 300, 600, 432_000];

/** All boundaries of a rule set, each once. */
export function boundariesOf(ruleset: RuleSet, profile: Profile): Boundaries {
  const collector = new Collector(ruleset.family, profile);
  if (needsConntrack(ruleset)) collector.lives();
  for (const { chains } of ruleset.tables) for (const { rules } of chains) for (const rule of rules) collector.rule(rule);
  return collector.boundaries();
}

class Collector {
  readonly #family: Family;
  readonly #profile: Profile;
  readonly #numbers = {
    ports: new Set<number>(),
    lengths: new Set<number>(),
    ttls: new Set<number>(),
    tos: new Set<number>(),
    flags: new Set<number>(),
    icmpTypes: new Set<number>(),
    icmpCodes: new Set<number>(),
    tcpOptions: new Set<number>(),
  };
  readonly #addresses = new Set<bigint>();
  readonly #gaps = new Set<bigint>();
  readonly #bytes = new WantedBytes();

  constructor(family: Family, profile: Profile) {
    this.#family = family;
    this.#profile = profile;
  }

  boundaries(): Boundaries {
    const numbers = Object.fromEntries(Object.entries(this.#numbers).map(([name, values]) => [name, [...values]]));
    const addresses = [...this.#addresses].filter((address) => mayTravel(address, this.#family));
    return {
      ...(numbers as Record<Numbers, number[]>),
      addresses: addresses.map((address) => formatAddress(wordsOf(address, this.#family))),
      gaps: [...this.#gaps],
      bytes: this.#bytes,
    };
  }

  rule({ builtin, matches }: Rule): void {
    this.#prefix(builtin.source);
    this.#prefix(builtin.destination);
    for (const match of matches) this.#match(match);
  }

  #match({ name, options }: Match): void {
    if (name === 'limit') this.#limit(options as Rate);
    const extension = findMatch(name, this.#family);
    const tests = extension?.lower(options, { family: this.#family, profile: this.#profile }) ?? [];
    for (const test of tests) this.#test(test);
  }

  #test(test: Test): void {
    if (test.kind === 'range') this.#range(test.field, test.low, test.high);
    else if (test.kind === 'ranges')
      for (const field of test.fields) for (const [low, high] of test.ranges) this.#range(field, low, high);
    else if (test.kind === 'mask') this.#mask(test.field, test.mask, test.value);
    else if (test.kind === 'special') this.#special(test.code, test.parameters);
    else if (test.kind === 'constant' || !isAddress(test.field)) return;
    else if (test.kind === 'words') this.#prefix({ address: test.value, mask: test.mask, invert: false });
    else this.#addressRange(bigOf(test.low), bigOf(test.high));
  }

  /** Of conntrack the last eight words are port ranges. */
  #special(code: number, parameters: readonly number[]): void {
    this.#bytes.add(code, parameters);
    if (code === SPECIAL_TCP_OPTION) this.#numbers.tcpOptions.add(parameters[0]!);
    if (code === SPECIAL_TCPMSS) this.#numbers.tcpOptions.add(SEGMENT_SIZE);
    if (code !== SPECIAL_CONNTRACK) return;
    for (let at = parameters.length - 8; at < parameters.length; at += 2)
      this.#range(fields.FIELD_SPORT, parameters[at]!, parameters[at + 1]!);
  }

  #range(field: number, low: number, high: number): void {
    const list = LISTS[field];
    if (list === undefined) return;
    const [name, most] = list;
    for (const value of [low - 1, low, high, high + 1]) if (value >= 0 && value <= most) this.#numbers[name].add(value);
  }

  #mask(field: number, mask: number, value: number): void {
    if (field !== fields.FIELD_TCP_FLAGS) {
      this.#range(field, value, value | (~mask & (LISTS[field]?.[1] ?? 0)));
      return;
    }
    for (const word of [value, mask, value | (~mask & 0x3f)]) {
      this.#numbers.flags.add(word & 0x3f);
      for (let bit = 0; bit < FLAG_BITS; bit++)
        if ((mask & (1 << bit)) !== 0) this.#numbers.flags.add((word ^ (1 << bit)) & 0x3f);
    }
  }

  #prefix(match: AddressMatch | undefined): void {
    if (match === undefined) return;
    const mask = bigOf(match.mask);
    const first = bigOf(match.address) & mask;
    const all = (1n << BigInt(match.mask.length * 32)) - 1n;
    this.#addressRange(first, first | (mask ^ all));
  }

  #addressRange(first: bigint, last: bigint): void {
    for (const address of [first - 1n, first, last, last + 1n]) this.#addresses.add(address);
  }

  lives(): void {
    for (const seconds of LIVES) this.#gap(BigInt(seconds) * SECOND);
  }

  #gap(gap: bigint): void {
    const jiffy = SECOND / BigInt(this.#profile.hz);
    for (const off of [-jiffy, -1n, 0n, 1n, jiffy]) if (gap + off > 0n) this.#gaps.add(gap + off);
  }

  /** `average` is in ten thousandths of a second a packet. */
  #limit({ average, burst }: Rate): void {
    // nf_tables counts in nanoseconds of a whole rate, the kernel module in jiffies.
    const interval =
      this.#profile.backend === 'nft'
        ? tokenBucket({ average, burst }).cost
        : (BigInt(Math.round(average)) * SECOND) / BigInt(SCALE);
    this.#gap(interval);
    this.#gap(interval * BigInt(burst));
  }
}

const isAddress = (field: number): boolean => field === fields.FIELD_SOURCE || field === fields.FIELD_DESTINATION;

const bigOf = (words: readonly number[]): bigint => words.reduce((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n);

const wordsOf = (address: bigint, family: Family): number[] =>
  Array.from({ length: family === 4 ? 1 : 4 }, (_, index, count = family === 4 ? 1 : 4) =>
    Number((address >> BigInt((count - 1 - index) * 32)) & 0xffffffffn),
  );

/**
 * Addresses of ordinary hosts only. Zero, loopback, multicast, reserved and link-local ones have ways of their own through the stack (martians, groups), which test/kernel and
 * test/reference look at; among random packets they would mostly be dropped before a rule sees them.
 */
function mayTravel(address: bigint, family: Family): boolean {
  if (family === 4) {
    const first = Number(address >> 24n);
    return (
      address >= 0n && first > 0 && first < 224 && first !== 127 && (first !== 169 || Number((address >> 16n) & 255n) !== 254)
    );
  }
  const first = Number(address >> 112n);
  return address > 1n && first > 0 && first < 0xfe00;
}
