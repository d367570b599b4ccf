/** The host model and what the profile says about the stack, as the block that assembly/stack reads (layout: abi/host.ts). */
import {
  RTN_ANYCAST,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from '../abi/fields.ts';
import * as abi from '../abi/host.ts';
import { maskAddress, prefixMask } from '../model/address.ts';
import type { Host, HostAddress, Route, RouteType } from '../model/host.ts';
import { type DeviceSetting, deviceSysctl, type Profile, sysctl } from '../model/profile.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { sameWords } from '../packet/bytes.ts';
import type { InterfaceTable } from './interfaces.ts';
import { flatten, overlay, type Prefix, type Range } from './ranges.ts';

const TYPES: Readonly<Record<RouteType, number>> = {
  unicast: RTN_UNICAST,
  local: RTN_LOCAL,
  broadcast: RTN_BROADCAST,
  multicast: RTN_MULTICAST,
  anycast: RTN_ANYCAST,
  blackhole: RTN_BLACKHOLE,
  unreachable: RTN_UNREACHABLE,
  prohibit: RTN_PROHIBIT,
  throw: RTN_THROW,
};
/** What the kernel keeps in its local table, which is asked before the main one whatever the prefix length. */
const LOCAL_TABLE: ReadonlySet<RouteType> = new Set<RouteType>(['local', 'broadcast', 'anycast', 'multicast']);
const MAC_KNOWN = 1n << 48n;

/** What the rules need of the stack. */
export interface HostNeeds {
  /** FIELD_SOURCE_TYPE and FIELD_DESTINATION_TYPE are read. */
  addressTypes: boolean;
  /** Rules ask whether ways back lead through a device (rpfilter), which nobody knows with --forward; or how much ways back take (TCPMSS). Not so when left out. */
  reversePaths?: boolean;
  clamps?: boolean;
  /** Rules ask which neighbour packets are handed to: translation of sources, helpers. Not so when left out. */
  neighbours?: boolean;
}

/**
 * The host block, position-independent, to be copied to a multiple of 8. `interfaces` must know the names of the host's interfaces and
 * routes, `in`, `out`, `lo` and `eth0`; a name it does not know gets the id of its gap, and MAC and MTU of such a device are not found.
 */
export function encodeHost(host: Host, profile: Profile, interfaces: InterfaceTable, needs: HostNeeds): Uint8Array {
  const parts = new Parts(abi.HOST_HEADER_SIZE);
  const routes = host.forward ? forwardRoutes(host) : host.routes;
  const first = host.interfaces.find((each) => each.name !== 'lo')?.name ?? 'eth0';
  parts.word(abi.HOST_MAGIC, abi.HOST_MAGIC_VALUE);
  parts.word(abi.HOST_FLAGS, flags(host, profile, needs));
  parts.word(abi.HOST_IN, host.in === undefined ? 0 : interfaces.idOf(host.in));
  parts.word(abi.HOST_OUT, host.out === undefined ? 0 : interfaces.idOf(host.out));
  parts.word(abi.HOST_FIRST, interfaces.idOf(first));
  parts.word(abi.HOST_LO, interfaces.idOf('lo'));
  parts.word(abi.HOST_OTHER_DEVICES, deviceFlags(undefined, host, profile));
  parts.word(abi.HOST_LOCAL_MARK, host.localMark?.value ?? 0);
  parts.word(abi.HOST_LOCAL_MASK, host.localMark?.mask ?? 0);
  putDevices(parts, host, profile, interfaces);
  putFour(parts, ranges(routes, 4, interfaces));
  putSix(parts, ranges(routes, 6, interfaces));
  putSolicited(parts, host);
  putGroups(parts, host, interfaces);
  putAddresses(parts, host, interfaces);
  putNumbers(parts, host, interfaces);
  putRoutes(parts, [abi.HOST_WAYS_BACK, abi.HOST_WAY_BACK_COUNT], waysBack(host, needs), interfaces);
  putRoutes(parts, [abi.HOST_WAYS_OUT, abi.HOST_WAY_OUT_COUNT], waysOut(host, needs), interfaces);
  putRoutes(parts, [abi.HOST_LINK_ROUTES, abi.HOST_LINK_ROUTE_COUNT], host.forward ? [] : linkRoutes(host), interfaces);
  return parts.bytes();
}

const LOOPBACKS: readonly Route[] = [
  { family: 4, destination: [0x7f000000], prefix: 8, type: 'local', device: 'lo', metric: 0 },
  { family: 6, destination: [0, 0, 0, 1], prefix: 128, type: 'local', device: 'lo', metric: 0 },
];

/** --forward: nothing is local but the loopback networks, and everything else goes out at `out`. */
function forwardRoutes(host: Host): Route[] {
  const out = [...LOOPBACKS];
  if (host.out === undefined) return out;
  out.push({ family: 4, destination: [0], prefix: 0, type: 'unicast', device: host.out, metric: 0 });
  out.push({ family: 6, destination: [0, 0, 0, 0], prefix: 0, type: 'unicast', device: host.out, metric: 0 });
  return out;
}

function flags(host: Host, profile: Profile, needs: HostNeeds): number {
  return (
    (host.forward ? abi.HOST_FLAG_FORWARD : 0) |
    (host.forward && host.recordedWays === true ? abi.HOST_FLAG_RECORDED_WAYS : 0) |
    (host.forward && host.copiesLeave === true ? abi.HOST_FLAG_COPIES_LEAVE : 0) |
    (profile.prestack === 'lenient' ? abi.HOST_FLAG_LENIENT : 0) |
    (profile.checksums === 'offload' ? abi.HOST_FLAG_OFFLOAD : 0) |
    (profile.backend === 'nft' ? abi.HOST_FLAG_NFT : 0) |
    (profile.kernel === '6.12' ? abi.HOST_FLAG_WHOLE_HEADERS : 0) |
    (profile.kernel === '6.18' ? abi.HOST_FLAG_SUMS_DCCP : 0) |
    (host.localMark === undefined ? 0 : abi.HOST_FLAG_LOCAL_MARK) |
    (needs.addressTypes ? abi.HOST_FLAG_ADDRESS_TYPES : 0) |
    (sysctl(profile, 'net.ipv4.ip_forward') !== 0 ? abi.HOST_FLAG_IPV4_FORWARDING : 0) |
    (sysctl(profile, 'net.ipv6.conf.all.forwarding') !== 0 ? abi.HOST_FLAG_IPV6_FORWARDING : 0)
  );
}

function ranges(routes: readonly Route[], family: Family, interfaces: InterfaceTable): Range[] {
  const bits = family === 4 ? 32 : 128;
  const maximum = (1n << BigInt(bits)) - 1n;
  const local: Prefix[] = [];
  const main: Prefix[] = [];
  for (const route of routes) {
    if (route.family !== family) continue;
    const size = (1n << BigInt(bits - route.prefix)) - 1n;
    const start = number(route.destination) & ~size & maximum;
    const device = route.device === undefined ? 0 : interfaces.idOf(route.device);
    const value = TYPES[route.type] | (device << abi.ROUTE_DEVICE_SHIFT);
    (LOCAL_TABLE.has(route.type) ? local : main).push({ start, end: start | size, metric: route.metric, value });
  }
  return overlay(flatten(local, maximum), flatten(main, maximum));
}

/** What the source of an arriving packet is checked by. `name` undefined: a device that has no name here. */
function deviceFlags(name: string | undefined, host: Host, profile: Profile): number {
  if (host.forward) return 0;
  const of = (setting: DeviceSetting): [all: number, own: number] => [
    sysctl(profile, `net.ipv4.conf.all.${setting}`),
    deviceSysctl(profile, name ?? 'default', setting),
  ];
  const filter = Math.max(...of('rp_filter'));
  const known = host.interfaces.find((each) => each.name === name);
  const bare = known !== undefined && !known.addresses.some(({ family }) => family === 4);
  return (
    (filter === 0 ? 0 : filter === 1 ? abi.DEVICE_FLAG_STRICT : abi.DEVICE_FLAG_LOOSE) |
    (of('send_redirects').some((value) => value !== 0) ? abi.DEVICE_FLAG_REDIRECTS : 0) |
    (bare ? abi.DEVICE_FLAG_BARE : 0)
  );
}

function putDevices(parts: Parts, host: Host, profile: Profile, interfaces: InterfaceTable): void {
  const count = interfaces.maximum + 1;
  const at = parts.reserve(count * abi.DEVICE_SIZE);
  // Names have even ids, the gaps between them odd ones.
  for (let id = 0; id < count; id++) {
    const name = id > 0 && id % 2 === 0 ? interfaces.nameOf(id) : undefined;
    parts.word(at + id * abi.DEVICE_SIZE + abi.DEVICE_FLAGS, deviceFlags(name, host, profile));
  }
  const own = new Set<bigint>();
  for (const { name, mac, mtu } of host.interfaces) {
    const id = interfaces.idOf(name);
    const known = mac?.length === 6 && mac.some((byte) => byte !== 0) ? mac : undefined;
    const value = known?.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) ?? 0n;
    if (known !== undefined) own.add(value);
    // Ids of gaps are shared by many names: nothing certain can be said of them.
    if (id % 2 !== 0) continue;
    parts.wide(at + id * abi.DEVICE_SIZE + abi.DEVICE_MAC, known === undefined ? 0n : value | MAC_KNOWN);
    parts.word(at + id * abi.DEVICE_SIZE + abi.DEVICE_MTU, mtu ?? 0);
  }
  parts.word(abi.HOST_DEVICES, at);
  parts.word(abi.HOST_DEVICE_COUNT, count);
  const macs = host.forward ? [] : [...own].sort((a, b) => (a < b ? -1 : 1));
  const start = parts.reserve(macs.length * 8);
  macs.forEach((mac, index) => {
    parts.wide(start + 8 * index, mac);
  });
  parts.word(abi.HOST_MACS, start);
  parts.word(abi.HOST_MAC_COUNT, macs.length);
}

