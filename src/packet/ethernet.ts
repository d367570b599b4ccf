/** Ethernet (LINKTYPE 1): destination, source, EtherType. */
import { macAt, u16 } from './bytes.ts';
import { readEthertype } from './ethertype.ts';
import type { LinkResult } from './link.ts';

const HEADER = 14;

/** Checks and reads an Ethernet frame without its FCS. 802.3 frames (a length instead of an EtherType) carry no IP that Linux takes. */
export function readEthernet(bytes: Uint8Array): LinkResult {
  if (bytes.length < HEADER) return { kind: 'unseen', reason: 'truncated' };
  const carried = readEthertype(bytes, u16(bytes, 12), HEADER);
  if (carried.kind === 'unseen') return carried;
  const { kind, family, offset, end } = carried;
  const link = { kind, family, offset, destinationMac: macAt(bytes, 0), sourceMac: macAt(bytes, 6), loopback: false };
  return end === undefined ? link : { ...link, end };
}
