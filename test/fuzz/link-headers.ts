/** Captures of random cases behind random link headers: right ones, those of others, impossible ones and cut ones. Knows formats, nothing of the witnesses. */
import { writePcap } from '../../src/capture/writer.ts';
import type { Draw } from '../../src/extensions/extension.ts';
import type { FuzzPacket } from '../../src/fuzz/packets.ts';
import { LOCAL, MACS, OWN_MAC, REMOTE } from '../../src/fuzz/pools.ts';
import type { Host } from '../../src/model/host.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { concat, describe_, enhanced, option, section } from '../capture/build.ts';

const OTHER_DEVICE = '02:00:00:00:00:02';
const NOBODY = '00:00:00:00:00:00';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** Of lo, once it is up. */
const LOOPBACK = [
  { family: 'inet', local: '127.0.0.1', prefixlen: 8 },
  { family: 'inet6', local: '::1', prefixlen: 128 },
];
const GROUP = '01:00:5e:00:00:01';
const ANY_MAC = [OWN_MAC, OTHER_DEVICE, ...MACS, NOBODY, BROADCAST, GROUP];
/** Numbers of lo, eth0, eth1, a port of a bridge, and one that nobody told. */
const NUMBERS = [1, 2, 3, 4, 9];
const TAGS = [0x8100, 0x88a8, 0x9100, 0x9200];
/** ARP, none, a length, MPLS, PPPoE. */
const OTHER_TYPES = [0x0806, 0, 0x05dc, 0x8847, 0x8848, 0x8864];
/** Ethernet, loopback, netlink, PPP, none. */
const HARDWARE = [1, 1, 1, 1, 1, 772, 824, 512, 65534];
/** What a cooked header can say beside what taps see (0 to 4). */
const KINDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 0x104];
const FAMILIES = [2, 10, 24, 28, 30, 7, 0];

const macBytes = (mac: string): number[] => mac.split(':').map((byte) => Number.parseInt(byte, 16));
const be16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
/** Now and then something else is in its place. */
const often = <T>(draw: Draw, usual: T, others: readonly T[]): T => (draw.chance(0.12) ? draw.pick(others) : usual);
const typeOf = (family: Family): number => (family === 4 ? 0x0800 : 0x86dd);

interface Ends {
  to: number[];
  from: number[];
}

/** As they would be on the wire, mostly. */
function macsOf(draw: Draw, { direction, kind, sourceMac }: FuzzPacket): Ends {
  const own = draw.pick([OWN_MAC, OWN_MAC, OTHER_DEVICE]);
  const [to, from] = direction === 'out' ? [sourceMac, own] : [own, sourceMac];
  const several = kind === 'broadcast' ? BROADCAST : kind === 'multicast' ? GROUP : to;
  return { to: macBytes(often(draw, several, ANY_MAC)), from: macBytes(often(draw, from, ANY_MAC)) };
}

/** An EtherType and what lies behind it: the packet, or tags, labels or a session in front of it. */
function announced(draw: Draw, family: Family, bytes: readonly number[], tagged: number): number[] {
  if (tagged > 0) return [...be16(draw.pick(TAGS)), 0, draw.integer(0, 7), ...announced(draw, family, bytes, tagged - 1)];
  const type = often(draw, typeOf(family), [...OTHER_TYPES, typeOf(4), typeOf(6), ...TAGS]);
  if (type === 0x8847 || type === 0x8848) {
    const labels = draw.pick([
      [0, 1, 0x11, 64],
      [0, 1, 0x10, 64, 0, 2, 0x11, 64],
      [0, 1, 0x10, 64],
    ]);
    return [...be16(type), ...labels, ...bytes];
  }
  if (type !== 0x8864) return [...be16(type), ...bytes];
  const length = often(draw, bytes.length + 2, [0, 1, 2, 21, 40, 2000]);
  const protocol = often(draw, family === 4 ? 0x21 : 0x57, [0x21, 0x57, 0xc021]);
  return [
    ...be16(type),
    ...often(
      draw,
      [0x11, 0],
      [
        [0x11, 9],
        [0x21, 0],
      ],
    ),
    0,
    1,
    ...be16(length),
    ...be16(protocol),
    ...bytes,
  ];
}

/** What is in the frame: mostly the packet; now and then one of another version, or cut. */
function carried(draw: Draw, { bytes }: FuzzPacket): number[] {
  const copy = [...bytes];
  if (draw.chance(0.06) && copy.length > 0) copy[0] = (copy[0]! & 15) | (draw.pick([0, 4, 5, 6, 15]) << 4);
  return draw.chance(0.06) ? copy.slice(0, draw.integer(0, 44)) : copy;
}

/** Packet type, hardware, and the sender of a cooked header. */
function cooked(draw: Draw, packet: FuzzPacket): { kind: number; hardware: number; length: number; sender: number[] } {
  const usual = packet.direction === 'out' ? 4 : { host: 0, broadcast: 1, multicast: 2 }[packet.kind];
  const kind = draw.chance(0.6) ? usual : draw.pick(KINDS);
  const length = often(draw, 6, [0, 4, 8, 262]);
  return { kind, hardware: draw.pick(HARDWARE), length, sender: [...macsOf(draw, packet).from, 0, 0] };
}

/** Address families stand in the writer's byte order (NULL) or the network's (LOOP). */
function familyWord(draw: Draw, family: Family, little: boolean): number[] {
  const word = [0, 0, 0, often(draw, family === 4 ? 2 : 30, FAMILIES)];
  return little ? word.reverse() : word;
}

