/** ICMP types and codes as the ipset tool (7.17) reads and writes them: a port of two bytes, the type first. */
import { ICMP_TYPES, ICMP6_TYPES } from '../extensions/icmp-types.ts';
import { parseUnsigned } from '../model/numbers.ts';

/** Names that iptables knows and ipset does not. */
const UNKNOWN = ['any', 'beyond-scope', 'failed-policy', 'reject-route', 'neighbor-solicitation', 'neighbor-advertisement'];

/** By name. Of the types whose codes have names, it knows no name for all codes. */
function portsByName(types: typeof ICMP_TYPES): ReadonlyMap<string, number> {
  const withCodes = new Set(types.flatMap(([, type, code]) => (code === undefined ? [] : [type])));
  const known = types.filter(([name, type, code]) => !UNKNOWN.includes(name) && (code !== undefined || !withCodes.has(type)));
  return new Map(known.map(([name, type, code = 0]) => [name, type * 256 + code]));
}

const PORTS: Readonly<Record<number, ReadonlyMap<string, number>>> = { 1: portsByName(ICMP_TYPES), 58: portsByName(ICMP6_TYPES) };

/** True for ICMP and ICMPv6. */
export const hasTypes = (protocol: number): boolean => protocol in PORTS;

/** A name or TYPE/CODE; undefined when it is neither. */
export function readType(text: string, protocol: number): number | undefined {
  const named = PORTS[protocol]!.get(text);
  if (named !== undefined) return named;
  const [type, code, ...more] = text.split('/').map((number) => parseUnsigned(number, 255));
  return type === undefined || code === undefined || more.length > 0 ? undefined : type * 256 + code;
}

/** The first name, else TYPE/CODE. */
export function typeText(port: number, protocol: number): string {
  const named = [...PORTS[protocol]!].find(([, one]) => one === port);
  return named?.[0] ?? `${port >>> 8}/${port & 255}`;
}
