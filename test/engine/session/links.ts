/** Ethernet frames of IPv4 and IPv6 behind other link headers, or as others see them. */
import type { Draw, Packet } from './unusual.ts';

const [ETHERNET, OUTGOING] = [14, 4];
/** The host's MAC in the traffic of bench/traffic.ts. */
export const OWN_MAC = '02:00:00:00:00:02';

export interface Link {
  name: string;
  linktype: number;
  /** Of frames that begin with an Ethernet header; shorter ones stay as they are. */
  cast(frame: Uint8Array, draw: Draw): Uint8Array;
}

const behind = (header: readonly number[], frame: Uint8Array): Uint8Array =>
  Uint8Array.from([...header, ...frame.subarray(ETHERNET)]);
const tag = (frame: Uint8Array, ...tags: number[]): Uint8Array =>
  Uint8Array.from([...frame.subarray(0, 12), ...tags.flatMap((type) => [type >> 8, type & 255, 0, 7]), ...frame.subarray(12)]);
const leaves = (frame: Uint8Array): boolean => frame[5] === 1;
const isSix = (frame: Uint8Array): boolean => frame[12] === 0x86;

/** Now and then something else is in its place. */
const often = <T>(draw: Draw, usual: T, ...others: T[]): T => (draw(16) === 0 ? others[draw(others.length)]! : usual);

/** Type of hardware (Ethernet, netlink, PPP, loopback), and which way the packet went. */
function cookedAs(frame: Uint8Array, draw: Draw): [hardware: number, kind: number] {
  return [often(draw, 1, 824, 512, 772), often(draw, leaves(frame) ? OUTGOING : 0, 0, 1, 2, 3, 4, 5, 7)];
}

const whole =
  (cast: (frame: Uint8Array, draw: Draw) => Uint8Array) =>
  (frame: Uint8Array, draw: Draw): Uint8Array =>
    frame.length < ETHERNET ? frame : cast(frame, draw);

export const LINKS: readonly Link[] = [
  { name: 'Ethernet', linktype: 1, cast: (frame) => frame },
  { name: 'VLAN', linktype: 1, cast: whole((frame, draw) => tag(frame, often(draw, 0x8100, 0x88a8, 0x9100, 0x9200))) },
  { name: 'VLAN in VLAN', linktype: 1, cast: whole((frame, draw) => tag(frame, 0x88a8, often(draw, 0x8100, 0x9200))) },
  { name: 'VLAN and none by turns', linktype: 1, cast: whole((frame, draw) => (draw(2) === 0 ? frame : tag(frame, 0x8100))) },
  { name: 'three VLANs', linktype: 1, cast: whole((frame) => tag(frame, 0x88a8, 0x8100, 0x8100)) },
  {
    name: 'SLL',
    linktype: 113,
    cast: whole((frame, draw) => {
      const [hardware, kind] = cookedAs(frame, draw);
      const head = [0, kind, hardware >> 8, hardware & 255, 0, 6, ...frame.subarray(6, 12), 0, 0];
      return behind([...head, ...often(draw, [...frame.subarray(12, 14)], [0, 0], [8, 6])], frame);
    }),
  },
  {
    name: 'SLL2',
    linktype: 276,
    cast: whole((frame, draw) => {
      const [hardware, kind] = cookedAs(frame, draw);
      const type = often(draw, [...frame.subarray(12, 14)], [0, 0], [8, 6]);
      const head = [...type, 0, 0, 0, 0, 0, often(draw, 2, 3, 9), hardware >> 8, hardware & 255, kind, 6];
      return behind([...head, ...frame.subarray(6, 12), 0, 0], frame);
    }),
  },
  { name: 'raw', linktype: 101, cast: whole((frame) => frame.subarray(ETHERNET)) },
  { name: 'raw (BSD)', linktype: 12, cast: whole((frame) => frame.subarray(ETHERNET)) },
  { name: 'IPv4', linktype: 228, cast: whole((frame) => frame.subarray(ETHERNET)) },
  { name: 'IPv6', linktype: 229, cast: whole((frame) => frame.subarray(ETHERNET)) },
  {
    name: 'null',
    linktype: 0,
    cast: whole((frame, draw) =>
      behind(
        often(
          draw,
          isSix(frame) ? [30, 0, 0, 0] : [2, 0, 0, 0],
          [0, 0, 0, 2],
          [0, 0, 0, 24],
          [28, 0, 0, 0],
          [7, 0, 0, 0],
          [10, 0, 0, 0],
        ),
        frame,
      ),
    ),
  },
  {
    name: 'loop',
    linktype: 108,
    cast: whole((frame, draw) =>
      behind(often(draw, isSix(frame) ? [0, 0, 0, 10] : [0, 0, 0, 2], [2, 0, 0, 0], [0, 0, 0, 9]), frame),
    ),
  },
];

/** The packets behind a link's headers. */
export function over(link: Link, packets: readonly Packet[], draw: Draw): Packet[] {
  return packets.map(({ microseconds, frame, wire }) => {
    const cast = link.cast(frame, draw);
    return { microseconds, frame: cast, wire: Math.max(cast.length, wire + cast.length - frame.length) };
  });
}

/** A pcap of one link type, of a capture that asPcap made. */
export function ofLinktype(capture: Uint8Array, linktype: number): Uint8Array {
  const copy = Uint8Array.from(capture);
  new DataView(copy.buffer).setUint32(20, linktype, true);
  return copy;
}

/** Now and then a frame comes from another MAC, or is for another, or both. */
export function withMacs(packets: readonly Packet[], draw: Draw): Packet[] {
  return packets.map((packet) => {
    if (packet.frame.length < ETHERNET || draw(12) > 0) return packet;
    const frame = Uint8Array.from(packet.frame);
    if (draw(2) === 0) frame[5] = draw(4);
    if (draw(2) === 0) frame[11] = draw(4);
    if (draw(6) === 0) frame[0] = frame[0]! ^ 1;
    return { ...packet, frame };
  });
}
