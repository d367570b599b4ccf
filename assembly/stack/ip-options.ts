/** IPv4 options as the kernel checks them after routing (__ip_options_compile, net/ipv4/ip_options.c; source routes: ip_rcv_options). */

import { RTN_LOCAL, RTN_MULTICAST } from '../../src/abi/fields.ts';
import { route4, routeType } from './routes.ts';

export const OPTIONS_GOOD: u32 = 0;
export const OPTIONS_BAD: u32 = 1;
/** A source route, which no device accepts unless net.ipv4.conf.all.accept_source_route is set. */
export const OPTIONS_SOURCE_ROUTE: u32 = 2;

/** Of a timestamp option: the sender says whose times it wants. */
export const LISTED: u32 = 3;
export const END: u32 = 0;
export const NO_OPERATION: u32 = 1;
export const RECORD_ROUTE: u32 = 7;
export const TIMESTAMP: u32 = 68;
export const LOOSE_ROUTE: u32 = 131;
export const CIPSO: u32 = 134;
export const STRICT_ROUTE: u32 = 137;
export const ROUTER_ALERT: u32 = 148;
const SEEN_RECORD: u32 = 1;
const SEEN_TIMESTAMP: u32 = 2;
const SEEN_ROUTE: u32 = 4;

/** `length` bytes of options at `at`. */
export function checkOptions(at: usize, length: u32): u32 {
  let seen: u32 = 0;
  let left = length;
  while (left > 0) {
    const kind: u32 = load<u8>(at);
    if (kind === END) break;
    if (kind === NO_OPERATION) {
      at++;
      left--;
      continue;
    }
    if (left < 2) return OPTIONS_BAD;
    const size: u32 = load<u8>(at, 1);
    if (size < 2 || size > left) return OPTIONS_BAD;
    const bit = bitOf(kind);
    if ((seen & bit) !== 0 || !isGood(kind, at, size)) return OPTIONS_BAD;
    seen |= bit;
    at += size;
    left -= size;
  }
  return (seen & SEEN_ROUTE) !== 0 ? OPTIONS_SOURCE_ROUTE : OPTIONS_GOOD;
}

/** Options that may stand there once only. */
function bitOf(kind: u32): u32 {
  if (kind === LOOSE_ROUTE || kind === STRICT_ROUTE) return SEEN_ROUTE;
  if (kind === RECORD_ROUTE) return SEEN_RECORD;
  return kind === TIMESTAMP ? SEEN_TIMESTAMP : 0;
}

function isGood(kind: u32, at: usize, size: u32): bool {
  if (kind === LOOSE_ROUTE || kind === STRICT_ROUTE) return size >= 3 && load<u8>(at, 2) >= 4;
  if (kind === RECORD_ROUTE) return recordRoute(at, size);
  if (kind === TIMESTAMP) return timestamp(at, size);
  if (kind === ROUTER_ALERT) return size >= 4;
  // The kernel knows no domain of interpretation until somebody configures one.
  return kind !== CIPSO;
}

function recordRoute(at: usize, size: u32): bool {
  if (size < 3) return false;
  const pointer: u32 = load<u8>(at, 2);
  return pointer >= 4 && (pointer > size || pointer + 3 <= size);
}

function timestamp(at: usize, size: u32): bool {
  if (size < 4) return false;
  const pointer: u32 = load<u8>(at, 2);
  const flag = u32(load<u8>(at, 3)) & 15;
  if (pointer < 5) return false;
  // No room left: the overflow counter in the upper half must not run over.
  if (pointer > size) return flag === 3 || load<u8>(at, 3) >> 4 !== 15;
  const need: u32 = flag === 1 || flag === 3 ? 7 : 3;
  return pointer + need <= size;
}

/**
 * The stack has written into `length` bytes of options at `at`, which are good where the packet came from outside, as it arrived (ip_options_compile): an address, a time, that a time found no room, or zeros behind the end of the list. Whether a time was wanted of this very host
 * its routes say.
 */
export function areWritten(at: usize, length: u32): bool {
  const end = at + (length as usize);
  while (at < end) {
    const kind: u32 = load<u8>(at);
    if (kind === END) return !isZero(at, end);
    if (kind === NO_OPERATION) {
      at++;
      continue;
    }
    const size: u32 = load<u8>(at, 1);
    const next: u32 = load<u8>(at, 2);
    if (size < 2) return false;
    if (kind === RECORD_ROUTE && next <= size) return true;
    if (kind === TIMESTAMP) {
      const wanted: u32 = load<u8>(at, 3) & 15;
      const listed = wanted === LISTED;
      if (next > size ? !listed : listed ? isListed(at + next - 1) : wanted < 2) return true;
    }
    at += size;
  }
  return false;
}

function isZero(at: usize, end: usize): bool {
  while (at < end && load<u8>(at) === 0) at++;
  return at === end;
}

/** The stack fills in the time of an address that the sender lists: any but another host's (inet_addr_type). */
export function isListed(at: usize): bool {
  const address = bswap(load<u32>(at));
  if (address === 0 || address === 0xffffffff || address >>> 28 === 14) return true;
  const type = routeType(route4(address));
  return type >= <u32>RTN_LOCAL && type <= <u32>RTN_MULTICAST;
}
