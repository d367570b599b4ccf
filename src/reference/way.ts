/** Which way a packet takes through the host (model/host.ts), and at which devices. */
import type { Host } from '../model/host.ts';
import type { Family, Words } from '../model/ruleset.ts';
import type { Frame } from '../model/witness.ts';
import type { Link } from '../packet/link.ts';
import type { Routes } from './routes.ts';

export type Way =
  /** Comes in from outside; routing decides about INPUT or FORWARD after PREROUTING. */
  | 'arrives'
  | 'output'
  /** Sent and received by this host: OUTPUT, POSTROUTING, PREROUTING, INPUT. */
  | 'loopback'
  /** The copy of a forwarded packet that leaves. */
  | 'outgoing-copy';

/** How a packet that enters netfilter goes on: a broadcast of this host leaves, and a copy comes back. */
export type Course = Exclude<Way, 'outgoing-copy'> | 'broadcast';

const DEFAULT_INTERFACE = 'eth0';
const LOOPBACK = 'lo';

/** Whether a capture says where a router's packets come in: only where the user did not. */
const tellsWay = (frame: Frame, host: Host): boolean => host.recordedWays === true && frame.interfaceName !== undefined;

const isOwnMac = (asked: readonly number[] | null, host: Host): boolean =>
  asked?.some((byte) => byte !== 0) === true && host.interfaces.some(({ mac }) => mac?.every((byte, i) => byte === asked[i]));

/** What the capture says about the direction of a frame. On lo it says nothing: every packet is sent and received there. */
function directionOf(frame: Frame, link: Link, host: Host): 'in' | 'out' | 'unknown' {
  if (link.loopback || frame.interfaceName === LOOPBACK) return 'unknown';
  if (link.recordedType !== undefined) return link.recordedType === 'outgoing' ? 'out' : 'in';
  if (frame.direction !== undefined) return frame.direction;
  // A router of which nothing else is known has no MACs of its own.
  if (host.forward) return 'unknown';
  if (isOwnMac(link.sourceMac, host)) return 'out';
  // Nobody sends to a device of its own from a MAC that it has not.
  return isOwnMac(link.destinationMac, host) ? 'in' : 'unknown';
}

/** The capture says that the packet went out, of a host of which more is known than that it forwards. */
export const wentOut = (frame: Frame, link: Link, host: Host): boolean =>
  !host.forward && directionOf(frame, link, host) === 'out';

/** The host may have sent the packet itself: the capture says that it went out, or it bears an address of the host and the capture does not say that it came in. */
export function mayBeOwn(frame: Frame, link: Link, host: Host, fromHere: boolean): boolean {
  const direction = directionOf(frame, link, host);
  return direction === 'out' || (fromHere && direction === 'unknown');
}

/** Addresses are the packet's; `frame` and `link` say what the capture knows. */
export function chooseWay(
  frame: Frame,
  link: Link,
  host: Host,
  routes: Routes,
  family: Family,
  source: Words,
  destination: Words,
): Way {
  if (host.forward)
    return (tellsWay(frame, host) || host.copiesLeave === true) && directionOf(frame, link, host) === 'out'
      ? 'outgoing-copy'
      : 'arrives';
  const direction = directionOf(frame, link, host);
  const fromHere = routes.isLocal(family, source);
  // From no address yet: DHCP, duplicate address detection.
  const unspecified = source.every((word) => word === 0);
  if (direction === 'out' && !fromHere && !unspecified) return 'outgoing-copy';
  if (direction === 'in' || (direction === 'unknown' && !fromHere)) return 'arrives';
  return routes.isLocal(family, destination) ? 'loopback' : 'output';
}

const firstInterface = (host: Host): string | undefined => host.interfaces.find((entry) => entry.name !== LOOPBACK)?.name;

/** The device a packet arrives at. */
export function arrivalDevice(frame: Frame, host: Host, routes: Routes, family: Family, source: Words): string {
  if (host.forward && host.in !== undefined && !tellsWay(frame, host)) return host.in;
  return frame.interfaceName ?? host.in ?? routes.deviceFrom(family, source) ?? firstInterface(host) ?? DEFAULT_INTERFACE;
}

/** The device a packet of this host leaves by. */
export function departureDevice(frame: Frame, host: Host, routes: Routes, family: Family, destination: Words): string {
  return frame.interfaceName ?? routedDevice(host, routes, family, destination);
}

/** The same without regard to where it was captured. */
export function routedDevice(host: Host, routes: Routes, family: Family, destination: Words): string {
  const routed = routes.deviceTo(family, destination);
  return host.out ?? routed ?? host.in ?? firstInterface(host) ?? DEFAULT_INTERFACE;
}

/** How a packet of this host goes on. `named`: the device it was captured at, if it was on its way to that destination. */
export function departureOf(
  host: Host,
  routes: Routes,
  family: Family,
  destination: Words,
  named?: string,
): { way: Course; device: string } {
  if (routes.isLocal(family, destination)) return { way: 'loopback', device: LOOPBACK };
  const device = named ?? routedDevice(host, routes, family, destination);
  return { way: routes.isBroadcast(family, destination, device) ? 'broadcast' : 'output', device };
}
