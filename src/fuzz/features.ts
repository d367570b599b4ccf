/** Swarm style: what a rule set is to be about, drawn before its rules. */
import type { Draw } from '../extensions/extension.ts';
import { extensions } from '../extensions/index.ts';
import { HELPERS } from '../model/helpers.ts';
import type { Family, TableName } from '../model/ruleset.ts';
import { BROADCAST, protocolOf, SPOKEN } from './talk.ts';

/** Whom a case is for: software takes everything; the running kernel has its own clock; kernels on the capture's clock take pauses and limits too. */
export type Judge = 'software' | 'kernel' | 'virtual';

/** Extensions a judge cannot be asked about: NFLOG's records and those of the trace get into each other's way; limit needs the capture's clock; TEE's copies count; AUDIT tells the machine's own log; which processor works is the bench's choice; IPVS and LED are not there; connlimit counts anew in every jiffy, and nobody knows when the running kernel's begin; when an estimator of rates ticks depends on when the machine began. */
export const WITHOUT: Record<Judge, readonly string[]> = {
  software: [],
  kernel: ['limit', 'connlimit', 'NFLOG', 'TEE', 'AUDIT', 'cpu', 'ipvs', 'LED'],
  virtual: ['NFLOG', 'TEE', 'AUDIT', 'ipvs', 'LED', 'rateest', 'RATEEST'],
};

export interface RuleFeatures {
  /** Extension names a run may use; swarm style: each run switches some off. */
  extensions: readonly string[];
  /** What this rule set is mostly about: bugs live where few things meet often. */
  focus: readonly string[];
  protocols: readonly number[];
  /** Nothing is dropped: connections grow old, and what is remembered of them matters. */
  gentle: boolean;
  /** Matches that stand in the filter chain of every hook, each in a rule of its own. */
  everywhere: readonly string[];
  /** Long TCP talks in which nothing goes wrong, under rules that ask for what differs from packet to packet: of them the engine keeps ways (assembly/classify/known.ts). */
  talks: boolean;
  /** A rule for each connection state before all others: the way of every packet names its state. */
  probed: boolean;
  /** Helpers for all connections of their protocols, one each. */
  helpers: readonly string[];
  tables: readonly TableName[];
  /** Rules a chain has at most, and user chains a table has at most. */
  rules: number;
  chains: number;
}

export const ICMP: Record<Family, number> = { 4: 1, 6: 58 };
/** Protocols as rules name them. */
export const PROTOCOL_WORDS: Record<number, string> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'ipv6-icmp',
  132: 'sctp',
  136: 'udplite',
  47: 'gre',
  50: 'esp',
  51: 'ah',
  33: 'dccp',
  108: 'ipcomp',
  135: 'mobility-header',
};
/** Random features: most of everything, now and then without. `only` and `without` are extension names. */
export function drawFeatures(
  draw: Draw,
  family: Family,
  only?: readonly string[],
  without: readonly string[] = [],
  everywhere: readonly string[] = [],
  topology: 'host' | 'forward' = 'forward',
): RuleFeatures {
  // So many bring conntrack, and defragmentation with it or alone, that hardly a fragment would meet a rule as it came.
  const untracked = only === undefined && draw.chance(0.25);
  if (only === undefined && !untracked && draw.chance(0.12)) return drawTalks(draw, without);
  // Some relations hold only where nothing but connections is remembered.
  const forgetful = only === undefined && draw.chance(0.2);
  const names = extensions
    .filter(({ needsConntrack, needsDefragmentation }) => !untracked || (needsConntrack ?? needsDefragmentation) === undefined)
    .filter(({ name, keepsState }) => !forgetful || !(keepsState || name === 'time'))
    .map((extension) => extension.name)
    .filter((name) => !without.includes(name) && (only === undefined || only.includes(name)));
  const some = names.filter(() => draw.chance(0.7));
  const kept = some.length > 0 ? some : names;
  const helpers = names.includes('CT') ? drawHelpers(draw, family, only === undefined ? 0.25 : 0.5, topology) : [];
  const gentle = draw.chance(helpers.length > 0 ? 0.85 : 0.3);
  const focus = drawFocus(draw, kept, family);
  if (gentle && names.includes('conntrack')) focus.push('conntrack');
  // Only there do fragments reach rules.
  if (untracked && family === 6 && names.includes('frag') && draw.chance(0.25)) focus.push('frag');
  const probed = names.includes('conntrack') && draw.chance(0.3);
  const needed = (table: TableName): boolean =>
    focus.some((name) => TABLES[name] === table) || (table === 'raw' && helpers.length > 0) || (table === 'mangle' && probed);
  const tables = (['raw', 'mangle', 'nat', 'security'] as const).filter((table) => draw.chance(0.35) || needed(table));
  return {
    extensions: [...new Set([...kept, ...focus])],
    focus,
    gentle,
    talks: false,
    probed,
    helpers,
    everywhere: everywhere.filter((name) => names.includes(name)),
    protocols: drawProtocols(draw, family, focus),
    tables: [...tables, 'filter'],
    rules: draw.pick([2, 4, 8, 16]),
    chains: draw.pick([0, 1, 3, 5]),
  };
}

