/** What conntrack and state share: states and addresses read and printed, and the kernel's answer (conntrack_mt). */
import {
  CT_ESTABLISHED,
  CT_INVALID,
  CT_NEW,
  CT_RELATED,
  CT_UNTRACKED,
  STATUS_ASSURED,
  STATUS_CONFIRMED,
  STATUS_DST_NAT,
  STATUS_EXPECTED,
  STATUS_SEEN_REPLY,
  STATUS_SRC_NAT,
} from '../abi/fields.ts';
import { CONNTRACK_STATE_DNAT, CONNTRACK_STATE_SNAT } from '../abi/special.ts';
import { formatAddress, parseAddress, prefixMask, prefixOf } from '../model/address.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Family, Words } from '../model/ruleset.ts';
import type { ConnectionView, PacketView, TupleView } from '../packet/view.ts';
import type { GivenOption } from './extension.ts';
import { abbreviates, type Given, textOf } from './given.ts';
import { type PortRange, portMatches } from './ports.ts';

export type Side = 'origsrc' | 'origdst' | 'replsrc' | 'repldst';

/** The address is kept as written, not masked; iptables-save prints it so. */
export interface AddressCondition {
  address: Words;
  mask: Words;
  invert: boolean;
}

export interface ConntrackOptions {
  /** Bits 1 << CT_* and CONNTRACK_STATE_SNAT, _DNAT. */
  state?: { mask: number; invert: boolean };
  protocol?: { number: number; invert: boolean };
  addresses: Partial<Record<Side, AddressCondition>>;
  ports: Partial<Record<Side, PortRange>>;
  /** IPS_* bits; 0 is NONE, which no connection meets. */
  status?: { mask: number; invert: boolean };
  /** Seconds. */
  expire?: { low: number; high: number; invert: boolean };
  direction?: 'ORIGINAL' | 'REPLY';
}

/** In the order iptables-save prints them. */
const STATES: readonly (readonly [string, number])[] = [
  ['INVALID', 1 << CT_INVALID],
  ['NEW', 1 << CT_NEW],
  ['RELATED', 1 << CT_RELATED],
  ['ESTABLISHED', 1 << CT_ESTABLISHED],
  ['UNTRACKED', 1 << CT_UNTRACKED],
  ['SNAT', CONNTRACK_STATE_SNAT],
  ['DNAT', CONNTRACK_STATE_DNAT],
];
export const STATE_BITS: Readonly<Record<string, number>> = Object.fromEntries(STATES);

/** In the order iptables-save prints them. */
export const STATUSES: readonly (readonly [string, number])[] = [
  ['NONE', 0],
  ['EXPECTED', STATUS_EXPECTED],
  ['SEEN_REPLY', STATUS_SEEN_REPLY],
  ['ASSURED', STATUS_ASSURED],
  ['CONFIRMED', STATUS_CONFIRMED],
];

/** A list of states, each abbreviable, in any case. `nat`: SNAT and DNAT are states too. */
export function readStates(all: Given, one: GivenOption, nat: boolean): { mask: number; invert: boolean } {
  const known = nat ? STATES : STATES.slice(0, 5);
  let mask = 0;
  for (const word of textOf(one).split(',')) {
    const found = word === '' ? undefined : known.find(([name]) => abbreviates(word, name));
    if (found === undefined) {
      const hint = 'separate states with commas, without blanks: ESTABLISHED,RELATED';
      throw all.wants(one, `a list of ${known.map(([name]) => name).join(', ')}`, hint);
    }
    mask |= found[1];
  }
  return { mask, invert: one.invert };
}

export function printStates(mask: number): string {
  return STATES.filter(([, bit]) => (mask & bit) !== 0)
    .map(([name]) => name)
    .join(',');
}

/** ADDRESS, ADDRESS/PREFIX or ADDRESS/MASK. */
export function readHost(all: Given, one: GivenOption, family: Family): AddressCondition {
  const [host = '', ...rest] = textOf(one).split('/');
  const address = hostAddress(host, family);
  const prefix = rest.length === 0 ? 32 * (address?.length ?? 0) : prefixLength(rest.join('/'), family);
  if (address === undefined || prefix === undefined) {
    throw all.wants(
      one,
      `an IPv${family} address, ADDRESS/PREFIX or ADDRESS/MASK`,
      'host names are not resolved: write the address',
    );
  }
  return { address, mask: prefixMask(prefix, family), invert: one.invert };
}

