/** What the targets of the nat table share: ADDRESS[-ADDRESS][:PORT[-PORT[/BASE]]] read and printed as libxt_NAT does. */
import { formatAddress, parseAddress, parseUnscoped } from '../model/address.ts';
import { serviceByName } from '../model/names.ts';
import type { NatAddress, NatPorts, NatSpec } from '../model/nat.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Builtin, Family } from '../model/ruleset.ts';
import { addressOf } from './drawn.ts';
import type { Draw, GivenOption, OptionSpec, ParseContext, Pools, TargetExtension } from './extension.ts';
import { type Given, option, textOf, writtenName } from './given.ts';

const PORT_MAXIMUM = 65535;
/** Protocols whose rules may name ports: tcp, udp, sctp, dccp, icmp (its identifier; not ICMPv6). iptables does not mind an inverted -p. */
const PORTED = [1, 6, 17, 33, 132];

export const natFlags = (names: readonly string[]): OptionSpec[] => names.map((name) => option(name, { argument: 'none' }));

/** What all of them do when a rule matches: the connection gets its translation, and the walk ends. */
export const natTarget: Pick<TargetExtension<NatSpec>, 'kind' | 'families' | 'needsConntrack' | 'evaluate' | 'lower'> = {
  kind: 'target',
  families: [4, 6],
  needsConntrack: true,
  evaluate: (options, _packet, effects) => effects.translate(options),
  lower: (spec) => ({ kind: 'nat', spec }),
};

/** The flags that are given, over what is said of addresses and ports. */
export function natSpec(all: Given, to: NatAddress, ports: NatPorts | undefined): NatSpec {
  const [random, randomFully, persistent] = ['random', 'random-fully', 'persistent'].map((name) => all.has(name)) as [
    boolean,
    boolean,
    boolean,
  ];
  return { to, ...(ports === undefined ? {} : { ports }), random, randomFully, persistent };
}

/** Throws where the rule's protocol has no ports. */
function checkPorted(all: Given, one: GivenOption, { protocol }: Builtin): void {
  if (protocol !== undefined && PORTED.includes(protocol.number)) return;
  throw all.complain(
    one,
    `${writtenName(one)} with ports wants -p tcp, -p udp, -p sctp, -p dccp or -p icmp`,
    'add -p tcp to the rule',
  );
}

/** PORT, SERVICE, LOW-HIGH or LOW-HIGH/BASE. `shift`: no for REDIRECT; base 0 for those whose kernel structure has no room for it. */
function readNatPorts(all: Given, one: GivenOption, text: string, builtin: Builtin, shift: 'base' | 'zero' | 'no'): NatPorts {
  checkPorted(all, one, builtin);
  const wants = (got: string): Error => all.wants(one, 'PORT, SERVICE or LOW-HIGH from 0 to 65535', undefined, got);
  if (text.includes(':')) throw all.wants(one, 'LOW-HIGH', `write ${text.replace(':', '-')}`, text);
  const service = serviceByName(text);
  if (service !== undefined && !/^\d/.test(text)) return { low: service, high: service };
  const [, first = '', last, base] = /^([^-/]*)(?:-([^/]*)(?:\/(.*))?)?$/.exec(text) ?? [];
  const low = parseUnsigned(first, PORT_MAXIMUM);
  const high = last === undefined ? low : parseUnsigned(last, PORT_MAXIMUM);
  if (low === undefined || high === undefined) throw wants(text);
  if (high < low) throw all.wants(one, 'LOW-HIGH with LOW not above HIGH', `write ${high}-${low}`, text);
  if (base === undefined) return { low, high };
  if (shift === 'no') throw all.complain(one, `${writtenName(one)} cannot shift ports`, 'leave out what stands behind the slash');
  const from = parseUnsigned(base, PORT_MAXIMUM, 1) ?? serviceByName(base);
  if (from === undefined) throw all.wants(one, 'a base port from 1 to 65535 behind the slash', undefined, base);
  return { low, high, base: shift === 'base' ? from : 0 };
}

/** ADDRESS, ADDRESS-ADDRESS, either with :PORTS behind it (IPv6: in brackets), or :PORTS alone. */
export function readNatTarget(
  all: Given,
  one: GivenOption,
  { family, builtin }: Pick<ParseContext, 'family' | 'builtin'>,
  shift: 'base' | 'zero',
): { to: NatAddress; ports: NatPorts | undefined } {
  const { addresses, ports } = splitTarget(all, one, family);
  const read = ports === undefined ? undefined : readNatPorts(all, one, ports, builtin, shift);
  if (addresses === '' && read !== undefined) return { to: { kind: 'keep' }, ports: read };
  const dash = addresses.indexOf('-');
  const ends = dash < 0 ? [addresses, addresses] : [addresses.slice(0, dash), addresses.slice(dash + 1)];
  const [low, high] = ends.map((text) => (isAddress(text, family) ? parseUnscoped(text, family) : undefined));
  if (low === undefined || high === undefined) {
    throw all.wants(one, `an IPv${family} ADDRESS or ADDRESS-ADDRESS${family === 6 ? ', in brackets before :PORT' : ''}`);
  }
  return { to: { kind: 'range', low, high }, ports: read };
}

