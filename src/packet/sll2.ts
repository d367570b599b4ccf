/** Linux cooked capture, version 2 (LINKTYPE 276): protocol, reserved, interface index, ARPHRD, packet type, address length, address. */
import { u8, u16, u32 } from './bytes.ts';
import { readEthertype } from './ethertype.ts';
import type { LinkResult } from './link.ts';
import { ARPHRD_NETLINK, cookedFields } from './sll.ts';

const HEADER = 20;

export function readSll2(bytes: Uint8Array): LinkResult {
  if (bytes.length < HEADER) return { kind: 'unseen', reason: 'truncated' };
  if (u16(bytes, 8) === ARPHRD_NETLINK) return { kind: 'unseen', reason: 'not-ip' };
  const carried = readEthertype(bytes, u16(bytes, 0), HEADER);
  if (carried.kind === 'unseen') return carried;
  const fields = cookedFields(u8(bytes, 10), u16(bytes, 8), u8(bytes, 11), bytes.subarray(12, 20));
  return { ...carried, ...fields, device: u32(bytes, 4) };
}
