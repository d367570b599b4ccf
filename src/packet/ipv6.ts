/** IPv6 (RFC 8200): the fixed header, and the walks over extension headers that the kernel does. */
import type { Words } from '../model/ruleset.ts';
import { u8, u16, words } from './bytes.ts';

export const HEADER_LENGTH = 40;
export const HOP_BY_HOP = 0;
export const ROUTING = 43;
export const FRAGMENT = 44;
export const AUTHENTICATION = 51;
export const NO_NEXT_HEADER = 59;
export const DESTINATION_OPTIONS = 60;
const EXTENSIONS: readonly number[] = [HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, NO_NEXT_HEADER, DESTINATION_OPTIONS];

/** The accessors may be used when there are HEADER_LENGTH bytes. */
export const version = (bytes: Uint8Array): number => u8(bytes, 0) >> 4;
export const trafficClass = (bytes: Uint8Array): number => (u16(bytes, 0) >> 4) & 0xff;
export const payloadLength = (bytes: Uint8Array): number => u16(bytes, 4);
export const nextHeader = (bytes: Uint8Array): number => u8(bytes, 6);
export const hopLimit = (bytes: Uint8Array): number => u8(bytes, 7);
export const source = (bytes: Uint8Array): Words => words(bytes, 8, 4);
export const destination = (bytes: Uint8Array): Words => words(bytes, 24, 4);

/** There are headers between this one and the transport, of which one may be that of a fragment. */
export const mayBeFragment = (bytes: Uint8Array): boolean =>
  nextHeader(bytes) !== NO_NEXT_HEADER && EXTENSIONS.includes(nextHeader(bytes));

export const isMulticast = (address: Words): boolean => address[0]! >>> 24 === 0xff;
export const multicastScope = (address: Words): number => (address[0]! >>> 16) & 15;
export const isLoopback = (address: Words): boolean =>
  address[0] === 0 && address[1] === 0 && address[2] === 0 && address[3] === 1;
export const isUnspecified = (address: Words): boolean => address.every((word) => word === 0);
/** __ipv6_addr_type gives IPV6_ADDR_UNICAST: none of those of many, not the unspecified one, no mapped one of IPv4. */
export const isUnicast = (address: Words): boolean =>
  !isMulticast(address) && !isUnspecified(address) && !(address[0] === 0 && address[1] === 0 && address[2] === 0xffff);
export const isLinkLocal = (address: Words): boolean => address[0]! >>> 22 === 0xfe80 >>> 6;

export interface Upper {
  protocol: number;
  /** From the IPv6 header. May lie at or behind the end of the packet. Of a non-first fragment: behind its fragment header. */
  offset: number;
  /** In bytes, 0 for whole packets and first fragments. */
  fragmentOffset: number;
  /** A fragment header was met (first fragments too). */
  fragment: boolean;
}

interface Step {
  next: number;
  length: number;
  fragmentOffset: number;
}

/** One extension header of type `kind` at `at`; null when its first bytes are not there. */
function stepOver(bytes: Uint8Array, kind: number, at: number): Step | null {
  if (bytes.length < at + 2) return null;
  const next = u8(bytes, at);
  if (kind === FRAGMENT) {
    if (bytes.length < at + 4) return null;
    return { next, length: 8, fragmentOffset: u16(bytes, at + 2) & 0xfff8 };
  }
  const length = kind === AUTHENTICATION ? (u8(bytes, at + 1) + 2) * 4 : (u8(bytes, at + 1) + 1) * 8;
  return { next, length, fragmentOffset: 0 };
}

/**
 * The last header, as ip6_tables looks for it (ipv6_find_hdr with no target): `no next header` is one; a non-first fragment has the protocol its
 * fragment header names, unless that is another extension header. null: the chain cannot be parsed. `stopAtAuthentication`: nf_tables takes an
 * authentication header for the last one. `whole`: a header that is longer than the packet cannot be walked over.
 */
