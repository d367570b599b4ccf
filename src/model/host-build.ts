/** Builds a Host from what the user gives: flags, `ip -j addr` and `ip -j route`. Adds what the kernel adds by itself: lo, local, connected and broadcast routes. */
import { maskAddress, parseWhole, prefixMask, widthOf } from './address.ts';
import { HostError } from './errors.ts';
import { type Host, type HostAddress, type HostInterface, interfaceNamed, type ProxySocket, type RouteType } from './host.ts';
import { readAddresses } from './ip-addr.ts';
import { readGroups } from './ip-maddr.ts';
import { readRoutes } from './ip-route.ts';
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
  /** Parsed JSON of `ip -j maddr`: groups that were joined beside those that every kernel joins. */
  groups?: unknown;
  /** Parsed JSON of `ip -j route` and `ip -j -6 route`, any number of them. */
  routes?: readonly unknown[];
}

const DEFAULT_INTERFACE = 'eth0';
const U32_MAXIMUM = 0xffff_ffff;

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
  const told = given.addresses === undefined ? undefined : readAddresses(host, given.addresses);
  for (const text of given.local ?? []) addLocal(host, text, given.in ?? given.out ?? DEFAULT_INTERFACE);
  for (const entry of interfaces) for (const address of entry.addresses) addAddressRoutes(host, entry.name, address);
  if (given.groups !== undefined) readGroups(host, given.groups);
  const devices = told && interfaces.map(({ name }) => name);
  const strange = devices?.filter((name) => name !== 'lo' && !told!.has(name)) ?? [];
  host.notes.push(...strangeNotes(strange, given));
  readRoutes(host, given.routes ?? [], devices);
  if (isWithoutAddresses(host, given)) host.notes.push(NO_ADDRESSES);
  // Without routes everything that is not local leaves by one device, as on a host with a default route.
  if (given.routes === undefined || given.routes.length === 0) addDefaultRoutes(host);
  return host;
}

/** Devices that --addr does not have: those that the user named, and the one that stands for those that he did not. */
function strangeNotes(strange: readonly string[], { in: incoming, out, local = [] }: HostGiven): string[] {
  const said = new Set([incoming, out, ...local.map((text) => text.split('@')[1])]);
  const named = strange.filter((name) => said.has(name));
  const unnamed = strange.filter((name) => !said.has(name));
  return [
    ...(named.length === 0 ? [] : [`--addr has no device ${named.join(', ')}, which --in, --out or --local name`]),
    ...unnamed.map(
      (name) =>
        `--addr has no device ${name}, which is taken where none is named: --in, --out and --local ADDRESS@DEVICE name one`,
    ),
  ];
}

const NO_ADDRESSES =
  '--route was given without --addr: the host has no addresses here, so that no packet is for it or from it; "ip -j addr" prints them';

/** Routes alone say where packets go, but not which are for the host itself. */
const isWithoutAddresses = (host: Host, { routes = [], addresses, local }: HostGiven): boolean =>
  routes.length > 0 &&
  addresses === undefined &&
  local === undefined &&
  !host.forward &&
  !host.routes.some(({ type, device }) => type === 'local' && device !== 'lo');

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
  const prefix = prefixText === undefined ? widthOf(read?.family ?? 4) : Number(prefixText);
  if (read === undefined || !Number.isInteger(prefix) || prefix < 0 || prefix > widthOf(read.family)) {
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
  add(address, widthOf(family), 'local');
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
