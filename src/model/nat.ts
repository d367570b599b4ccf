/** What a rule of the nat table does with a connection: the options of DNAT, SNAT, MASQUERADE, REDIRECT and NETMAP in one shape (struct nf_nat_range2). */
import type { RuleSet, Words } from './ruleset.ts';

export type NatAddress =
  /** The address stays; only ports are given. */
  | { kind: 'keep' }
  /** One of these; `low` may exceed `high`. */
  | { kind: 'range'; low: Words; high: Words }
  /** That of the device the packet leaves by. */
  | { kind: 'masquerade' }
  /** That of the device the packet came from; in OUTPUT the loopback address. */
  | { kind: 'redirect' }
  /** The network part is replaced: `address` where `mask` has ones. */
  | { kind: 'netmap'; address: Words; mask: Words };

export interface NatPorts {
  low: number;
  high: number;
  /** Given: ports are shifted, `base` becomes `low`. */
  base?: number;
}

export interface NatSpec {
  to: NatAddress;
  ports?: NatPorts;
  random: boolean;
  randomFully: boolean;
  persistent: boolean;
}

/** Notes of a result: what it cannot know. */
export const NAT_NOTES = {
  drawn:
    'the kernel draws lots for a port where --random asks for it, or where the wanted one is taken: such ports are free ones of the range, but not those of the kernel',
  masquerade:
    'MASQUERADE dropped packets (of IPv6, or made them come from ::1), as the kernel does where the host has no address for the outgoing device: if it has one, say so with --addr or --local ADDRESS@DEVICE',
  redirect:
    'REDIRECT dropped packets, as the kernel does where the incoming device has no address: if it has one, say so with --addr or --local ADDRESS@DEVICE',
} as const;

const TRANSLATING: readonly string[] = ['DNAT', 'SNAT', 'MASQUERADE', 'REDIRECT', 'NETMAP'];

const REWRITING: readonly string[] = ['TTL', 'HL', 'TOS', 'DSCP', 'ECN', 'TCPMSS', 'TCPOPTSTRIP', 'DNPT', 'SNPT'];

const hasTarget = ({ tables }: RuleSet, names: readonly string[]): boolean =>
  tables.some(({ chains }) =>
    chains.some(({ rules }) => rules.some(({ target }) => target?.kind === 'extension' && names.includes(target.name))),
  );

/** Some rule changes the bytes of packets, by itself and not by a translation. */
export const rewrites = (rules: RuleSet): boolean => hasTarget(rules, REWRITING);

const TRANSLATING_SOURCES: readonly string[] = ['SNAT', 'MASQUERADE', 'NETMAP'];

/** Some rule may translate the sources of what is forwarded. */
export const translatesSources = (rules: RuleSet): boolean => hasTarget(rules, TRANSLATING_SOURCES);

/** Some rule sets the TTL or hop limit. */
export const setsHops = (rules: RuleSet): boolean => hasTarget(rules, ['TTL', 'HL']);

/** Some rule translates addresses or ports. */
export const translates = (rules: RuleSet): boolean => hasTarget(rules, TRANSLATING);
