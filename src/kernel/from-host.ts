/**
 * From the host model and captured frames to a job. Follows the words of model/host.ts on which way a captured packet takes, by itself:
 * the kernel then does the routing, so that a host model that is wrong shows as a difference.
 */
import { formatAddress, maskAddress, prefixMask } from '../model/address.ts';
import type { Host, HostAddress, JoinedGroup, Route } from '../model/host.ts';
import type { Family, Words } from '../model/ruleset.ts';
import type { Frame } from '../model/witness.ts';
import { type CaptureFrames, type Inner, innerOf } from './from-capture.ts';
import type { KernelFrame, KernelJob } from './job.ts';
import { looksLikeAnswer } from './own-answers.ts';
import { OwnDatagrams, ownPart } from './own-datagrams.ts';

/** The parts of a job that the host and the capture decide. */
export type HostedJob = Pick<
  KernelJob,
  | 'topology'
  | 'proxies'
  | 'localMark'
  | 'local'
  | 'groups'
  | 'routes'
  | 'defaultRoute'
  | 'links'
  | 'inIface'
  | 'outIface'
  | 'frames'
> &
  Pick<CaptureFrames, 'numbers' | 'skipped'> & {
    /** Numbers of packets that are parts of datagrams of this host, sent whole in the place of their last part (own-datagrams.ts) or, where the capture does not hold all, not at all. */
    parts: number[];
    /** Numbers of packets in whose place such a datagram is sent. */
    wholes: number[];
  };

const UNREACHABLE = new Set<Route['type']>(['blackhole', 'unreachable', 'prohibit', 'throw']);

function firstDevice(host: Host): string {
  return host.interfaces.find((device) => device.name !== 'lo')?.name ?? 'eth0';
}

function sameAddress(a: Words, b: Words): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

function inNetwork(address: Words, family: Family, route: Route): boolean {
  return route.family === family && sameAddress(maskAddress(address, prefixMask(route.prefix, family)), route.destination);
}

const LOCAL_TABLE = new Set<Route['type']>(['local', 'broadcast', 'anycast', 'multicast']);

/** The route to an address: the local table first, then the longest prefix, then the lowest metric. */
function routeTo(host: Host, family: Family, address: Words): Route | undefined {
  const fitting = host.routes.filter((route) => inNetwork(address, family, route));
  const table = (route: Route): number => (LOCAL_TABLE.has(route.type) ? 0 : 1);
  fitting.sort((a, b) => table(a) - table(b) || b.prefix - a.prefix || a.metric - b.metric);
  return fitting[0];
}

/** Where packets from an address come in (model/host.ts): only a unicast or broadcast route back tells, and never lo. */
function deviceFrom(host: Host, family: Family, address: Words): string | undefined {
  const route = routeTo(host, family, address);
  const leadsBack = route?.type === 'unicast' || route?.type === 'broadcast';
  return leadsBack && route.device !== 'lo' ? route.device : undefined;
}

function isLocal(host: Host, family: Family, address: Words): boolean {
  if (family === 4 && (address[0] ?? 0) >>> 24 === 127) return true;
  return (
    host.interfaces.some((device) =>
      device.addresses.some((own) => own.family === family && sameAddress(own.address, address)),
    ) || host.routes.some((route) => route.type === 'local' && inNetwork(address, family, route))
  );
}

function wordsAt(bytes: Uint8Array, at: number, count: number): Words {
  return Array.from({ length: count }, (_, i) => {
    const p = at + 4 * i;
    return (((bytes[p] ?? 0) << 24) | ((bytes[p + 1] ?? 0) << 16) | ((bytes[p + 2] ?? 0) << 8) | (bytes[p + 3] ?? 0)) >>> 0;
  });
}

function source(inner: Inner): Words {
  return inner.family === 4 ? wordsAt(inner.bytes, 12, 1) : wordsAt(inner.bytes, 8, 4);
}

function destination(inner: Inner): Words {
  return inner.family === 4 ? wordsAt(inner.bytes, 16, 1) : wordsAt(inner.bytes, 24, 4);
}

