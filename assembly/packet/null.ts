/** LINKTYPE_NULL and LINKTYPE_LOOP: four bytes of address family, of NULL in either byte order, of LOOP in the network's; its number for IPv6 differs between systems. */
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, network } from './ethertype.ts';
import { linkTruncated, notIp } from './link.ts';

export function nullLoop(slot: usize, at: usize, end: usize, isLoop: bool): void {
  if (end - at < 4) {
    linkTruncated(slot);
    return;
  }
  const little = load<u32>(at);
  const family = isLoop || little > 0xffff ? bswap<u32>(little) : little;
  switch (family) {
    case 2:
      network(slot, ETHERTYPE_IPV4, at + 4, end);
      return;
    // Linux; NetBSD and OpenBSD; FreeBSD; macOS.
    case 10:
    case 24:
    case 28:
    case 30:
      network(slot, ETHERTYPE_IPV6, at + 4, end);
      return;
    default:
      notIp(slot);
  }
}
