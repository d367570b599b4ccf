/**
 * The options every rule has of its own: -s -d -i -o -p -f. Kernel: ip_packet_match (net/ipv4/netfilter/ip_tables.c) and ip6_packet_match
 * (net/ipv6/netfilter/ip6_tables.c), in their order: addresses, interfaces, protocol, fragment. iptables-nft compiles all of them natively.
 */
import {
  FIELD_DESTINATION,
  FIELD_FRAGMENT,
  FIELD_HEADER_ERROR,
  FIELD_IN_INTERFACE,
  FIELD_OUT_INTERFACE,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
} from '../abi/fields.ts';
import { formatAddress } from '../model/address.ts';
import { protocolName } from '../model/names.ts';
import type { Test } from '../model/predicate.ts';
import type { Profile } from '../model/profile.ts';
import type { AddressMatch, Builtin, Family, InterfaceMatch, Words } from '../model/ruleset.ts';
import type { PacketView } from '../packet/view.ts';
import { range, words } from './tests.ts';

export interface BuiltinContext {
  family: Family;
  /** Ids of the interfaces a pattern stands for, one contiguous range; low above high when there are none. Never asked for `+` alone. */
  interfaceRange(pattern: string): readonly [low: number, high: number];
  /** Without one, the legacy backend. */
  profile?: Pick<Profile, 'backend'>;
}

/** The tests, in the kernel's order. */
export function lowerBuiltin(builtin: Builtin, context: BuiltinContext): Test[] {
  const tests = addressTests(FIELD_SOURCE, builtin.source);
  tests.push(...addressTests(FIELD_DESTINATION, builtin.destination));
  tests.push(...interfaceTests(FIELD_IN_INTERFACE, builtin.inInterface, context));
  tests.push(...interfaceTests(FIELD_OUT_INTERFACE, builtin.outInterface, context));
  tests.push(...(context.family === 4 ? protocolTests4(builtin) : protocolTests6(builtin, context.profile?.backend ?? 'legacy')));
  if (builtin.fragment !== undefined) tests.push(range(FIELD_FRAGMENT, 0, 0, !builtin.fragment.invert));
  return tests;
}

function addressTests(field: number, match: AddressMatch | undefined): Test[] {
  if (match === undefined) return [];
  const isEverything = match.mask.every((word) => word === 0) && match.address.every((word) => word === 0);
  return isEverything && !match.invert ? [] : [words(field, match.mask, match.address, match.invert)];
}

/** No device has the empty name, which is id 0: `! -o eth0` matches where there is no out-device. */
function interfaceTests(field: number, match: InterfaceMatch | undefined, { interfaceRange }: BuiltinContext): Test[] {
  if (match === undefined || match.pattern === '') return [];
  // Everything begins with nothing, the missing device too.
  if (match.pattern === '+') return match.invert ? [{ kind: 'constant', value: false }] : [];
  const [low, high] = interfaceRange(match.pattern);
  return [range(field, low, high, match.invert)];
}

function protocolTests4({ protocol }: Builtin): Test[] {
  if (protocol === undefined || protocol.number === 0) return [];
  return [range(FIELD_PROTOCOL, protocol.number, protocol.number, protocol.invert)];
}

/**
 * The header chain is walked for every written -p, `-p all` too (legacy), and one that cannot be parsed drops the packet or misses. nft does not
 * look for `-p all`, and an unparsable chain always misses.
 */
function protocolTests6({ protocol }: Builtin, backend: Profile['backend']): Test[] {
  if (protocol === undefined || (backend === 'nft' && protocol.number === 0)) return [];
  const tests =
    backend === 'nft'
      ? [range(FIELD_HEADER_ERROR, 0, 0)]
      : [range(FIELD_HEADER_ERROR, 1, 1, true, 'hotdrop'), range(FIELD_HEADER_ERROR, 2, 2, true)];
  if (protocol.number === 0 && !protocol.invert) return tests;
  return [...tests, range(FIELD_PROTOCOL, protocol.number, protocol.number, protocol.invert)];
}

/** What the kernel answers; `profile` as in lowerBuiltin. */
export function evaluateBuiltin(builtin: Builtin, packet: PacketView, profile?: Pick<Profile, 'backend'>): boolean | 'hotdrop' {
  if (!addressMatches(builtin.source, packet.source) || !addressMatches(builtin.destination, packet.destination)) return false;
  if (!interfaceMatches(builtin.inInterface, packet.inInterface)) return false;
  if (!interfaceMatches(builtin.outInterface, packet.outInterface)) return false;
  const protocol = protocolMatches(builtin, packet, profile?.backend ?? 'legacy');
  if (protocol !== true) return protocol;
  const isFragment = packet.fragmentOffset !== 0;
  return builtin.fragment === undefined || isFragment !== builtin.fragment.invert;
}

function addressMatches(match: AddressMatch | undefined, address: Words): boolean {
  if (match === undefined) return true;
  const same = match.mask.every((mask, i) => ((address[i] ?? 0) & mask) >>> 0 === (match.address[i] ?? 0) >>> 0);
  return same !== match.invert;
}

function interfaceMatches(match: InterfaceMatch | undefined, name: string): boolean {
  if (match === undefined || match.pattern === '') return true;
  const same = match.pattern.endsWith('+') ? name.startsWith(match.pattern.slice(0, -1)) : name === match.pattern;
  return same !== match.invert;
}

function protocolMatches({ protocol }: Builtin, packet: PacketView, backend: Profile['backend']): boolean | 'hotdrop' {
  if (protocol === undefined) return true;
  if (packet.family === 4) return protocol.number === 0 || (packet.protocol === protocol.number) !== protocol.invert;
  if (backend === 'nft' && protocol.number === 0) return true;
  if (packet.protocol < 0) return backend === 'legacy' && packet.protocolFailure === 'hotdrop' ? 'hotdrop' : false;
  if (packet.protocol === protocol.number) return !protocol.invert;
  return protocol.number === 0 || protocol.invert;
}

/** For `trace`: what the packet has where the rule's own options look. */
export function showBuiltin(builtin: Builtin, packet: PacketView): string {
  const shown: string[] = [];
  if (builtin.source !== undefined) shown.push(`src ${formatAddress(packet.source)}`);
  if (builtin.destination !== undefined) shown.push(`dst ${formatAddress(packet.destination)}`);
  if (builtin.inInterface !== undefined) shown.push(packet.inInterface === '' ? 'no in-interface' : `in ${packet.inInterface}`);
  if (builtin.outInterface !== undefined)
    shown.push(packet.outInterface === '' ? 'no out-interface' : `out ${packet.outInterface}`);
  if (builtin.protocol !== undefined) shown.push(showProtocol(packet));
  if (builtin.fragment !== undefined)
    shown.push(packet.fragmentOffset === 0 ? 'no fragment' : `fragment at offset ${packet.fragmentOffset}`);
  return shown.join(', ');
}

function showProtocol({ protocol }: PacketView): string {
  return protocol < 0 ? 'header chain not parsable' : `protocol ${protocolName(protocol) ?? protocol}`;
}
