/** Frames of the link types a capture can have, around the same packets. */
import type { Family } from '../model/ruleset.ts';
import { ethernetFrame } from './build-packet.ts';
import type { FuzzPacket } from './packets.ts';
import { DEVICE_INDEX, OWN_MAC } from './pools.ts';

/** LINKTYPE_ numbers: Ethernet, raw IP, both Linux cooked captures (tcpdump -i any). */
export const LINKS = [1, 101, 113, 276] as const;
export type Link = (typeof LINKS)[number];
export const ETHERNET: Link = 1;

const GROUP_MACS = { host: OWN_MAC, broadcast: 'ff:ff:ff:ff:ff:ff', multicast: '01:00:5e:00:00:01' };
/** Cooked captures know how a packet came: to this host, to all, to a group, or from here. */
const COOKED = { host: 0, broadcast: 1, multicast: 2, out: 4 };
const ARPHRD_ETHER = 1;

/** The packet as the firewall's device would have captured it. */
export function frameOf(packet: FuzzPacket, link: Link): Uint8Array {
  const { bytes, family, direction, kind, sourceMac } = packet;
  if (link === 101) return bytes;
  if (link !== 1) return cooked(packet, link);
  const [to, from] = direction === 'out' ? [sourceMac, OWN_MAC] : [GROUP_MACS[kind], sourceMac];
  return ethernetFrame(to, from, family, bytes, bytes.length % 2 === 0 && announced(bytes, family) <= bytes.length);
}

function cooked({ bytes, family, direction, kind, sourceMac }: FuzzPacket, link: 113 | 276): Uint8Array {
  const out = new Uint8Array((link === 113 ? 16 : 20) + bytes.length);
  const view = new DataView(out.buffer);
  const type = direction === 'out' ? COOKED.out : COOKED[kind];
  const protocol = family === 4 ? 0x0800 : 0x86dd;
  const sender = (direction === 'out' ? OWN_MAC : sourceMac).split(':').map((byte) => Number.parseInt(byte, 16));
  if (link === 113) {
    view.setUint16(0, type);
    view.setUint16(2, ARPHRD_ETHER);
    view.setUint16(4, sender.length);
    out.set(sender, 6);
    view.setUint16(14, protocol);
  } else {
    view.setUint16(0, protocol);
    view.setUint32(4, DEVICE_INDEX);
    view.setUint16(8, ARPHRD_ETHER);
    out[10] = type;
    out[11] = sender.length;
    out.set(sender, 12);
  }
  out.set(bytes, out.length - bytes.length);
  return out;
}

/** The length the IP header claims: padding must not fill up what is missing. */
function announced(bytes: Uint8Array, family: Family): number {
  const at = family === 4 ? 2 : 4;
  return bytes[at]! * 256 + bytes[at + 1]! + (family === 4 ? 0 : 40);
}
