/** The UDP and UDP-Lite trackers (nf_conntrack_proto_udp.c). */
import { TRACKING_UDP, TRACKING_UDP_STREAM } from '../../src/abi/conntrack';
import { FIELD_L4_LENGTH, FIELD_LENGTH, STATUS_ASSURED, STATUS_SEEN_REPLY } from '../../src/abi/fields';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet';
import { INVALID_CHECKSUM, INVALID_NONE, INVALID_SHORT, INVALID_UDP_LENGTH } from '../../src/abi/reasons';
import { checksumHolds } from './checksum';
import { ENTRY_STATUS, ENTRY_STREAM, PROTOCOL_UDP } from './entry';
import { hz, parameter } from './parameters';
import { addStatus } from './status';
import { isConfirmed, refresh } from './timeout';

const UDP_HEADER_SIZE: u32 = 8;
/** A flow is a stream when it still talks after so many seconds. */
const STREAM_SECONDS: u32 = 2;

/** Checks the UDP header (udp_error). Out: INVALID_NONE or why not. */
export function udpCheck(slot: usize, verify: bool): u32 {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < UDP_HEADER_SIZE) return INVALID_SHORT;
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const length = bswap(load<u16>(header, 4)) as u32;
  if (length > load<u32>(slot, FIELD_LENGTH * 4) - offset || length < UDP_HEADER_SIZE) return INVALID_UDP_LENGTH;
  if (load<u16>(header, 6) === 0) return INVALID_NONE;
  return verify && !checksumHolds(slot, PROTOCOL_UDP, present) ? INVALID_CHECKSUM : INVALID_NONE;
}

/**
 * Checks the UDP-Lite header (udplite_error): the length is what the checksum covers, 0 is everything, and a checksum there must be. The kernel's
 * pseudo header has UDP's protocol number there, so that right checksums fail.
 */
export function udpliteCheck(slot: usize, verify: bool): u32 {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < UDP_HEADER_SIZE) return INVALID_SHORT;
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const length = load<u32>(slot, FIELD_LENGTH * 4) - offset;
  let covered = bswap(load<u16>(header, 4)) as u32;
  if (covered === 0) covered = length;
  if (covered < UDP_HEADER_SIZE || covered > length) return INVALID_UDP_LENGTH;
  if (load<u16>(header, 6) === 0) return INVALID_CHECKSUM;
  return verify && !checksumHolds(slot, PROTOCOL_UDP, min(covered, present)) ? INVALID_CHECKSUM : INVALID_NONE;
}

/** One packet of a UDP flow. Always accepted. */
export function udpPacket(entry: usize, now: i64): void {
  if (!isConfirmed(entry)) store<i64>(entry, now + (STREAM_SECONDS as i64) * (hz() as i64), ENTRY_STREAM);
  if (load<u32>(entry, ENTRY_STATUS) & STATUS_SEEN_REPLY && now > load<i64>(entry, ENTRY_STREAM)) {
    refresh(entry, parameter(TRACKING_UDP_STREAM), now);
    addStatus(entry, STATUS_ASSURED);
  } else {
    refresh(entry, parameter(TRACKING_UDP), now);
  }
}

/** One packet of a UDP-Lite flow: a stream as soon as both sides have spoken. Always accepted. */
export function udplitePacket(entry: usize, now: i64): void {
  if (load<u32>(entry, ENTRY_STATUS) & STATUS_SEEN_REPLY) {
    refresh(entry, parameter(TRACKING_UDP_STREAM), now);
    addStatus(entry, STATUS_ASSURED);
  } else {
    refresh(entry, parameter(TRACKING_UDP), now);
  }
}