const HEADERS: Readonly<Record<number, (draw: Draw, packet: FuzzPacket) => number[]>> = {
  1: (draw, packet) => {
    const { to, from } = macsOf(draw, packet);
    return [...to, ...from, ...announced(draw, packet.family, carried(draw, packet), draw.pick([0, 0, 0, 1, 1, 2, 3]))];
  },
  113: (draw, packet) => {
    const { kind, hardware, length, sender } = cooked(draw, packet);
    const behind = announced(draw, packet.family, carried(draw, packet), draw.pick([0, 0, 0, 0, 1, 2]));
    return [...be16(kind), ...be16(hardware), ...be16(length), ...sender, ...behind];
  },
  276: (draw, packet) => {
    const { kind, hardware, length, sender } = cooked(draw, packet);
    const [high, low, ...behind] = announced(draw, packet.family, carried(draw, packet), draw.pick([0, 0, 0, 0, 1, 2]));
    const device = [0, 0, 0, 0, 0, draw.pick(NUMBERS)];
    return [high!, low!, ...device, ...be16(hardware), kind & 255, length & 255, ...sender, ...behind];
  },
  101: carried,
  12: carried,
  14: carried,
  228: carried,
  229: carried,
  0: (draw, packet) => [...familyWord(draw, packet.family, draw.chance(0.7)), ...carried(draw, packet)],
  108: (draw, packet) => [...familyWord(draw, packet.family, draw.chance(0.1)), ...carried(draw, packet)],
  // Not read.
  147: carried,
};
export const LINKTYPES: readonly number[] = [1, 1, 1, 1, 113, 113, 113, 276, 276, 276, 101, 12, 14, 228, 229, 0, 108, 147];

/** A packet behind a header of a LINKTYPE, now and then cut anywhere in it. */
function frameOf(draw: Draw, packet: FuzzPacket, linktype: number): Uint8Array {
  const frame = Uint8Array.from(HEADERS[linktype]!(draw, packet));
  return draw.chance(0.04) ? frame.subarray(0, draw.integer(0, Math.min(frame.length, 30))) : frame;
}

/** The packets as a pcap file of one link type, or as pcapng of several devices, with names (one of them `stranger`), without, with directions and without. */
export function recast(draw: Draw, packets: readonly FuzzPacket[], stranger: string): Uint8Array {
  if (draw.chance(0.6)) {
    const linktype = draw.pick(LINKTYPES.slice(0, -1));
    return writePcap(
      packets.map((packet) => ({ time: packet.time, bytes: frameOf(draw, packet, linktype) })),
      linktype,
    );
  }
  const devices = Array.from({ length: draw.integer(1, 5) }, () => ({
    linktype: draw.pick(LINKTYPES),
    name: draw.pick(['eth0', 'eth0', 'eth1', 'lo', stranger, undefined, undefined]),
  }));
  const flagged = draw.chance(0.6);
  const nanoseconds = option(9, [9]);
  return concat(
    section(),
    ...devices.map(({ linktype, name }) =>
      describe_(linktype, { options: name === undefined ? [nanoseconds] : [option(2, Buffer.from(name)), nanoseconds] }),
    ),
    ...packets.map((packet) => {
      const id = draw.integer(0, devices.length - 1);
      const options = flagged && draw.chance(0.7) ? [option(2, [draw.integer(0, 3), 0, 0, 0])] : [];
      return enhanced(frameOf(draw, packet, devices[id]!.linktype), { id, clock: packet.time, options });
    }),
  );
}

/** The case's host, or one whose devices' MACs and numbers are told, or a router of which nothing is known. */
export function drawHost(draw: Draw, family: Family, usual: Host): Host {
  if (usual.forward || draw.chance(0.15)) {
    const router = buildHost({ forward: true, ...(draw.chance() && { in: 'eth0' }), ...(draw.chance() && { out: 'eth1' }) });
    if (draw.chance()) router.recordedWays = true;
    if (draw.chance(0.3)) router.copiesLeave = true;
    return router;
  }
  if (draw.chance(0.3)) return usual;
  const inet = family === 4 ? 'inet' : 'inet6';
  const prefixlen = family === 4 ? 24 : 64;
  const device = (ifindex: number, ifname: string, address: string | undefined, local: string) => ({
    ifindex,
    ifname,
    ...(address !== undefined && { address }),
    addr_info: [{ family: inet, local, prefixlen }],
  });
  const told = draw.chance(0.85);
  const port = {
    ifindex: 4,
    ifname: 'eth2',
    address: MACS[2]!,
    master: 'br0',
    linkinfo: { info_slave_kind: 'bridge' },
    addr_info: [],
  };
  return buildHost({
    addresses: [
      { ifindex: 1, ifname: 'lo', address: NOBODY, addr_info: draw.chance() ? LOOPBACK : [] },
      device(2, 'eth0', told ? OWN_MAC : undefined, LOCAL[family]),
      device(3, 'eth1', draw.chance(0.7) ? OTHER_DEVICE : undefined, REMOTE[family][2]!),
      ...(draw.chance() ? [port] : []),
    ],
    routes: [[{ dst: family === 4 ? '0.0.0.0/0' : '::/0', dev: 'eth0' }]],
    ...(draw.chance(0.3) && { in: 'eth0' }),
  });
}
