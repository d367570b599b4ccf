/** Port ranges of tcp, udp, multiport and conntrack: read, printed, tested. */
import { serviceByName } from '../model/names.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Test } from '../model/predicate.ts';
import type { Draw, GivenOption, Pools } from './extension.ts';
import { bang, type Given, textOf, writtenName } from './given.ts';
import { range } from './tests.ts';

export interface PortRange {
  low: number;
  high: number;
  invert: boolean;
}

export const EVERY_PORT = 0xffff;

/** A number in any base, or a service of that protocol: how tcp and multiport read a port. */
export function parsePort(text: string, protocol: string): number | undefined {
  return parseUnsigned(text, EVERY_PORT) ?? serviceByName(text, protocol);
}

/**
 * As getaddrinfo reads a port (udp and conntrack): decimal only, taken modulo 65536, or a service of any protocol.
 */
export function parsePortLoosely(text: string): number | undefined {
  if (!/^\s*\+?[0-9]+$/.test(text)) return serviceByName(text);
  const value = Number(text);
  return value > 0x7fffffff ? undefined : value & EVERY_PORT;
}

/** PORT, LOW:, :HIGH or LOW:HIGH; no order is asked of LOW and HIGH. undefined when there are more parts or one does not resolve. */
export function splitPorts(text: string, parse: (part: string) => number | undefined): { low: number; high: number } | undefined {
  const parts = text.split(':');
  if (parts.length > 2) return undefined;
  const numbers = parts.map((part, i) => (part === '' ? (i === 0 ? 0 : EVERY_PORT) : parse(part)));
  const [low, high = low] = numbers;
  return low === undefined || high === undefined ? undefined : { low, high };
}

/** The strict reading (tcp): LOW must not exceed HIGH. */
export function readPorts(given: Given, one: GivenOption, protocol: string): PortRange {
  const found = splitPorts(textOf(one), (part) => parsePort(part, protocol));
  if (found === undefined || textOf(one) === '')
    throw given.wants(one, 'PORT or LOW:HIGH (numbers up to 65535 or service names)', listHint(one));
  if (found.low > found.high) throw given.wants(one, 'LOW:HIGH', `write ${found.high}:${found.low}`);
  return { ...found, invert: one.invert };
}

/** The loose reading (udp, conntrack): numbers wrap, LOW may exceed HIGH (it then never matches). */
export function readPortsLoosely(given: Given, one: GivenOption): PortRange {
  const found = splitPorts(textOf(one), parsePortLoosely);
  if (found === undefined) throw given.wants(one, 'PORT or LOW:HIGH (decimal numbers or service names)', listHint(one));
  // A single empty value is an open range to getaddrinfo's caller.
  if (textOf(one) === '') return { low: 0, high: 0, invert: one.invert };
  if (found.low > found.high) {
    const meets = one.invert ? 'every port, being inverted' : 'no port';
    const message = `${writtenName(one)} ${textOf(one)} matches ${meets}, as LOW is above HIGH; ${found.high}:${found.low} is the range`;
    given.context.note?.(message, one.position);
  }
  return { ...found, invert: one.invert };
}

function listHint(one: GivenOption): string | undefined {
  const text = textOf(one);
  if (!text.includes(',')) return dashHint(text);
  return `for a list write -m multiport ${writtenName(one)}s ${text.split(',').map(withColon).join(',')}`;
}

/** A range as other programs write it: numbers with a dash between. Names of services have dashes, too. */
const withColon = (text: string): string => text.replace(/^(\d+)-(\d+)$/, '$1:$2');

/** For what is such a range. */
export const dashHint = (text: string): string | undefined =>
  withColon(text) === text ? undefined : `ports of a range are written ${withColon(text)}`;

/** ` --dport 22` or ` ! --dport 22:80`; nothing for the whole range, even an inverted one, as iptables-save. */
export function printPorts(name: string, ports: PortRange | undefined): string {
  if (ports === undefined || (ports.low === 0 && ports.high === EVERY_PORT)) return '';
  return `${bang(ports.invert)} --${name} ${ports.low === ports.high ? ports.low : `${ports.low}:${ports.high}`}`;
}

/** The kernel's comparison: the whole range is always true, inverted never. */
export function portTests(field: number, ports: PortRange | undefined): Test[] {
  if (ports === undefined || (ports.low === 0 && ports.high === EVERY_PORT && !ports.invert)) return [];
  return [range(field, ports.low, ports.high, ports.invert)];
}

export function portMatches(ports: PortRange | undefined, port: number): boolean {
  return ports === undefined || (port >= ports.low && port <= ports.high) !== ports.invert;
}

/** Two bytes, big-endian. */
export function portAt(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

/** `22`, `22:80`, `:80`, `1024:`. */
export function generatePorts(draw: Draw, pools: Pools): string {
  const one = draw.chance(0.8) && pools.ports.length > 0 ? draw.pick(pools.ports) : draw.pick([0, 1, 1023, 1024, 65534, 65535]);
  if (draw.chance(0.6)) return String(one);
  const other = draw.pick([0, 65535, one + 1, draw.integer(0, 65535)]);
  const low = Math.min(one, other);
  const high = Math.min(EVERY_PORT, Math.max(one, other));
  return draw.pick([`${low}:${high}`, `${low}:`, `:${high}`]);
}
