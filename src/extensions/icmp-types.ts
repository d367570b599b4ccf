/** ICMP and ICMPv6 types by the names iptables knows, and what icmp and icmp6 share. Numbers from RFC 792, 1122, 1256 and 4443, 4861. */
import { FIELD_ICMP_CODE, FIELD_ICMP_TYPE } from '../abi/fields.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Test } from '../model/predicate.ts';
import type { PacketView } from '../packet/view.ts';
import type { Draw, GivenOption } from './extension.ts';
import { abbreviates, bang, type Given, textOf } from './given.ts';
import { notFragment, range, transportHas, wordRange } from './tests.ts';

export interface IcmpOptions {
  type: number;
  /** Codes from low to high; 0 to 255 when no code was asked for. */
  low: number;
  high: number;
  invert: boolean;
}

const HEADER = 8;

/** Name, type, code (absent: every code). */
type Named = readonly [string, number, number?];

export const ICMP_TYPES: readonly Named[] = [
  ['any', 255],
  ['echo-reply', 0],
  ['pong', 0],
  ['destination-unreachable', 3],
  ['network-unreachable', 3, 0],
  ['host-unreachable', 3, 1],
  ['protocol-unreachable', 3, 2],
  ['port-unreachable', 3, 3],
  ['fragmentation-needed', 3, 4],
  ['source-route-failed', 3, 5],
  ['network-unknown', 3, 6],
  ['host-unknown', 3, 7],
  ['network-prohibited', 3, 9],
  ['host-prohibited', 3, 10],
  ['TOS-network-unreachable', 3, 11],
  ['TOS-host-unreachable', 3, 12],
  ['communication-prohibited', 3, 13],
  ['host-precedence-violation', 3, 14],
  ['precedence-cutoff', 3, 15],
  ['source-quench', 4],
  ['redirect', 5],
  ['network-redirect', 5, 0],
  ['host-redirect', 5, 1],
  ['TOS-network-redirect', 5, 2],
  ['TOS-host-redirect', 5, 3],
  ['echo-request', 8],
  ['ping', 8],
  ['router-advertisement', 9],
  ['router-solicitation', 10],
  ['time-exceeded', 11],
  ['ttl-exceeded', 11],
  ['ttl-zero-during-transit', 11, 0],
  ['ttl-zero-during-reassembly', 11, 1],
  ['parameter-problem', 12],
  ['ip-header-bad', 12, 0],
  ['required-option-missing', 12, 1],
  ['timestamp-request', 13],
  ['timestamp-reply', 14],
  ['address-mask-request', 17],
  ['address-mask-reply', 18],
];

export const ICMP6_TYPES: readonly Named[] = [
  ['destination-unreachable', 1],
  ['no-route', 1, 0],
  ['communication-prohibited', 1, 1],
  ['beyond-scope', 1, 2],
  ['address-unreachable', 1, 3],
  ['port-unreachable', 1, 4],
  ['failed-policy', 1, 5],
  ['reject-route', 1, 6],
  ['packet-too-big', 2],
  ['time-exceeded', 3],
  ['ttl-exceeded', 3],
  ['ttl-zero-during-transit', 3, 0],
  ['ttl-zero-during-reassembly', 3, 1],
  ['parameter-problem', 4],
  ['bad-header', 4, 0],
  ['unknown-header-type', 4, 1],
  ['unknown-option', 4, 2],
  ['echo-request', 128],
  ['ping', 128],
  ['echo-reply', 129],
  ['pong', 129],
  ['router-solicitation', 133],
  ['router-advertisement', 134],
  ['neighbour-solicitation', 135],
  ['neighbor-solicitation', 135],
  ['neighbour-advertisement', 136],
  ['neighbor-advertisement', 136],
  ['redirect', 137],
];

/** A name that only one type starts with, or TYPE, TYPE/CODE, TYPE/CODE:CODE. */
export function readIcmp(given: Given, one: GivenOption, types: readonly Named[]): IcmpOptions {
  const text = textOf(one);
  const named = types.filter(([name]) => abbreviates(text, name));
  const [found, other] = named;
  if (other !== undefined) throw given.wants(one, 'one type', `${named.map(([name]) => name).join(' or ')}?`);
  if (found !== undefined) {
    const [, type, code] = found;
    return { type, low: code ?? 0, high: code ?? 255, invert: one.invert };
  }
  const [typeText = '', codes, ...rest] = text.split('/');
  const type = parseUnsigned(typeText, 255);
  const [low, high = low, ...more] = (codes ?? '0:255').split(':').map((code) => parseUnsigned(code, 255));
  if (type === undefined || low === undefined || high === undefined || rest.length > 0 || more.length > 0) {
    throw given.wants(one, 'a type by name, TYPE or TYPE/CODE (0 to 255)', 'for example echo-request, 8 or 3/4');
  }
  return { type, low, high, invert: one.invert };
}

/** iptables-save forgets the upper end of a range of codes. */
export function printIcmp(name: string, { type, low, high, invert }: IcmpOptions, any: boolean): string {
  if (any) return `${bang(invert)} --${name} any`;
  return `${bang(invert)} --${name} ${type}${low === 0 && high === 255 ? '' : `/${low}`}`;
}

/** xt_tcpudp.c icmp_match, icmp6_match. `any`: type 255 of ICMP. */
export function icmpMatches({ type, low, high, invert }: IcmpOptions, any: boolean, packet: PacketView): boolean | 'hotdrop' {
  if (packet.fragmentOffset !== 0) return false;
  if (packet.transport.length < HEADER) return 'hotdrop';
  const code = packet.transport[1] ?? 0;
  return (any || (packet.transport[0] === type && code >= low && code <= high)) !== invert;
}

export function icmpTests({ type, low, high, invert }: IcmpOptions, any: boolean): Test[] {
  const tests = [notFragment(), transportHas(HEADER, 'hotdrop')];
  if (any) return invert ? [...tests, { kind: 'constant', value: false }] : tests;
  if (low === 0 && high === 255) return [...tests, range(FIELD_ICMP_TYPE, type, type, invert)];
  // Type and code are neighbours: as one number they are one range, which can be inverted as a whole.
  if (invert) return [...tests, wordRange(FIELD_ICMP_TYPE, [type, low], [type, high], true)];
  return [...tests, range(FIELD_ICMP_TYPE, type, type), range(FIELD_ICMP_CODE, low, high)];
}

export function generateIcmp(draw: Draw, name: string, types: readonly Named[]): string[] {
  if (types.some(([each]) => each === 'any') && draw.chance(0.1)) return [...(draw.chance() ? ['!'] : []), `--${name}`, 'any'];
  const [word, type, code] = draw.pick(
    types.filter(([each]) => types.filter(([other]) => abbreviates(each, other)).length === 1),
  );
  const numeric = draw.chance(0.3) ? String(type) : `${type}/${code ?? draw.pick([0, 1, 255])}`;
  return [...(draw.chance(0.2) ? ['!'] : []), `--${name}`, draw.chance() ? word : numeric];
}

export function showIcmp({ fragmentOffset, transport }: PacketView): string {
  if (fragmentOffset !== 0) return `fragment at offset ${fragmentOffset}`;
  return transport.length < HEADER ? `${transport.length} bytes of ICMP` : `type ${transport[0]}, code ${transport[1]}`;
}
