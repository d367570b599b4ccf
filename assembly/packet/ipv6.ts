/** IPv6: the checks of ip6_rcv_core (net/ipv6/ip6_input.c) in its order, then the static fields. */
import { FIELD_DESTINATION, FIELD_LENGTH, FIELD_SOURCE, FIELD_TOS, FIELD_TTL } from '../../src/abi/fields.ts';
import { PACKET_DOUBT } from '../../src/abi/packet.ts';
import {
  UNSEEN_IP_SHORT,
  UNSEEN_IP_TRUNCATED,
  UNSEEN_IP_VERSION,
  UNSEEN_IP6_ADDRESS,
  UNSEEN_IP6_HOPOPTS,
} from '../../src/abi/reasons.ts';
import { lenient } from '../stack/host.ts';
import { be16 } from './ethertype.ts';
import { extensionHeaders, NEXT_HOP_BY_HOP } from './extension-headers.ts';
import { hopByHop } from './hop-by-hop.ts';
import { doubt, putFamily, unseen } from './ip.ts';

const HEADER: u32 = 40;
const MULTICAST: u32 = 0xff;
const TCP: u32 = 6;
const UDP: u32 = 17;

/** `captured` bytes lie at `ip`, padding of the frame included. */
export function ipv6(slot: usize, ip: usize, captured: u32): void {
  if (captured < HEADER) {
    unseen(slot, UNSEEN_IP_SHORT);
    return;
  }
  if (load<u8>(ip) >> 4 !== 6) {
    unseen(slot, UNSEEN_IP_VERSION);
    return;
  }
  // Scope 1 and ::1 depend on the device; stack/ looks at them.
  if (load<u8>(ip, 8) === MULTICAST || (load<u8>(ip, 24) === MULTICAST && (load<u8>(ip, 25) & 15) === 0)) {
    doubt(slot, UNSEEN_IP6_ADDRESS);
    putHeader(slot, ip, 0);
  }
  const payload = be16(ip + 4);
  const next: u32 = load<u8>(ip, 6);
  const unbounded = payload === 0 && (next === NEXT_HOP_BY_HOP || (lenient && (next === TCP || next === UDP)));
  // A payload length of 0 before hop-by-hop options is left to the jumbo option: without one, padding stays.
  let total = unbounded ? captured : payload + HEADER;
  if (total > captured && !lenient) {
    // The stack would have looked at the addresses first; this one never comes to stack/.
    if (load<u32>(slot, PACKET_DOUBT) === 0 && staysInside(ip)) {
      doubt(slot, UNSEEN_IP6_ADDRESS);
      putHeader(slot, ip, 0);
    }
    unseen(slot, UNSEEN_IP_TRUNCATED);
    return;
  }
  if (next === NEXT_HOP_BY_HOP) {
    const announced = hopByHop(ip, min<u32>(total, captured), total, payload);
    if (announced !== 0) total = announced;
    else if (load<u32>(slot, PACKET_DOUBT) === 0) doubt(slot, UNSEEN_IP6_HOPOPTS);
  }
  putHeader(slot, ip, total);
  extensionHeaders(slot, ip, next, min<u32>(total, captured));
}

/** From or to ::1, or to a group of the device alone. */
function staysInside(ip: usize): bool {
  return isLoopback(ip + 8) || isLoopback(ip + 24) || (load<u8>(ip, 24) === MULTICAST && (load<u8>(ip, 25) & 15) === 1);
}

function isLoopback(address: usize): bool {
  return load<u64>(address) === 0 && load<u64>(address, 8) === 0x0100000000000000;
}

/** A packet that was put together from fragments: ip6_rcv looked at those, and does not look at the whole. */
export function rebuiltIpv6(slot: usize, ip: usize, captured: u32): void {
  const total = be16(ip + 4) + HEADER;
  putHeader(slot, ip, total);
  extensionHeaders(slot, ip, load<u8>(ip, 6), min<u32>(total, captured));
}

function putHeader(slot: usize, ip: usize, total: u32): void {
  store<u32>(slot, total, FIELD_LENGTH * 4);
  store<u32>(slot, load<u8>(ip, 7), FIELD_TTL * 4);
  store<u32>(slot, (be16(ip) >> 4) & 0xff, FIELD_TOS * 4);
  putAddress(slot + FIELD_SOURCE * 4, ip + 8);
  putAddress(slot + FIELD_DESTINATION * 4, ip + 24);
  putFamily(slot, 6);
}

function putAddress(to: usize, from: usize): void {
  store<u64>(to, rotl<u64>(bswap<u64>(load<u64>(from)), 32));
  store<u64>(to, rotl<u64>(bswap<u64>(load<u64>(from, 8)), 32), 8);
}