function putFour(parts: Parts, list: readonly Range[]): void {
  const top = parts.reserve(257 * 4);
  let index = 0;
  for (let byte = 0; byte < 256; byte++) {
    const address = BigInt(byte) << 24n;
    while (index + 1 < list.length && list[index + 1]!.start <= address) index++;
    parts.word(top + 4 * byte, index);
  }
  parts.word(top + 4 * 256, list.length - 1);
  const starts = parts.reserve(list.length * 4);
  const values = parts.reserve(list.length * 4);
  list.forEach((range, i) => {
    parts.word(starts + 4 * i, Number(range.start));
    parts.word(values + 4 * i, range.value);
  });
  parts.word(abi.HOST_V4_TOP, top);
  parts.word(abi.HOST_V4_STARTS, starts);
  parts.word(abi.HOST_V4_VALUES, values);
  parts.word(abi.HOST_V4_COUNT, list.length);
}

function putSix(parts: Parts, list: readonly Range[]): void {
  const starts = parts.reserve(list.length * 16);
  const values = parts.reserve(list.length * 4);
  list.forEach((range, i) => {
    parts.wide(starts + 16 * i, range.start >> 64n);
    parts.wide(starts + 16 * i + 8, range.start & 0xffffffffffffffffn);
    parts.word(values + 4 * i, range.value);
  });
  parts.word(abi.HOST_V6_STARTS, starts);
  parts.word(abi.HOST_V6_VALUES, values);
  parts.word(abi.HOST_V6_COUNT, list.length);
}

