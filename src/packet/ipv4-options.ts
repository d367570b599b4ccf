/** IPv4 options as the receiving stack judges them (net/ipv4/ip_options.c ip_options_compile). */
import { u8, u32 } from './bytes.ts';

const END = 0;
const NOP = 1;
const RECORD_ROUTE = 7;
const TIMESTAMP = 68;
const LOOSE_SOURCE_ROUTE = 131;
const CIPSO = 134;
const STRICT_SOURCE_ROUTE = 137;
const ROUTER_ALERT = 148;

export type OptionsResult = 'fine' | 'malformed' | 'source-route';

interface Seen {
  sourceRoute: boolean;
  recordRoute: boolean;
  timestamp: boolean;
}

/** `options`: the bytes behind the fixed header. `malformed` drops the packet; `source-route`: well formed and carrying one. */
export function checkOptions(options: Uint8Array): OptionsResult {
  const seen: Seen = { sourceRoute: false, recordRoute: false, timestamp: false };
  let at = 0;
  while (at < options.length) {
    const kind = u8(options, at);
    if (kind === END) break;
    if (kind === NOP) {
      at++;
      continue;
    }
    if (options.length < at + 2) return 'malformed';
    const length = u8(options, at + 1);
    if (length < 2 || at + length > options.length) return 'malformed';
    if (!optionRight(options.subarray(at, at + length), seen)) return 'malformed';
    at += length;
  }
  return seen.sourceRoute ? 'source-route' : 'fine';
}

function optionRight(option: Uint8Array, seen: Seen): boolean {
  const length = option.length;
  switch (option[0]) {
    case LOOSE_SOURCE_ROUTE:
    case STRICT_SOURCE_ROUTE:
      if (length < 3 || option[2]! < 4 || seen.sourceRoute) return false;
      seen.sourceRoute = true;
      return true;
    case RECORD_ROUTE:
      if (seen.recordRoute || length < 3 || option[2]! < 4) return false;
      seen.recordRoute = true;
      return option[2]! > length || option[2]! + 3 <= length;
    case TIMESTAMP:
      if (seen.timestamp) return false;
      seen.timestamp = true;
      return timestampRight(option);
    case ROUTER_ALERT:
      return length >= 4;
    case CIPSO:
      return false; // no domain of interpretation is configured (cipso_v4_validate)
    default:
      return true;
  }
}

/** Pointer in byte 2 (from 1), overflow counter and kind in byte 3: 0 times only, 1 with addresses, 3 addresses given beforehand. */
function timestampRight(option: Uint8Array): boolean {
  if (option.length < 4) return false;
  const pointer = option[2]!;
  const kind = option[3]! & 15;
  if (pointer < 5) return false;
  if (pointer > option.length) return kind === 3 || option[3]! >> 4 !== 15;
  if (pointer + 3 > option.length) return false;
  return kind === 1 || kind === 3 ? pointer + 7 <= option.length : true;
}

/**
 * ip_options_compile of a packet that is received: whether the stack writes into options that are fine: an address or a time, that there was no room for a time, or nothing behind the end of the list. The header's
 * checksum then no longer holds until the packet leaves. `isOwn`: of an address that the sender wants the time of.
 */
export function isWrittenInto(options: Uint8Array, isOwn: (address: number) => boolean): boolean {
  for (let at = 0; at < options.length; ) {
    const option = options.subarray(at);
    if (option[0] === END) return option.some((byte) => byte !== END);
    if (option[0] === RECORD_ROUTE && option[2]! <= option[1]!) return true;
    if (option[0] === TIMESTAMP && isTimeWritten(option, isOwn)) return true;
    // Nobody has looked at those of the host's own packets.
    if (option[0] !== NOP && !(option[1]! >= 2)) return false;
    at += option[0] === NOP ? 1 : option[1]!;
  }
  return false;
}

function isTimeWritten(option: Uint8Array, isOwn: (address: number) => boolean): boolean {
  const [length, pointer, kind] = [option[1]!, option[2]!, option[3]! & 15];
  if (pointer > length) return kind !== 3;
  return kind === 3 ? isOwn(u32(option, pointer - 1)) : kind <= 1;
}
