/** What the IP stack drops before PREROUTING: ip_rcv_core (net/ipv4/ip_input.c) and ip6_rcv_core (net/ipv6/ip6_input.c) of 6.18. */
import {
  UNSEEN_IP_CHECKSUM,
  UNSEEN_IP_HEADER_LENGTH,
  UNSEEN_IP_SHORT,
  UNSEEN_IP_TOTAL_LENGTH,
  UNSEEN_IP_TRUNCATED,
  UNSEEN_IP_VERSION,
  UNSEEN_IP6_ADDRESS,
  UNSEEN_IP6_HOPOPTS,
} from '../abi/reasons.ts';
import type { Profile } from '../model/profile.ts';
import type { Family } from '../model/ruleset.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { hopByHopRight, jumboPayload } from '../packet/ipv6-options.ts';

export type Prestack = { family: Family; bytes: Uint8Array; length: number } | { unseen: number };

const TCP = 6;
const UDP = 17;

export interface PrestackWay {
  /** The packet came off the wire (not sent by this host, not over lo): checksum and address checks apply. */
  arrives: boolean;
  /** The device it came in at: over lo addresses of loopback and of its scope may come. */
  device: string;
}

const FAULTS: Readonly<Record<ipv4.Ipv4Fault, number>> = {
  short: UNSEEN_IP_SHORT,
  version: UNSEEN_IP_VERSION,
  'header-length': UNSEEN_IP_HEADER_LENGTH,
  checksum: UNSEEN_IP_CHECKSUM,
  truncated: UNSEEN_IP_TRUNCATED,
  'total-length': UNSEEN_IP_TOTAL_LENGTH,
};

/** `bytes` from where the IP header should be to the end of the capture. Answers the packet without padding, or an UNSEEN_* number. */
export function checkPrestack(bytes: Uint8Array, family: Family | 'nibble', profile: Profile, way: PrestackWay): Prestack {
  if (family !== 'nibble') return family === 4 ? check4(bytes, profile, way) : check6(bytes, profile, way);
  if (bytes.length === 0) return { unseen: UNSEEN_IP_SHORT };
  const version = bytes[0]! >> 4;
  if (version === 4) return check4(bytes, profile, way);
  if (version === 6) return check6(bytes, profile, way);
  return { unseen: UNSEEN_IP_VERSION };
}

function check4(bytes: Uint8Array, profile: Profile, way: PrestackWay): Prestack {
  const lenient = profile.prestack === 'lenient';
  const fault = ipv4.checkHeader(bytes);
  if (fault !== null) return { unseen: FAULTS[fault] };
  // A sending host fills the header checksum in itself; what `lenient` forgives are checksums left to the NIC.
  if (way.arrives && !lenient && !ipv4.headerChecksumRight(bytes)) return { unseen: UNSEEN_IP_CHECKSUM };
  const total = ipv4.totalLength(bytes);
  if (lenient && total === 0) return { family: 4, bytes, length: bytes.length };
  if (total > bytes.length && !lenient) return { unseen: UNSEEN_IP_TRUNCATED };
  if (total < ipv4.headerLength(bytes)) return { unseen: UNSEEN_IP_TOTAL_LENGTH };
  return { family: 4, bytes: bytes.subarray(0, total), length: total };
}

function check6(bytes: Uint8Array, profile: Profile, way: PrestackWay): Prestack {
  const lenient = profile.prestack === 'lenient';
  if (bytes.length < ipv6.HEADER_LENGTH) return { unseen: UNSEEN_IP_SHORT };
  if (ipv6.version(bytes) !== 6) return { unseen: UNSEEN_IP_VERSION };
  if (way.arrives && !addressesRight(bytes, way.device === 'lo')) return { unseen: UNSEEN_IP6_ADDRESS };
  const payload = ipv6.payloadLength(bytes);
  const hopByHop = ipv6.nextHeader(bytes) === ipv6.HOP_BY_HOP;
  // Without a length the jumbo option must say it, else the frame does.
  const jumbo = payload === 0 && hopByHop;
  const segmented = lenient && payload === 0 && (ipv6.nextHeader(bytes) === TCP || ipv6.nextHeader(bytes) === UDP);
  const length = jumbo || segmented ? bytes.length : payload + ipv6.HEADER_LENGTH;
  if (length > bytes.length && !lenient) return { unseen: UNSEEN_IP_TRUNCATED };
  const trimmed = bytes.subarray(0, length);
  if (!hopByHop) return { family: 6, bytes: trimmed, length };
  const right = hopByHopRight(trimmed);
  // ip6_rcv reads the options; what the host sends goes out with any.
  if (way.arrives && !right) return { unseen: UNSEEN_IP6_HOPOPTS };
  const announced = jumbo && right ? jumboPayload(trimmed) : 0;
  if (announced === 0) return { family: 6, bytes: trimmed, length };
  return { family: 6, bytes: trimmed.subarray(0, announced + ipv6.HEADER_LENGTH), length: announced + ipv6.HEADER_LENGTH };
}

/** RFC 4291 2.5.3 and 2.7: no loopback addresses on the wire, no multicast source, no multicast of scope 0 or 1. Of these ip6_rcv_core lets in over lo loopback addresses and scope 1. */
function addressesRight(bytes: Uint8Array, overLo: boolean): boolean {
  const source = ipv6.source(bytes);
  const destination = ipv6.destination(bytes);
  if (ipv6.isMulticast(source)) return false;
  if (!overLo && (ipv6.isLoopback(source) || ipv6.isLoopback(destination))) return false;
  return !ipv6.isMulticast(destination) || ipv6.multicastScope(destination) > (overLo ? 0 : 1);
}