/** A number of bits, or a mask written as an address; one with holes counts as a host mask, as libxtables 1.8.9 has it. */
export function prefixLength(text: string, family: Family): number | undefined {
  const bits = family === 4 ? 32 : 128;
  const number = parseUnsigned(text, bits);
  if (number !== undefined) return number;
  const mask = hostAddress(text, family);
  return mask === undefined ? undefined : (prefixOf(mask) ?? bits);
}

/** Here libxtables asks getaddrinfo: the last of fewer than four IPv4 parts fills what is left (`10` is 0.0.0.10). */
function hostAddress(text: string, family: Family): Words | undefined {
  const parts = text.split('.');
  if (family === 6 || parts.length > 3) return parseAddress(text, family);
  const last = parseUnsigned(parts.pop() ?? '', 2 ** (32 - 8 * parts.length) - 1);
  const bytes = parts.map((part) => parseUnsigned(part, 255));
  if (last === undefined || bytes.includes(undefined)) return undefined;
  return [bytes.reduce<number>((sum, byte, i) => sum + (byte ?? 0) * 2 ** (24 - 8 * i), last)];
}

export function printAddress({ address, mask }: AddressCondition): string {
  const prefix = prefixOf(mask);
  return prefix === 32 * mask.length ? formatAddress(address) : `${formatAddress(address)}/${prefix}`;
}

/** What conntrack_mt answers: without a connection only the state counts, and a rule that does not ask for it never matches. */
export function conntrackMatches(options: ConntrackOptions, packet: PacketView): boolean {
  const { connection } = packet;
  if (options.state !== undefined && stateMatches(options.state.mask, packet) === options.state.invert) return false;
  if (connection === null) return options.state !== undefined;
  if (options.direction !== undefined && packet.direction !== options.direction) return false;
  return tuplesMatch(options, connection) && statusMatches(options, connection);
}

function stateMatches(mask: number, { ctstate, connection }: PacketView): boolean {
  let bits = STATE_BITS[ctstate] ?? 0;
  if (connection !== null && (connection.status & STATUS_SRC_NAT) !== 0) bits |= CONNTRACK_STATE_SNAT;
  if (connection !== null && (connection.status & STATUS_DST_NAT) !== 0) bits |= CONNTRACK_STATE_DNAT;
  return (bits & mask) !== 0;
}

function statusMatches({ status, expire }: ConntrackOptions, connection: ConnectionView): boolean {
  if (status !== undefined && ((connection.status & status.mask) !== 0) === status.invert) return false;
  if (expire === undefined) return true;
  return (connection.expires >= expire.low && connection.expires <= expire.high) !== expire.invert;
}

function tuplesMatch({ protocol, addresses, ports }: ConntrackOptions, { original, reply }: ConnectionView): boolean {
  if (protocol !== undefined && (original.protocol === protocol.number) === protocol.invert) return false;
  const of = (side: Side): TupleView => (side === 'origsrc' || side === 'origdst' ? original : reply);
  const isSource = (side: Side): boolean => side === 'origsrc' || side === 'replsrc';
  for (const side of Object.keys(addresses) as Side[]) {
    const condition = addresses[side];
    const address = isSource(side) ? of(side).source : of(side).destination;
    if (condition !== undefined && sameMasked(address, condition) === condition.invert) return false;
  }
  return (Object.keys(ports) as Side[]).every((side) =>
    portMatches(ports[side], isSource(side) ? of(side).sourcePort : of(side).destinationPort),
  );
}

function sameMasked(address: Words, condition: AddressCondition): boolean {
  return condition.mask.every((mask, i) => (((address[i] ?? 0) ^ (condition.address[i] ?? 0)) & mask) === 0);
}

export function showConnection({ connection, ctstate, direction }: PacketView): string {
  if (connection === null) return `state ${ctstate}, no connection`;
  const names = STATUSES.filter(([, bit]) => (connection.status & bit) !== 0).map(([name]) => name);
  return `state ${ctstate}, direction ${direction}, status ${names.length === 0 ? 'NONE' : names.join(',')}`;
}