function macOf(mac: readonly number[]): string {
  return mac.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** What the capture says of the direction: the record itself, SLL, or MACs: from one that is the host's own, or to one. */
function knownDirection(host: Host, frame: Frame, inner: Inner): 'in' | 'out' | undefined {
  if (frame.direction !== undefined) return frame.direction;
  if (inner.direction !== undefined) return inner.direction;
  const macs = host.interfaces.flatMap(({ mac }) => (mac === undefined ? [] : [macOf(mac)]));
  if (inner.source !== undefined && macs.includes(inner.source)) return 'out';
  return inner.destination !== undefined && macs.includes(inner.destination) ? 'in' : undefined;
}

/** The device it was captured at, where the capture says: by its number, which the host knows, or by its name. */
function deviceOf(host: Host, frame: Frame, { device }: Inner): string | undefined {
  return host.interfaces.find(({ index }) => index !== undefined && index === device)?.name ?? frame.interfaceName;
}

/** The frame as the job wants it; a reason when it is not to be injected. */
function placed(host: Host, frame: Frame, inner: Inner): KernelFrame | string {
  if (host.interfaces.some(({ index, isPort }) => isPort === true && index !== undefined && index === inner.device))
    return 'copy at a port';
  const link = {
    ...(inner.kind === undefined ? {} : { dstMacKind: inner.kind }),
    ...(inner.source === undefined ? {} : { srcMac: inner.source }),
  };
  const arriving = { time: frame.time, bytes: inner.bytes, family: inner.family, ...link };
  const answers = looksLikeAnswer(inner.bytes, inner.family);
  if (host.forward) {
    const wentOut = (frame.direction ?? inner.direction) === 'out';
    // Whoever captured it may not be the router.
    if (arriving.dstMacKind === 'other') delete arriving.dstMacKind;
    return { ...arriving, direction: 'in', ...(answers && wentOut && { answer: 'maybe' }) };
  }
  const recorded = deviceOf(host, frame, inner);
  const known = knownDirection(host, frame, inner);
  const own = isLocal(host, inner.family, source(inner));
  if (known === 'out' && !own && !answers) return 'outgoing copy of a forwarded packet';
  if (known === 'in' || (known === undefined && !own)) {
    const iface = recorded ?? host.in ?? deviceFrom(host, inner.family, source(inner)) ?? firstDevice(host);
    const knowsMac = host.interfaces.some((device) => device.name === iface && device.mac !== undefined);
    const dstMac = knowsMac && inner.destination !== undefined ? { dstMac: inner.destination } : {};
    return { ...arriving, ...dstMac, direction: 'in', iface };
  }
  const answer = own ? 'maybe' : 'only';
  const leaving: KernelFrame = {
    time: frame.time,
    bytes: inner.bytes,
    family: inner.family,
    direction: 'out',
    ...(answers && { answer }),
  };
  const to = destination(inner);
  if (isLocal(host, inner.family, to)) return leaving;
  const route = routeTo(host, inner.family, to);
  // A bound socket holds its packets at the device, whatever rules make of their destination: only where routing alone would not find it.
  const routed = route?.type === 'unicast' && route.device !== undefined && !wantsDevice(to);
  if (routed && recorded === undefined && host.out === undefined) return leaving;
  return { ...leaving, iface: departure(host, frame, inner) };
}

/** The device by which a packet of the host leaves that is not for itself (model/host.ts). */
function departure(host: Host, frame: Frame, inner: Inner): string {
  const route = routeTo(host, inner.family, destination(inner));
  return deviceOf(host, frame, inner) ?? host.out ?? route?.device ?? host.in ?? firstDevice(host);
}

const mtuOf = (host: Host, device: string): number | undefined => host.interfaces.find(({ name }) => name === device)?.mtu;

/** Groups, link-local and limited broadcast addresses: routes alone do not say by which device. */
function wantsDevice([first = 0, ...rest]: Words): boolean {
  if (rest.length === 0) return first >>> 28 === 14 || first === 0xffffffff;
  return first >>> 24 === 0xff || first >>> 22 === 0xfe80 >>> 6;
}

/** Routes the kernel makes by itself when the addresses are set. */
function isConnected(host: Host, route: Route): boolean {
  if (route.destination.length === 1 && (route.destination[0] ?? 0) >>> 24 === 127) return true;
  return host.interfaces.some((device) =>
    device.addresses.some(
      (own) =>
        own.family === route.family &&
        (route.type === 'local'
          ? sameAddress(own.address, route.destination)
          : device.name === route.device &&
            own.prefix === route.prefix &&
            sameAddress(maskAddress(own.address, prefixMask(own.prefix, own.family)), route.destination)),
    ),
  );
}

/** The model has looked at the gateway; `ip` may know less of its device. */
const viaOf = ({ gateway }: Route): string => (gateway === undefined ? '' : ` via ${formatAddress(gateway)} onlink`);

function routeLines(host: Host, families: readonly Family[]): string[] {
  const lines = new Set<string>();
  // Behind those that gateways are reached by.
  const inOrder = [...host.routes].sort((a, b) => Number(a.gateway !== undefined) - Number(b.gateway !== undefined));
  for (const route of inOrder) {
    if (!families.includes(route.family) || isConnected(host, route)) continue;
    const network = `${formatAddress(route.destination)}/${route.prefix}`;
    const metric = route.metric > 0 ? ` metric ${route.metric}` : '';
    if (UNREACHABLE.has(route.type)) lines.add(`${route.type} ${network}${metric}`);
    else if (route.type === 'local') lines.add(`local ${network} dev lo table local`);
    else if (route.type === 'unicast' && route.device !== undefined)
      lines.add(`${network}${viaOf(route)} dev ${route.device}${metric}`);
  }
  if (host.out !== undefined) {
    // Behind every other route: what no route takes leaves by --out.
    for (const family of families) lines.add(`${family === 4 ? '0.0.0.0' : '::'}/0 dev ${host.out} metric 4000000`);
  }
  return [...lines];
}

/** As the kernel lists them, in the model's order: of IPv6 a new address goes before those of its scope (ipv6_link_dev_addr), so they are added from the last to the first. */
const inOrderOfAdding = (addresses: readonly HostAddress[]): HostAddress[] => [
  ...addresses.filter(({ family }) => family === 4),
  ...addresses.filter(({ family }) => family === 6).reverse(),
];

function localLines(host: Host, families: readonly Family[]): string[] {
  return host.interfaces.flatMap((device) =>
    inOrderOfAdding(device.addresses)
      .filter((own) => families.includes(own.family) && !(device.name === 'lo' && isLoopback(own.address)))
      .map((own) => `${formatAddress(own.address)}/${own.prefix}%${device.name}`),
  );
}

function isLoopback(address: Words): boolean {
  return address.length === 1 ? (address[0] ?? 0) >>> 24 === 127 : sameAddress(address, [0, 0, 0, 1]);
}

/**
 * MACs as the model has them; an MTU only where every frame that arrives fits it (a veth would drop the others before the kernel sees them), and every one that leaves (the raw socket would refuse it).
 * `longest`: of those that leave, by device.
 */
function links(host: Host, frames: KernelFrame[], longest: ReadonlyMap<string, number>): NonNullable<KernelJob['links']> {
  const out: NonNullable<KernelJob['links']> = {};
  for (const { name, mac, mtu } of host.interfaces) {
    if (name === 'lo') continue;
    const fits =
      mtu !== undefined &&
      (longest.get(name) ?? 0) <= mtu &&
      frames.every((frame) => frame.direction === 'out' || frame.iface !== name || frame.bytes.length <= mtu);
    out[name] = { ...(mac === undefined ? {} : { mac: macOf(mac) }), ...(fits ? { mtu } : {}) };
  }
  return out;
}

/** Where rules put fragments together, the kernel is given what the capture holds. `whole`: families whose rules do not. */
interface Wanted {
  whole?: readonly Family[];
}

/** The job of replaying these frames against this host, for the families there are rules for. */
export function jobFromHost(
  host: Host,
  captured: Iterable<Frame>,
  families: readonly Family[],
  { whole = [] }: Wanted = {},
): HostedJob {
  const frames: KernelFrame[] = [];
  const numbers: number[] = [];
  const skipped: HostedJob['skipped'] = [];
  const parts: number[] = [];
  const wholes: number[] = [];
  const datagrams = new OwnDatagrams();
  const longest = new Map<string, number>();
  let packet = 0;
  for (const frame of captured) {
    packet++;
    const inner = innerOf(frame);
    const result =
      inner === undefined ? 'not IP' : families.includes(inner.family) ? placed(host, frame, inner) : 'no rules for this family';
    if (typeof result === 'string') {
      skipped.push({ packet, reason: result });
      continue;
    }
    const { family = 4 } = result;
    const leaves = result.direction === 'out' && !isLocal(host, family, destination(inner!));
    const device = leaves ? departure(host, frame, inner!) : '';
    const part = leaves && whole.includes(family) ? ownPart(result, family, mtuOf(host, device)) : undefined;
    if (part !== undefined && !datagrams.isAlone(part)) {
      const joined = datagrams.join(part);
      if (joined === undefined) {
        parts.push(packet);
        continue;
      }
      wholes.push(packet);
      result.bytes = joined;
    }
    if (leaves) longest.set(device, Math.max(longest.get(device) ?? 0, result.bytes.length));
    frames.push(result);
    numbers.push(packet);
  }
  const inIface = host.in ?? firstDevice(host);
  const devices = { inIface, outIface: host.out ?? (host.forward ? 'eth1' : inIface) };
  const common = { frames, numbers, skipped, parts, wholes, ...devices, defaultRoute: false, routes: routeLines(host, families) };
  return {
    ...common,
    topology: host.forward ? 'forward' : 'host',
    ...(host.proxies && { proxies: host.proxies }),
    ...(host.localMark && { localMark: `${host.localMark.value}/${host.localMark.mask}` }),
    local: host.forward ? [] : localLines(host, families),
    ...(host.groups && { groups: groupLines(host.groups, families) }),
    links: links(host, frames, longest),
  };
}

const groupLines = (groups: readonly JoinedGroup[], families: readonly Family[]): string[] =>
  groups.filter(({ family }) => families.includes(family)).map(({ address, device }) => `${formatAddress(address)}%${device}`);
