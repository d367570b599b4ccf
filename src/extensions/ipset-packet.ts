/** What a packet has for the parts of a set's elements. Kernel: the kadt functions of net/netfilter/ipset/ip_set_*.c, ip_set_getport.c. */
import { maskAddress } from '../model/address.ts';
import { type ElementPart, type IpSet, interfaceWords, type SetPart } from '../model/ipset.ts';
import { u16, u32 } from '../packet/bytes.ts';
import { skipExtensions } from '../packet/ipv6.ts';
import type { PacketView } from '../packet/view.ts';

const [ICMP, TCP, UDP, ICMPV6, SCTP, UDPLITE] = [1, 6, 17, 58, 132, 136];
/** Bytes of the header that must be there. */
const HEADERS: Readonly<Record<number, number>> = { [ICMP]: 8, [TCP]: 20, [UDP]: 8, [ICMPV6]: 8, [SCTP]: 12, [UDPLITE]: 8 };
/** Protocols whose later fragments have none of what is asked for. */
const FRAGMENTED: readonly number[] = [TCP, SCTP, UDP, UDPLITE, ICMP];
const LOOPBACK = 'lo';

/** undefined: the packet has none, and no element is it. */
export function partOf(kind: SetPart, set: IpSet, side: 'src' | 'dst', packet: PacketView): ElementPart | undefined {
  switch (kind) {
    case 'ip':
    case 'net':
      return addressOf(set, side, packet);
    case 'port':
      return portOf(set.type === 'bitmap:port', side, packet);
    case 'mac':
      return macOf(side, packet);
    case 'mark':
      return { words: [(packet.mark & set.markmask) >>> 0], prefix: 0 };
    case 'iface': {
      const name = side === 'src' ? packet.inInterface : packet.outInterface;
      return name === '' ? undefined : { words: interfaceWords(name), prefix: 0 };
    }
  }
}

function addressOf({ mask, type }: IpSet, side: 'src' | 'dst', packet: PacketView): ElementPart | undefined {
  const address = side === 'src' ? packet.source : packet.destination;
  const words = mask === null ? address : maskAddress(address, mask);
  if ((type === 'hash:ip' || type === 'hash:ip,port') && words.every((word) => word === 0)) return undefined;
  return { words, prefix: packet.family === 4 ? 32 : 128 };
}

function macOf(side: 'src' | 'dst', { linkHeader, inInterface }: PacketView): ElementPart | undefined {
  if (linkHeader === null || linkHeader.length === 0 || inInterface === LOOPBACK) return undefined;
  const at = side === 'src' ? 6 : 0;
  const words = [u16(linkHeader, at), u32(linkHeader, at + 2)];
  return words.every((word) => word === 0) ? undefined : { words, prefix: 0 };
}

/** Port and protocol; of ICMP type and code; of what has no ports 0. */
function portOf(bitmap: boolean, side: 'src' | 'dst', packet: PacketView): ElementPart | undefined {
  const { family, bytes } = packet;
  let [protocol, at] = [bytes[9]!, (bytes[0]! & 15) * 4];
  let fragment = family === 4 && (u16(bytes, 6) & 0x1fff) !== 0;
  if (family === 6) {
    const upper = skipExtensions(bytes);
    if (upper === 'unparsable' || upper.fragmentOffset !== 0) return undefined;
    [protocol, at, fragment] = [upper.protocol, upper.offset, false];
  } else if (protocol === 0) return undefined;
  if (bitmap && protocol !== TCP && protocol !== UDP) return undefined;
  if (fragment) return FRAGMENTED.includes(protocol) ? undefined : { words: [0], prefix: protocol };
  const header = HEADERS[protocol];
  if (header === undefined) return { words: [0], prefix: bitmap ? 0 : protocol };
  if (at + header > bytes.length) return undefined;
  const typed = protocol === ICMP || protocol === ICMPV6;
  return { words: [u16(bytes, typed || side === 'src' ? at : at + 2)], prefix: bitmap ? 0 : protocol };
}