export function findUpper(bytes: Uint8Array, { stopAtAuthentication = false, whole = false } = {}): Upper | null {
  let kind = nextHeader(bytes);
  let at = HEADER_LENGTH;
  let fragment = false;
  while (EXTENSIONS.includes(kind) && kind !== NO_NEXT_HEADER) {
    // A routing header is looked at with its first four bytes.
    if (kind === ROUTING && bytes.length < at + 4) return null;
    const step = stepOver(bytes, kind, at);
    if (step === null) return null;
    if (kind === AUTHENTICATION && stopAtAuthentication) break;
    if (kind === FRAGMENT) fragment = true;
    if (step.fragmentOffset !== 0) {
      if (EXTENSIONS.includes(step.next) && step.next !== NO_NEXT_HEADER) return null;
      return { protocol: step.next, offset: at + step.length, fragmentOffset: step.fragmentOffset, fragment: true };
    }
    if (whole && bytes.length - at < step.length) return null;
    kind = step.next;
    at += step.length;
  }
  return { protocol: kind, offset: at, fragmentOffset: 0, fragment };
}

/** As conntrack looks for it (ipv6_skip_exthdr): `no next header` cannot be tracked. `at`: where the IPv6 header begins; an error's inner packet has its own. */
export function skipExtensions(bytes: Uint8Array, at = 0): Upper | 'unparsable' {
  return skipExtensionsFrom(bytes, u8(bytes, at + 6), at + HEADER_LENGTH);
}

/** The same from a header in the chain on: one of type `kind` at `at`. */
export function skipExtensionsFrom(bytes: Uint8Array, kind: number, at: number): Upper | 'unparsable' {
  let protocol = kind;
  let offset = at;
  let fragment = false;
  while (EXTENSIONS.includes(protocol)) {
    if (protocol === NO_NEXT_HEADER) return 'unparsable';
    const step = stepOver(bytes, protocol, offset);
    if (step === null) return 'unparsable';
    if (protocol === FRAGMENT) fragment = true;
    if (step.fragmentOffset !== 0) return { protocol, offset, fragmentOffset: step.fragmentOffset, fragment };
    protocol = step.next;
    offset += step.length;
  }
  return { protocol, offset, fragmentOffset: 0, fragment };
}

/** The first fragment header: where it begins (it may be cut there), and where the header before it names it. null: there is none, or the chain to it is broken. */
export function findFragmentHeader(bytes: Uint8Array): { at: number; namedAt: number } | null {
  let kind = nextHeader(bytes);
  let namedAt = 6;
  let at = HEADER_LENGTH;
  while (kind !== FRAGMENT) {
    if (!EXTENSIONS.includes(kind) || kind === NO_NEXT_HEADER) return null;
    const step = stepOver(bytes, kind, at);
    if (step === null) return null;
    kind = step.next;
    namedAt = at;
    at += step.length;
  }
  return at > bytes.length ? null : { at, namedAt };
}

/**
 * The first header of type `kind`, as the matches about extension headers look for it (ipv6_find_hdr with a target): where it begins. `absent`: the chain ends without it, or a later
 * fragment hides it; `broken`: the chain to it, or its own first bytes, are cut. `whole`: a header that is longer than the packet cannot be walked over.
 */
export function findHeader(bytes: Uint8Array, kind: number, { whole = false } = {}): number | 'absent' | 'broken' {
  let next = nextHeader(bytes);
  let at = HEADER_LENGTH;
  for (;;) {
    const found = next === kind;
    if (!EXTENSIONS.includes(next) || next === NO_NEXT_HEADER) return found ? at : 'absent';
    if (next === ROUTING && bytes.length < at + 4) return 'broken';
    const step = stepOver(bytes, next, at);
    if (step === null) return 'broken';
    if (found) return at;
    if (step.fragmentOffset !== 0) return 'absent';
    if (whole && bytes.length - at < step.length) return 'broken';
    next = step.next;
    at += step.length;
  }
}