/** What asks for flags, and for what else a packet has of its own; and for the connection. */
const OF_PACKETS: readonly string[] = [
  'tcp',
  'length',
  'ttl',
  'hl',
  'tos',
  'dscp',
  'mac',
  'pkttype',
  'mark',
  'multiport',
  'conntrack',
  'state',
];

function drawTalks(draw: Draw, without: readonly string[]): RuleFeatures {
  const names = OF_PACKETS.filter((name) => !without.includes(name));
  return {
    extensions: names,
    focus: draw.chance() ? [] : ['tcp', draw.pick(names)],
    protocols: [6],
    gentle: true,
    talks: true,
    probed: draw.chance(0.3),
    helpers: [],
    everywhere: [],
    tables: draw.pick([['filter'], ['mangle', 'filter']] as const),
    // Most rules are about pushes (rules.ts): what others ask for is soon asked of every packet.
    rules: draw.pick([0, 1, 2, 8]),
    chains: draw.pick([0, 0, 1]),
  };
}

/** Helpers that hear much before they expect something: one line of many says it, or what was said last must have been whole. */
const SLOW: readonly string[] = ['ftp', 'sane', 'amanda'];

/** Mostly none; one, or one of each protocol. A router seldom has those that listen to its own broadcasts. */
function drawHelpers(draw: Draw, family: Family, often: number, topology: 'host' | 'forward'): string[] {
  if (!draw.chance(often)) return [];
  const silent = topology === 'forward' && draw.chance(0.7) ? BROADCAST : [];
  const known = HELPERS.filter(
    ({ name, families }) => SPOKEN.includes(name) && !silent.includes(name) && families.includes(family),
  );
  const { name: first } = draw.pick([...known, ...known.filter(({ name }) => SLOW.includes(name))]);
  const others = known.map(({ name }) => name).filter((name) => protocolOf(name) !== protocolOf(first));
  return draw.chance(0.3) && others.length > 0 ? [first, draw.pick(others)] : [first];
}

/** What is of no use alone. */
const COMPANY: Readonly<Record<string, string>> = {
  mark: 'MARK',
  MARK: 'mark',
  connmark: 'CONNMARK',
  CONNMARK: 'connmark',
  HMARK: 'mark',
  rateest: 'RATEEST',
};
/** Where targets stand that are legal, or of use, in one table only. */
const TABLES: Readonly<Record<string, TableName>> = {
  rpfilter: 'raw',
  MARK: 'mangle',
  CONNMARK: 'mangle',
  CONNSECMARK: 'mangle',
  CT: 'raw',
  NOTRACK: 'raw',
  TRACE: 'raw',
  CHECKSUM: 'mangle',
  DNAT: 'nat',
  SNAT: 'nat',
  MASQUERADE: 'nat',
  REDIRECT: 'nat',
  NETMAP: 'nat',
  TTL: 'mangle',
  HL: 'mangle',
  TOS: 'mangle',
  DSCP: 'mangle',
  ECN: 'mangle',
  HMARK: 'mangle',
  TCPMSS: 'mangle',
  TCPOPTSTRIP: 'mangle',
  SNPT: 'mangle',
  DNPT: 'mangle',
  TPROXY: 'mangle',
};

/** What needs more than to stand in a rule: a family, a table, packets that nobody put together, a connection that goes on. They are looked at more often. */
const HARD: readonly string[] = [
  'CT',
  'DNPT',
  'SNPT',
  'SYNPROXY',
  'TPROXY',
  'SNAT',
  'MASQUERADE',
  'frag',
  'eui64',
  'mh',
  'ipcomp',
];

function drawFocus(draw: Draw, names: readonly string[], family: Family): string[] {
  if (!draw.chance(0.7)) return [];
  const focus = Array.from({ length: draw.integer(1, 3) }, () => draw.pick(names));
  const hard = names.filter((name) => HARD.includes(name) && isOf(name, family));
  if (hard.length > 0 && draw.chance(0.45)) focus.push(draw.pick(hard));
  return [...new Set(focus.flatMap((name) => [name, ...(COMPANY[name] === undefined ? [] : [COMPANY[name]])]))];
}

const isOf = (name: string, family: Family): boolean =>
  extensions.some((extension) => extension.name === name && extension.families.includes(family));

/** Those the focus needs, or one or two; empty: all kinds. */
function drawProtocols(draw: Draw, family: Family, focus: readonly string[]): number[] {
  const asked = extensions
    .filter(({ name, families }) => focus.includes(name) && families.includes(family))
    .flatMap(
      ({ legality, ...extension }) => legality?.protocols ?? ('implicitFor' in extension ? (extension.implicitFor ?? []) : []),
    )
    .filter((protocol) => PROTOCOL_WORDS[protocol] !== undefined);
  if (asked.length > 0 && draw.chance(0.8)) return asked;
  if (!draw.chance()) return [];
  const kinds = [6, 6, 17, ICMP[family], 132, 132, 136, 47];
  return [draw.pick(kinds), draw.pick(kinds)];
}