/** Other than -s and -d, these want all four numbers of an IPv4 address. */
const isAddress = (text: string, family: Family): boolean => family === 6 || /^\d+(\.\d+){3}$/.test(text);

/** One colon parts addresses from ports; more than one, outside brackets, belong to an IPv6 address. */
function splitTarget(all: Given, one: GivenOption, family: Family): { addresses: string; ports: string | undefined } {
  const text = textOf(one);
  const open = text.indexOf('[');
  if (open < 0) {
    const parts = text.split(':');
    if (parts.length !== 2) return { addresses: text, ports: undefined };
    return { addresses: parts[0] ?? '', ports: parts[1] ?? '' };
  }
  const close = text.indexOf(']', open);
  if (family === 4 || close < 0) throw all.wants(one, family === 4 ? 'an IPv4 address' : 'a closing bracket behind the address');
  const behind = text.slice(close + 1);
  const colon = behind.indexOf(':');
  return { addresses: text.slice(open + 1, close), ports: colon < 0 ? undefined : behind.slice(colon + 1) };
}

function printNatPorts({ low, high, base }: NatPorts): string {
  return `${low === high ? low : `${low}-${high}`}${base === undefined ? '' : `/${base}`}`;
}

/** `--to-ports`, of those that choose the address themselves. */
export function readToPorts(all: Given, { builtin }: Pick<ParseContext, 'builtin'>, shift: 'zero' | 'no'): NatPorts | undefined {
  const one = all.get('to-ports');
  return one === undefined ? undefined : readNatPorts(all, one, textOf(one), builtin, shift);
}

export const printToPorts = ({ ports }: NatSpec): string => (ports === undefined ? '' : ` --to-ports ${printNatPorts(ports)}`);

export function generateToPorts(draw: Draw, pools: Pools, protocol: number): string[] {
  const ports = generateNatPorts(draw, pools, protocol);
  return ports === undefined ? [] : ['--to-ports', ports];
}

/** What stands behind --to-destination or --to-source. */
export function printNatTarget({ to, ports }: NatSpec): string {
  const tail = ports === undefined ? '' : `:${printNatPorts(ports)}`;
  if (to.kind !== 'range') return tail;
  const [low, high] = [formatAddress(to.low), formatAddress(to.high)];
  const addresses = low === high ? low : `${low}-${high}`;
  return to.low.length === 4 && ports !== undefined ? `[${addresses}]${tail}` : `${addresses}${tail}`;
}

export function printNatFlags({ random, randomFully, persistent }: NatSpec): string {
  return `${random ? ' --random' : ''}${randomFully ? ' --random-fully' : ''}${persistent ? ' --persistent' : ''}`;
}

/** `80`, `80-90`; rarely. Only where the protocol has ports. */
function generateNatPorts(draw: Draw, pools: Pools, protocol: number): string | undefined {
  if (!PORTED.includes(protocol) || !draw.chance(0.5)) return undefined;
  const low = draw.chance(0.6) && pools.ports.length > 0 ? draw.pick(pools.ports) : draw.pick([0, 1, 1000, 65530]);
  return draw.chance() ? String(low) : `${low}-${Math.min(PORT_MAXIMUM, low + draw.pick([0, 1, 2, 10]))}`;
}

/** An address of the pool, or from one to a near one. */
export function generateNatTarget(draw: Draw, pools: Pools, { family, protocol }: { family: Family; protocol: number }): string {
  const one = addressOf(draw, pools, family);
  const words = parseAddress(one, family) ?? [];
  const other = formatAddress([...words.slice(0, -1), (((words.at(-1) ?? 0) | 3) + draw.pick([0, 0, 8])) >>> 0]);
  const address = draw.chance(0.3) ? `${one}-${other}` : one;
  const ports = generateNatPorts(draw, pools, protocol);
  if (ports === undefined) return address;
  if (draw.chance(0.2)) return `:${ports}`;
  const shift = ports.includes('-') && draw.chance(0.4) ? `/${draw.pick([1, 22, 80, 1000])}` : '';
  return `${family === 6 ? `[${address}]` : address}:${ports}${shift}`;
}

/** Some of the flags. Lots are drawn rarely: what the kernel drew cannot be foretold. */
export function generateNatFlags(draw: Draw, names: readonly string[]): string[] {
  return names.filter((name) => draw.chance(name === 'persistent' ? 0.2 : 0.03)).map((name) => `--${name}`);
}
