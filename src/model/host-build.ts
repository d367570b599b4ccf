/** Builds a Host from what the user gives: flags, `ip -j addr` and `ip -j route`. Adds what the kernel adds by itself: lo, local, connected and broadcast routes. */
import { formatAddress, maskAddress, parseAddress, parseWhole, prefixMask } from './address.ts';
import { type Gatewayed, setGateways } from './gateways.ts';
import type { Host, HostAddress, HostInterface, ProxySocket, Route, RouteType } from './host.ts';
import { parseUnsigned } from './numbers.ts';
import type { Family, Words } from './ruleset.ts';

export interface HostGiven {
  /** `--local`: addresses, each with an optional /prefix and an optional @interface. */
  local?: readonly string[];
  in?: string;
  out?: string;
  forward?: boolean;
  /** `--proxy`: transparent sockets, `tcp:3129`, `udp:10.0.0.1:53`, `tcp:[2001:db8::1]:3129`. */
  proxies?: readonly string[];
  /** `--local-mark`: VALUE or VALUE/MASK. */
  localMark?: string;
  /** Parsed JSON of `ip -j addr`. */
  addresses?: unknown;
  /** Parsed JSON of `ip -j route` and `ip -j -6 route`, any number of them. */
  routes?: readonly unknown[];
}

/** What is wrong with a host flag or file: the message names it. */
export class HostError extends Error {
  override readonly name = 'HostError';
}

const DEFAULT_INTERFACE = 'eth0';
const ROUTE_TYPES: readonly string[] = [
  'unicast',
  'local',
  'broadcast',
  'multicast',
  'anycast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
];

const width = (family: Family): number => (family === 4 ? 32 : 128);

/**
 * The host model of what was given.
 * @throws HostError naming the flag or the entry that cannot be read.
 */
export function buildHost(given: HostGiven): Host {
  const interfaces: HostInterface[] = [loopback()];
  const host: Host = { interfaces, routes: [], forward: given.forward === true, notes: [], guessed: false };
  if (given.in !== undefined) host.in = given.in;
  if (given.out !== undefined) host.out = given.out;
  if (host.forward) nameWays(host);
  if (given.proxies !== undefined) host.proxies = given.proxies.map(readProxy);
  if (given.localMark !== undefined) host.localMark = readMark(given.localMark);
  for (const name of [host.in, host.out]) if (name !== undefined && name !== '') interfaceNamed(host, name);
  if (given.addresses !== undefined) readAddresses(host, given.addresses);
  for (const text of given.local ?? []) addLocal(host, text, given.in ?? given.out ?? DEFAULT_INTERFACE);
  for (const entry of interfaces) for (const address of entry.addresses) addAddressRoutes(host, entry.name, address);
  const fault = setGateways(
    host,
    (given.routes ?? []).flatMap((file) => readRoutes(host, file)),
  );
  if (fault !== undefined) throw new HostError(`--route: ${fault}`);
  // Without routes everything that is not local leaves by one device, as on a host with a default route.
  if (given.routes === undefined || given.routes.length === 0) addDefaultRoutes(host);
  return host;
}

const PROTOCOLS = { tcp: 6, udp: 17 } as const;

function readProxy(text: string): ProxySocket {
  const [, name = '', six, four, portText = ''] = /^(tcp|udp):(?:\[([0-9a-fA-F:.]+)\]:|([0-9.]+):)?(\d+)$/.exec(text) ?? [];
  const written = six ?? four;
  const read = written === undefined ? undefined : parseWhole(written);
  const port = parseUnsigned(portText, 0xffff, 1);
  const fits = written === undefined || read?.family === (six === undefined ? 4 : 6);
  if (port === undefined || !fits)
    throw new HostError(
      `--proxy wants tcp:PORT, udp:PORT or with an address, tcp:10.0.0.1:3129, tcp:[2001:db8::1]:3129; got "${text}"`,
    );
  const socket = { protocol: PROTOCOLS[name as keyof typeof PROTOCOLS], port };
  return read === undefined || read.address.every((word) => word === 0) ? socket : { ...socket, ...read };
}

function readMark(text: string): NonNullable<Host['localMark']> {
  const [valueText = '', maskText = '0xffffffff', ...rest] = text.split('/');
  const [value, mask] = [parseUnsigned(valueText, U32_MAXIMUM), parseUnsigned(maskText, U32_MAXIMUM)];
  if (value === undefined || mask === undefined || rest.length > 0)
    throw new HostError(`--local-mark wants VALUE or VALUE/MASK of 32 bits, got "${text}"`);
  return { value: (value & mask) >>> 0, mask };
}