/** Loopback joins no solicited-node group (net/ipv6/addrconf.c addrconf_join_solict). */
function putSolicited(parts: Parts, host: Host): void {
  const low = new Set<number>();
  for (const { name, addresses } of host.interfaces) {
    if (name === 'lo') continue;
    for (const { family, address } of addresses) {
      if (family === 6) low.add((address[3] ?? 0) & 0xffffff);
    }
  }
  const sorted = [...low].sort((a, b) => a - b);
  const at = parts.reserve(sorted.length * 4);
  sorted.forEach((value, index) => {
    parts.word(at + 4 * index, value);
  });
  parts.word(abi.HOST_SOLICITED, at);
  parts.word(abi.HOST_SOLICITED_COUNT, sorted.length);
}

function putGroups(parts: Parts, { groups = [] }: Host, interfaces: InterfaceTable): void {
  const start = parts.reserve(groups.length * abi.GROUP_SIZE);
  for (const [index, { family, address, device }] of groups.entries()) {
    const at = start + index * abi.GROUP_SIZE;
    parts.word(at + abi.GROUP_DEVICE, interfaces.idOf(device));
    parts.word(at + abi.GROUP_FAMILY, family);
    for (const [word, value] of address.entries()) parts.word(at + abi.GROUP_WORDS + 4 * word, value);
  }
  parts.word(abi.HOST_GROUPS, start);
  parts.word(abi.HOST_GROUP_COUNT, groups.length);
}

