/** Which packets that go no further an ICMP error tells their sender of: the checks of nf_send_unreach (ipv4/netfilter/nf_reject_ipv4.c, ipv6/netfilter/nf_reject_ipv6.c) and of icmp_send (ipv4/icmp.c, ipv6/icmp.c). */
import {
  FIELD_DESTINATION,
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_LENGTH,
  FIELD_PACKET_TYPE,
  FIELD_SOURCE,
  PACKET_HOST,
} from '../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED } from '../src/abi/packet.ts';
import { pseudoHeaderOf, sumHolds } from './conntrack/checksum';
import { headerHolds, isSummed } from './conntrack/header';
import { skipExtensionHeaders, skippedKind, skippedTo } from './packet/skip-headers.ts';
import { lenient, sumsDccp } from './stack/host.ts';
import { isUnfinished } from './stack/unfinished.ts';
import { isForOne } from './stack/way.ts';

const ICMP: u32 = 1;
const TCP: u32 = 6;
const UDP: u32 = 17;
const DCCP: u32 = 33;
const FRAGMENT: u32 = 44;
const GRE: u32 = 47;
const ESP: u32 = 50;
const AH: u32 = 51;
const ICMPV6: u32 = 58;
const SCTP: u32 = 132;
const UDPLITE: u32 = 136;
const UDP_HEADER: u32 = 8;
const LAST_ICMP: u32 = 18;
/** Types that are errors (icmp_pointers), a bit each: 1 to 7 and 9 to 12, also those that were never given out. */
const ERRORS: u32 = 0x1efe;
const INFORMATIONAL6: u32 = 128;
const GROUP6: u32 = 0xff;

/** REJECT sends an error about the packet. `arrived`: it came in; what this host sends itself gets the checksums of TCP and UDP later. */
export function isReported(slot: usize, arrived: bool): bool {
  if (load<u32>(slot, FIELD_FRAGMENT * 4) !== 0 || !isTold(slot)) return false;
  const ip: usize = load<u32>(slot, PACKET_IP);
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  if (load<u32>(slot, FIELD_FAMILY * 4) !== 6) {
    const at = ((load<u8>(ip) as u32) & 15) << 2;
    const protocol: u32 = load<u8>(ip, 9);
    return isSound(slot, protocol, ip + at, length - at, arrived, protocol !== TCP && protocol !== UDP);
  }
  if (!skipExtensionHeaders(ip, presentOf(slot))) return false;
  // A later fragment whose chain rules cannot walk has no fragment offset for them.
  if (skippedKind === FRAGMENT || skippedTo >= length) return false;
  return isSound(slot, skippedKind, ip + skippedTo, length - skippedTo, arrived, false);
}

/** The sender of a packet that goes no further is told so (icmp_send, icmp6_send), whatever its checksum. */
export function isTold(slot: usize): bool {
  if (load<u32>(slot, FIELD_PACKET_TYPE * 4) !== <u32>PACKET_HOST) return false;
  const ip: usize = load<u32>(slot, PACKET_IP);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6) return isBetweenTwo6(slot) && !isError6(ip, presentOf(slot));
  if (load<u32>(slot, FIELD_FRAGMENT * 4) !== 0 || !isForOne(slot)) return false;
  return load<u8>(ip, 9) !== ICMP || !isError4(ip, ((load<u8>(ip) as u32) & 15) << 2, presentOf(slot));
}

function presentOf(slot: usize): u32 {
  return min<u32>(load<u32>(slot, FIELD_LENGTH * 4), load<u32>(slot, PACKET_IP_CAPTURED));
}

/** The message at `at` is an error, unknown, or not there. */
function isError4(ip: usize, at: u32, present: u32): bool {
  if (at >= present) return true;
  const type: u32 = load<u8>(ip + at);
  return type > LAST_ICMP || ((ERRORS >>> type) & 1) !== 0;
}

/** The same of ICMPv6. What headers lead nowhere is none. */
function isError6(ip: usize, present: u32): bool {
  if (!skipExtensionHeaders(ip, present) || skippedKind !== ICMPV6) return false;
  return skippedTo >= present || (load<u8>(ip + skippedTo) as u32) < INFORMATIONAL6;
}

/** To no group, and from a sender that can be told. */
function isBetweenTwo6(slot: usize): bool {
  const source = slot + FIELD_SOURCE * 4;
  if (load<u32>(slot, FIELD_DESTINATION * 4) >>> 24 === GROUP6 || load<u32>(source) >>> 24 === GROUP6) return false;
  return (load<u64>(source) | load<u64>(source, 8)) !== 0;
}

/** nf_reject_verify_csum, and the sum of `length` bytes at `data`; `bare`: without a pseudo header. The sum of protocols that nobody knows must be right, too. */
function isSound(slot: usize, protocol: u32, data: usize, length: u32, arrived: bool, bare: bool): bool {
  switch (protocol) {
    case GRE:
    case ESP:
    case AH:
    case SCTP:
    case UDPLITE:
      return true;
    case DCCP:
      if (!sumsDccp) return true;
      break;
    case TCP:
      if (!arrived) return true;
      break;
    case UDP:
      if (!arrived || lenient || (length >= UDP_HEADER && load<u16>(data, 6) === 0)) return true;
      break;
  }
  // skb_csum_unnecessary: in FORWARD, too.
  if (lenient || isUnfinished(slot) || isSummed(slot, protocol)) return true;
  return sumHolds(data, length, bare ? 0 : pseudoHeaderOf(slot, protocol, length)) && headerHolds(slot);
}