/** A router needs two devices: those that were not named get the usual names, and the report says so. */
function nameWays(host: Host): void {
  if (host.in === undefined) {
    host.in = host.out === DEFAULT_INTERFACE ? 'eth1' : DEFAULT_INTERFACE;
    host.recordedWays = true;
    host.notes.push(`--in was not given: packets enter at ${host.in}, or where the capture says`);
  }
  if (host.out === undefined) {
    host.out = host.in === DEFAULT_INTERFACE ? 'eth1' : DEFAULT_INTERFACE;
    host.notes.push(`--out was not given: packets leave at ${host.out}`);
  }
}

function loopback(): HostInterface {
  return {
    name: 'lo',
    addresses: [
      { family: 4, address: [0x7f000001], prefix: 8 },
      { family: 6, address: [0, 0, 0, 1], prefix: 128 },
    ],
  };
}

/** The interface of that name, made when it is not there yet. */
function interfaceNamed(host: Host, name: string): HostInterface {
  const known = host.interfaces.find((entry) => entry.name === name);
  if (known !== undefined) return known;
  const made: HostInterface = { name, addresses: [] };
  host.interfaces.push(made);
  return made;
}

function addDefaultRoutes(host: Host): void {
  const other = host.interfaces.find((entry) => entry.name !== 'lo')?.name;
  const device = host.out ?? (host.forward ? undefined : (host.in ?? other ?? DEFAULT_INTERFACE));
  if (device === undefined) return;
  const others = host.interfaces.filter(({ name }) => name !== 'lo' && name !== device).map(({ name }) => name);
  if (host.out === undefined && !host.forward && others.length > 0) {
    host.notes.push(
      `--route was not given: what is for no network of ${others.join(', ')} leaves by ${device}; --out or --route says it for sure`,
    );
  }
  for (const family of [4, 6] as const) {
    host.routes.push({ family, destination: zeros(family), prefix: 0, type: 'unicast', device, metric: 0 });
  }
}

const zeros = (family: Family): Words => (family === 4 ? [0] : [0, 0, 0, 0]);

function addLocal(host: Host, text: string, defaultDevice: string): void {
  const [withPrefix = '', device = defaultDevice] = text.split('@');
  const [bare = '', prefixText] = withPrefix.split('/');
  const read = parseWhole(bare);
  const prefix = prefixText === undefined ? width(read?.family ?? 4) : Number(prefixText);
  if (read === undefined || !Number.isInteger(prefix) || prefix < 0 || prefix > width(read.family)) {
    throw new HostError(`--local wants ADDRESS[/PREFIX][@INTERFACE], got "${text}"`);
  }
  interfaceNamed(host, device).addresses.push(withBroadcast({ ...read, prefix }));
}

/** The kernel derives the broadcast address of an IPv4 network with room for one. */
function withBroadcast(address: HostAddress): HostAddress {
  if (address.family === 6 || address.prefix > 30 || address.broadcast !== undefined) return address;
  const mask = prefixMask(address.prefix, 4)[0]!;
  return { ...address, broadcast: [(address.address[0]! | ~mask) >>> 0] };
}

/** Local, connected and broadcast routes that an address brings (net/ipv4/fib_frontend.c fib_add_ifaddr; net/ipv6/addrconf.c). */
function addAddressRoutes(host: Host, device: string, given: HostAddress): void {
  const { family, address, prefix } = device === 'lo' ? given : withBroadcast(given);
  const add = (destination: Words, length: number, type: RouteType): void => {
    host.routes.push({ family, destination, prefix: length, type, device, metric: 0 });
  };
  add(address, width(family), 'local');
  const network = maskAddress(address, prefixMask(prefix, family));
  if (family === 6) {
    if (prefix < 128) add(network, prefix, 'unicast');
    return;
  }
  if (prefix >= 32) return;
  // 127.0.0.0/8 as a whole is local; other networks are connected.
  add(network, prefix, address[0]! >>> 24 === 127 ? 'local' : 'unicast');
  if (prefix < 31) add(given.broadcast ?? [(address[0]! | ~prefixMask(prefix, 4)[0]!) >>> 0], 32, 'broadcast');
}