function number(words: Words): bigint {
  return words.reduce((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n);
}

/** For MASQUERADE and REDIRECT, and for helpers of broadcasts. */
function putAddresses(parts: Parts, host: Host, interfaces: InterfaceTable): void {
  const all = host.interfaces.flatMap(({ name, addresses }) => addresses.map((one) => ({ name, one, addresses })));
  const start = parts.reserve(all.length * abi.ADDRESS_SIZE);
  for (const [index, { name, one, addresses }] of all.entries()) {
    const at = start + index * abi.ADDRESS_SIZE;
    parts.word(at + abi.ADDRESS_DEVICE, interfaces.idOf(name));
    parts.word(at + abi.ADDRESS_FAMILY, one.family);
    parts.word(at + abi.ADDRESS_PREFIX, one.prefix);
    parts.word(at + abi.ADDRESS_FLAGS, addressFlags(one, addresses));
    for (const [word, value] of one.address.entries()) parts.word(at + abi.ADDRESS_WORDS + 4 * word, value);
    parts.word(at + abi.ADDRESS_BROADCAST, one.broadcast?.[0] ?? 0);
  }
  parts.word(abi.HOST_ADDRESSES, start);
  parts.word(abi.HOST_ADDRESS_COUNT, all.length);
}

function putNumbers(parts: Parts, host: Host, interfaces: InterfaceTable): void {
  const numbered = host.interfaces
    .flatMap(({ name, index, isPort }) =>
      index === undefined ? [] : [{ index, id: isPort === true ? abi.NUMBER_IS_PORT : interfaces.idOf(name) }],
    )
    .sort((a, b) => a.index - b.index);
  const start = parts.reserve(numbered.length * abi.NUMBER_SIZE);
  for (const [at, { index, id }] of numbered.entries()) {
    parts.word(start + at * abi.NUMBER_SIZE, index);
    parts.word(start + at * abi.NUMBER_SIZE + abi.NUMBER_DEVICE, id);
  }
  parts.word(abi.HOST_NUMBERS, start);
  parts.word(abi.HOST_NUMBER_COUNT, numbered.length);
}

/** For rules that ask for ways back. With --forward files tell them. */
function waysBack(host: Host, { reversePaths = false, clamps = false }: HostNeeds): Route[] {
  if (!host.forward) return reversePaths ? host.routes.filter(({ family }) => family === 6) : [];
  return clamps ? toldRoutes(host) : [];
}

function waysOut(host: Host, { neighbours = false }: HostNeeds): Route[] {
  return neighbours && host.routes.some(({ gateway }) => gateway !== undefined) ? toldRoutes(host) : [];
}

const LINK_LOCAL = { words: [0xfe800000, 0, 0, 0], prefix: 10 } as const;

/** To link-local addresses, or some of them: every device has one, and which counts is told by where the packet came in. */
const linkRoutes = (host: Host): Route[] =>
  host.routes.filter(({ family, type, destination, prefix }) => {
    if (family !== 6 || LOCAL_TABLE.has(type)) return false;
    const mask = prefixMask(Math.min(prefix, LINK_LOCAL.prefix), 6);
    return sameWords(maskAddress(destination, mask), maskAddress(LINK_LOCAL.words, mask));
  });

/** With --forward nothing is local but the loopback networks. */
const toldRoutes = (host: Host): Route[] =>
  host.forward ? [...LOOPBACKS, ...host.routes.filter(({ type }) => !LOCAL_TABLE.has(type))] : host.routes;

/** One by one: which of several routes to the same network is taken depends on the device. */
function putRoutes(
  parts: Parts,
  [position, count]: readonly [position: number, count: number],
  routes: readonly Route[],
  interfaces: InterfaceTable,
): void {
  const order = (one: Route): number => (LOCAL_TABLE.has(one.type) ? 0 : 1);
  const all = [...routes].sort((a, b) => order(a) - order(b) || b.prefix - a.prefix || a.metric - b.metric);
  const start = parts.reserve(all.length * abi.ROUTE_SIZE);
  for (const [index, route] of all.entries()) {
    const at = start + index * abi.ROUTE_SIZE;
    parts.word(at + abi.ROUTE_PREFIX, route.prefix);
    parts.word(at + abi.ROUTE_TYPE, TYPES[route.type]);
    parts.word(at + abi.ROUTE_DEVICE, route.device === undefined ? 0 : interfaces.idOf(route.device));
    parts.word(at + abi.ROUTE_FAMILY, route.family);
    for (const [word, value] of route.destination.entries()) parts.word(at + abi.ROUTE_WORDS + 4 * word, value);
    for (const [word, value] of (route.gateway ?? []).entries()) parts.word(at + abi.ROUTE_GATEWAY + 4 * word, value);
  }
  parts.word(position, start);
  parts.word(count, all.length);
}

function addressFlags(one: HostAddress, addresses: readonly HostAddress[]): number {
  const network = ({ address, prefix, family }: HostAddress): string =>
    `${family} ${prefix} ${maskAddress(address, prefixMask(prefix, family)).join('.')}`;
  const before = addresses.slice(0, addresses.indexOf(one));
  const inside = one.family === 4 ? one.address[0]! >>> 24 === 127 : number(one.address) === 1n;
  return (
    (before.some((other) => network(other) === network(one)) ? abi.ADDRESS_FLAG_SECONDARY : 0) |
    (inside ? abi.ADDRESS_FLAG_LOOPBACK : 0)
  );
}

/** A growing block of little-endian words. */
class Parts {
  private view: DataView;
  private size: number;

  constructor(header: number) {
    this.size = header;
    this.view = new DataView(new ArrayBuffer(4096));
  }

  /** Zeroed room at a multiple of 8; its position. */
  reserve(bytes: number): number {
    const at = (this.size + 7) & ~7;
    this.size = at + bytes;
    if (this.size > this.view.byteLength) {
      const grown = new Uint8Array(this.size * 2);
      grown.set(new Uint8Array(this.view.buffer));
      this.view = new DataView(grown.buffer);
    }
    return at;
  }

  word(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }

  wide(at: number, value: bigint): void {
    this.view.setBigUint64(at, value, true);
  }

  bytes(): Uint8Array {
    const size = this.reserve(0);
    this.word(abi.HOST_SIZE, size);
    return new Uint8Array(this.view.buffer, 0, size);
  }
}
