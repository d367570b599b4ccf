/** Ethernet (LINKTYPE 1): destination, source, EtherType. */
import { u16 } from './bytes.ts';
import { readEthertype } from './ethertype.ts';
import type { LinkResult } from './link.ts';

const HEADER = 14;

/** Checks and reads an Ethernet frame without its FCS. 802.3 frames (a length instead of an EtherType) carry no IP that Linux takes. */
export function readEthernet(bytes: Uint8Array): LinkResult {
  if (bytes.length < HEADER) return { kind: 'unseen', reason: 'truncated' };
  const carried = readEthertype(bytes, u16(bytes, 12), HEADER);
  if (carried.kind === 'unseen') return carried;
  return {
    ...carried,
    destinationMac: Array.from(bytes.subarray(0, 6)),
    sourceMac: Array.from(bytes.subarray(6, 12)),
    loopback: false,
  };
}