type Entry = Record<string, unknown>;
type Flag = '--addr' | '--route';

/** What `ip` leaves out of a list it prints as `{}`. */
function entries(json: unknown, flag: Flag): Entry[] {
  if (!Array.isArray(json)) throw new HostError(`${flag} wants the JSON list that "ip -j ${flag.slice(2)}" prints`);
  return json.map((entry: unknown, index) => asEntry(entry, `${flag}: entry ${index + 1}`));
}

function asEntry(value: unknown, where: string): Entry {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Entry;
  throw new HostError(`${where} wants an object, got ${shown(value)}`);
}

const shown = (value: unknown): string => JSON.stringify(value).slice(0, 60);

/** The text of that name, undefined when there is none. */
function text(entry: Entry, name: string, flag: Flag): string | undefined {
  const value = entry[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new HostError(`${flag}: "${name}" wants a text, got ${shown(value)}`);
}

/** The whole number from 0 to `most` of that name, undefined when there is none. */
function number(entry: Entry, name: string, most: number, flag: Flag): number | undefined {
  const value = entry[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new HostError(`${flag}: "${name}" wants a whole number from 0 to ${most}, got ${shown(value)}`);
}

const U32_MAXIMUM = 0xffff_ffff;
const MTU_MAXIMUM = 0x7fff_ffff;
const INDEX_MAXIMUM = 0x7fff_ffff;

function readAddresses(host: Host, json: unknown): void {
  const list = entries(json, '--addr').filter((entry) => Object.keys(entry).length > 0);
  if (!list.some((entry) => entry.addr_info !== undefined)) {
    throw new HostError('--addr: no "addr_info" in it, so no address; make it with "ip -j addr"');
  }
  for (const entry of list) {
    const name = text(entry, 'ifname', '--addr');
    if (name === undefined) throw new HostError(`--addr: an entry without "ifname": ${shown(entry)}`);
    const device = interfaceNamed(host, name);
    if (name === 'lo') device.addresses = [];
    const link = text(entry, 'address', '--addr');
    const mac = macOf(link);
    if (link !== undefined && mac === undefined && entry.link_type === 'ether') {
      throw new HostError(`--addr: ${name}: "address" wants six bytes in hex, got ${shown(link)}`);
    }
    if (mac !== undefined && entry.link_type !== 'loopback' && name !== 'lo') device.mac = mac;
    const mtu = number(entry, 'mtu', MTU_MAXIMUM, '--addr');
    if (mtu !== undefined) device.mtu = mtu;
    const index = number(entry, 'ifindex', INDEX_MAXIMUM, '--addr');
    if (index !== undefined) numberInterface(host, device, index);
    const infos = entry.addr_info ?? [];
    if (!Array.isArray(infos)) throw new HostError(`--addr: ${name}: "addr_info" wants a list, got ${shown(infos)}`);
    for (const info of infos as unknown[]) readAddress(device, info);
  }
}

function numberInterface(host: Host, device: HostInterface, index: number): void {
  const other = host.interfaces.find((one) => one !== device && one.index === index);
  if (index === 0) throw new HostError(`--addr: ${device.name}: "ifindex" wants a number from 1 on, got 0`);
  if (other !== undefined)
    throw new HostError(`--addr: ${device.name}: "ifindex" ${index} is that of ${other.name}, too: one file is for one machine`);
  device.index = index;
}

function readAddress(device: HostInterface, info: unknown): void {
  const entry = asEntry(info, `--addr: ${device.name}: addr_info`);
  if (entry.family !== 'inet' && entry.family !== 'inet6') return;
  const family: Family = entry.family === 'inet' ? 4 : 6;
  const local = text(entry, 'local', '--addr');
  const address = local === undefined ? undefined : parseAddress(local, family);
  const prefix = number(entry, 'prefixlen', width(family), '--addr');
  if (address === undefined || prefix === undefined) {
    throw new HostError(`--addr: ${device.name}: cannot read the address ${JSON.stringify(entry.local)}/${entry.prefixlen}`);
  }
  const broadcastText = family === 4 ? text(entry, 'broadcast', '--addr') : undefined;
  const broadcast = broadcastText === undefined ? undefined : parseAddress(broadcastText, 4);
  if (broadcastText !== undefined && broadcast === undefined) {
    throw new HostError(`--addr: ${device.name}: cannot read the broadcast address ${shown(broadcastText)}`);
  }
  device.addresses.push({ family, address, prefix, ...(broadcast === undefined ? {} : { broadcast }) });
}

function macOf(value: string | undefined): number[] | undefined {
  if (value === undefined || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)) return undefined;
  return value.split(':').map((byte) => Number.parseInt(byte, 16));
}

/** The family of a route: by its destination, else its gateway, else (`default dev ppp0`) that of the whole list, IPv4 when it holds both. */
function familyOf(entry: Entry, list: readonly Entry[]): Family {
  const words = (one: Entry): string => ['dst', 'gateway', 'prefsrc'].map((name) => text(one, name, '--route') ?? '').join(' ');
  const [sign] = /[.:]/.exec(words(entry)) ?? [];
  if (sign !== undefined) return sign === ':' ? 6 : 4;
  return list.some((one) => words(one).includes('.')) || !list.some((one) => words(one).includes(':')) ? 4 : 6;
}

/** Reads a list of routes; those with a gateway come back, to be given it when all are known. */
function readRoutes(host: Host, json: unknown): Gatewayed[] {
  const list = entries(json, '--route').map((entry) => oneHop(host, entry));
  return list.flatMap((entry) => {
    const family = familyOf(entry, list);
    const table = text(entry, 'table', '--route');
    if (table !== undefined && table !== 'main' && table !== 'default' && table !== 'local') return [];
    const destination = text(entry, 'dst', '--route') ?? '';
    const [bare = '', prefixText] = destination === 'default' ? [formatAddress(zeros(family)), '0'] : destination.split('/');
    const address = parseAddress(bare, family);
    const prefix = prefixText === undefined ? width(family) : Number(prefixText);
    if (address === undefined || !Number.isInteger(prefix) || prefix < 0 || prefix > width(family)) {
      throw new HostError(`--route: cannot read the destination ${JSON.stringify(entry.dst)}`);
    }
    const type = text(entry, 'type', '--route') ?? 'unicast';
    if (!ROUTE_TYPES.includes(type)) return [];
    const route = routeOf(host, entry, family, address, prefix, type as RouteType);
    host.routes.push(route);
    return gatewayOf(entry, route);
  });
}

/** Of several ways of a route (`nexthop`) the first, which the notes tell: the kernel chooses by a hash of addresses. */
function oneHop(host: Host, entry: Entry): Entry {
  const { nexthops } = entry;
  if (nexthops === undefined) return entry;
  if (!Array.isArray(nexthops) || nexthops.length === 0)
    throw new HostError(`--route: "nexthops" wants a list, got ${shown(nexthops)}`);
  const first = asEntry(nexthops[0], '--route: nexthops');
  host.notes.push(
    `--route: ${viaText({ ...entry, ...first })} is taken for all ${nexthops.length} ways of this route; the kernel chooses one by a hash`,
  );
  return { ...entry, ...first };
}

function routeOf(host: Host, entry: Entry, family: Family, destination: Words, prefix: number, type: RouteType): Route {
  const route: Route = { family, destination, prefix, type, metric: number(entry, 'metric', U32_MAXIMUM, '--route') ?? 0 };
  const device = text(entry, 'dev', '--route');
  if (device !== undefined) route.device = interfaceNamed(host, device).name;
  return route;
}

/** None, or one. A gateway of the other family (`via inet6 fe80::1`) stands under another name; addresses and helpers do not ask for it. */
function gatewayOf(entry: Entry, route: Route): Gatewayed[] {
  const written = text(entry, 'gateway', '--route');
  if (written === undefined) return [];
  const gateway = parseAddress(written, route.family);
  if (gateway === undefined) {
    const kind = route.family === 4 ? 'inet' : 'inet6';
    throw new HostError(`--route: ${viaText(entry)}: ${kind} address is expected rather than ${JSON.stringify(written)}.`);
  }
  const flags = entry.flags ?? [];
  if (!Array.isArray(flags)) throw new HostError(`--route: "flags" wants a list, got ${shown(flags)}`);
  return [{ route, gateway, onlink: flags.includes('onlink'), words: viaText(entry) }];
}

/** A route as `ip route` writes it. */
function viaText({ type, dst, gateway, dev }: Entry): string {
  const words = [type, dst, 'via', gateway, ...(dev === undefined ? [] : ['dev', dev])];
  return words.filter((word) => word !== undefined).join(' ');
}
