/** Conntrack entries in the words and columns of `conntrack -L -o extended`, expectations in those of `conntrack -L expect` (conntrack-tools 1.4.7). */
import type { ConntrackEntry, ConntrackExpectation, ConntrackTuple } from '../model/outcome.ts';

const TCP = 6;
const GRE = 47;

/** The protocols that the tool calls by name; all others are `unknown`. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [33, 'dccp'],
  [GRE, 'gre'],
  [58, 'icmpv6'],
  [132, 'sctp'],
  [136, 'udplite'],
]);

/** Protocols that are shown with ports, whether or not conntrack looks at them. */
const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 33, 132, 136]);

/** Linux AF_INET and AF_INET6. */
const FAMILIES = { 4: 'ipv4     2', 6: 'ipv6     10' } as const;

/** The line of an entry, without its newline. `use` counts who holds the entry: between packets that is the table alone. */
export function conntrackLine({
  family,
  protocol,
  timeout,
  state,
  original,
  reply,
  unreplied,
  assured,
  mark,
  zones = [],
  helper,
}: ConntrackEntry): string {
  const name = NAMES.get(protocol) ?? 'unknown';
  const words = [FAMILIES[family], name.padEnd(8), protocol, timeout];
  if (state !== undefined) words.push(state);
  const zoned = (name: string): string[] => zones.filter((zone) => zone.startsWith(`${name}=`));
  words.push(tuple(original, protocol, zoned('zone-orig')));
  if (unreplied) words.push('[UNREPLIED]');
  words.push(tuple(reply, protocol, zoned('zone-reply')));
  if (assured) words.push('[ASSURED]');
  words.push(`mark=${mark}`);
  words.push(...zoned('zone'));
  if (helper !== undefined) words.push(`helper=${helper}`);
  words.push('use=1');
  return words.join(' ');
}

/** The line of an expectation, without its newline. Like the tool it says nothing of its zone. */
export function expectationLine({
  protocol,
  timeout,
  tuple: wanted,
  mask,
  master,
  class: kind,
  helper,
  flags,
}: ConntrackExpectation): string {
  const words = timeout === undefined ? [] : [`${timeout}`];
  words.push(`proto=${protocol}`, ends(wanted, protocol), ends(mask, protocol, 'mask-'));
  // Whatever it is, a connection with a helper has ports.
  words.push(ends(master, TCP, 'master-'));
  if (flags.length > 0) words.push(flags.join(','));
  words.push(`class=${kind}`);
  if (helper !== undefined) words.push(`helper=${helper}`);
  return words.join(' ');
}

/** `zone`: of this direction alone. */
function tuple(one: ConntrackTuple, protocol: number, zone: readonly string[]): string {
  const { packets, bytes } = one;
  const counted = packets === undefined ? [] : [`packets=${packets} bytes=${bytes ?? 0}`];
  return [ends(one, protocol), ...zone, ...counted].join(' ');
}

/** `prefix`: of the addresses; ports have none. */
function ends({ source, destination, type, code }: ConntrackTuple, protocol: number, prefix = ''): string {
  const addresses = `${prefix}src=${source.address} ${prefix}dst=${destination.address}`;
  if (type !== undefined && code !== undefined) return `${addresses} type=${type} code=${code} id=${source.port}`;
  if (protocol === GRE) return `${addresses} srckey=0x${source.port.toString(16)} dstkey=0x${destination.port.toString(16)}`;
  return WITH_PORTS.has(protocol) ? `${addresses} sport=${source.port} dport=${destination.port}` : addresses;
}
