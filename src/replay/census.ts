/** Who talks in a capture: what is known of every address of its first packets, for the guess of the host model. */
import { formatAddress } from '../model/address.ts';
import type { Family, Words } from '../model/ruleset.ts';
import type { Frame } from '../model/witness.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { carriedBytes, type Link, readLink } from '../packet/link.ts';

/** How many frames are looked at. */
export const GUESS_FRAMES = 20_000;

/** The TTLs systems send with: an address that never sent one of them lies behind a router. */
const FRESH_TTLS: ReadonlySet<number> = new Set([32, 64, 128, 255]);

const TCP = 6;
const UDP = 17;

/** What is known of one address. */
export class Seen {
  packets = 0;
  sent = 0;
  /** Packets in which this address has the lower port: servers are protected more often than clients. */
  serving = 0;
  /** Packets the capture itself says were sent by its host. */
  outgoing = 0;
  highestTtl = 0;
  /** Source MAC addresses it sent with, as text. */
  readonly macs = new Set<string>();

  /** It sent nothing, or its packets came fresh from it. */
  get near(): boolean {
    return this.sent === 0 || FRESH_TTLS.has(this.highestTtl);
  }
}

/** One family's packets between two addresses a host can have for good. */
export class Census {
  readonly addresses = new Map<string, Seen>();
  packets = 0;

  of(address: Words): Seen {
    const name = formatAddress(address);
    const known = this.addresses.get(name);
    if (known !== undefined) return known;
    const made = new Seen();
    this.addresses.set(name, made);
    return made;
  }

  /** The host's own address comes first, if any is: what the capture itself says was sent by its host, then most packets, what is near, and serves. */
  ranking(): [string, Seen][] {
    return [...this.addresses].sort(
      ([, a], [, b]) =>
        b.outgoing - a.outgoing || b.packets - a.packets || Number(b.near) - Number(a.near) || b.serving - a.serving,
    );
  }
}

export interface Censuses {
  families: Record<Family, Census>;
  /** Link-local IPv6 addresses by the MAC address they sent with. */
  linkLocal: Map<string, Set<string>>;
  /** Names of interfaces in the capture (pcapng). */
  interfaces: Set<string>;
  /** Numbers of devices in the capture (SLL2), lo left out. */
  devices: Set<number>;
}

/** Of no frames. */
export const emptyCensus = (): Censuses => ({
  families: { 4: new Census(), 6: new Census() },
  linkLocal: new Map(),
  interfaces: new Set(),
  devices: new Set(),
});

/** Takes a frame into the census; one that is no readable IP is left out. */
export function countFrame(census: Censuses, frame: Frame): void {
  if (frame.interfaceName !== undefined) census.interfaces.add(frame.interfaceName);
  const link = readLink(frame);
  if (link.kind !== 'ip') return;
  countDevice(census.devices, link);
  const packet = readPacket(carriedBytes(frame.bytes, link));
  if (packet !== undefined) note(census, packet, frame, link);
}

/** Takes the number of the frame's device into a set; lo has none that matters. */
export function countDevice(devices: Set<number>, { device, loopback }: Link): void {
  if (device !== undefined && !loopback) devices.add(device);
}

interface Packet {
  family: Family;
  source: Words;
  destination: Words;
  ttl: number;
  /** Source and destination port; equal where there are none. */
  ports: readonly [number, number];
}

function readPacket(bytes: Uint8Array): Packet | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && ipv4.checkHeader(bytes) === null) {
    const ports = portsOf(bytes, ipv4.protocol(bytes), ipv4.headerLength(bytes));
    return { family: 4, source: ipv4.source(bytes), destination: ipv4.destination(bytes), ttl: ipv4.ttl(bytes), ports };
  }
  if (version === 6 && bytes.length >= ipv6.HEADER_LENGTH) {
    const ports = portsOf(bytes, ipv6.nextHeader(bytes), ipv6.HEADER_LENGTH);
    return { family: 6, source: ipv6.source(bytes), destination: ipv6.destination(bytes), ttl: ipv6.hopLimit(bytes), ports };
  }
  return undefined;
}

function portsOf(bytes: Uint8Array, protocol: number, offset: number): [number, number] {
  if ((protocol !== TCP && protocol !== UDP) || bytes.length < offset + 4) return [0, 0];
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  return [view.getUint16(0), view.getUint16(2)];
}

function note(census: Censuses, packet: Packet, frame: Frame, link: Link): void {
  const { family, source, destination, ttl, ports } = packet;
  const mac = link.sourceMac?.join(':');
  if (mac !== undefined && isLinkLocal(source, family)) {
    const known = census.linkLocal.get(mac) ?? new Set();
    census.linkLocal.set(mac, known.add(formatAddress(source)));
  }
  if (!isLasting(source, family) || !isLasting(destination, family)) return;
  const counted = census.families[family];
  counted.packets++;
  const [from, to] = [counted.of(source), counted.of(destination)];
  from.packets++;
  to.packets++;
  from.sent++;
  from.highestTtl = Math.max(from.highestTtl, ttl);
  if (mac !== undefined) from.macs.add(mac);
  if (link.recordedType === 'outgoing' || frame.direction === 'out') from.outgoing++;
  if (ports[0] < ports[1]) from.serving++;
  if (ports[1] < ports[0]) to.serving++;
}

const isLinkLocal = (address: Words, family: Family): boolean => family === 6 && address[0]! >>> 22 === 0x3fa;

/** Neither multicast, broadcast, unspecified, loopback nor link-local: an address that can be a host's own for good. */
function isLasting(address: Words, family: Family): boolean {
  const first = address[0]!;
  if (family === 4) return first !== 0 && first >>> 28 < 14 && first >>> 24 !== 127;
  const loopback = address[3] === 1 && address.slice(0, 3).every((word) => word === 0);
  return first >>> 24 !== 0xff && !isLinkLocal(address, family) && !loopback && address.some((word) => word !== 0);
}
