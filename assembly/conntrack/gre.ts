/** The GRE tracker (nf_conntrack_proto_gre.c). */
import { TRACKING_GRE, TRACKING_GRE_STREAM } from '../../src/abi/conntrack';
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_SOURCE, STATUS_ASSURED, STATUS_SEEN_REPLY } from '../../src/abi/fields';
import { senderKey } from './calls';
import { ENTRY_STATUS } from './entry';
import { parameter } from './parameters';
import { addStatus } from './status';
import { refresh } from './timeout';

const VERSION_MASK: u32 = 7;
const VERSION_PPTP: u32 = 1;
const PROTOCOL_PPP: u32 = 0x880b;
/** Bytes up to and with the call id. */
const PPTP_SIZE: u32 = 8;

/** Answer of `greKey` when the packet cannot have a tuple. */
export const GRE_NONE: u32 = 0xffffffff;

/** The key that stands for the destination port: the call id of PPTP, else 0; GRE_NONE when version 1 does not carry PPP. */
export function greKey(header: usize, present: u32): u32 {
  if (present < 4 || ((load<u8>(header, 1) as u32) & VERSION_MASK) !== VERSION_PPTP || present < PPTP_SIZE) return 0;
  if ((bswap(load<u16>(header, 2)) as u32) !== PROTOCOL_PPP) return GRE_NONE;
  return bswap(load<u16>(header, 6)) as u32;
}

/** The key that stands for the source port of a packet to `key`. PPTP is for IPv4 alone. */
export function senderOf(slot: usize, header: usize, present: u32, key: u32): u32 {
  if (load<u32>(slot, FIELD_FAMILY * 4) !== 4) return 0;
  return senderKey(header, present, load<u32>(slot, FIELD_SOURCE * 4), load<u32>(slot, FIELD_DESTINATION * 4), key);
}

/** One GRE packet. Always accepted. */
export function grePacket(entry: usize, now: i64): void {
  if (load<u32>(entry, ENTRY_STATUS) & STATUS_SEEN_REPLY) {
    refresh(entry, parameter(TRACKING_GRE_STREAM), now);
    addStatus(entry, STATUS_ASSURED);
  } else {
    refresh(entry, parameter(TRACKING_GRE), now);
  }
}
