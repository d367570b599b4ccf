/** IPv6 fragments: net/ipv6/netfilter/nf_conntrack_reasm.c. */
import { TRACKING_FRAG6 } from '../../src/abi/conntrack';
import { FIELD_DESTINATION, FIELD_IN_INTERFACE, FIELD_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED, PACKET_JIFFIES } from '../../src/abi/packet.ts';
import { parameter } from '../conntrack/parameters';
import { be16 } from '../packet/ethertype.ts';
import { DISCARDED, ECN_DROP, ecnOf, KEPT, PASSES, REBUILT } from './answer.ts';
import { copyDatagram, copyHeaders, FRAGMENT_SKIP, keepFragment } from './fragment.ts';
import {
  DUPLICATE,
  expire,
  findQueue,
  giveLink,
  INSERTED,
  insert,
  isComplete,
  isWaitedFor,
  keepLink,
  kill,
  OVERLAP,
  QUEUE_ECN,
  QUEUE_FIRST,
  QUEUE_FIRST_IN,
  QUEUE_FLAGS,
  QUEUE_LENGTH,
  QUEUE_LONGEST,
  QUEUE_NAMED_AT,
  takesEnd,
} from './queue.ts';
import { giveBlocks } from './region.ts';
import { ARRIVING, CUT } from './users.ts';

const FAMILY: usize = 4;
const HEADER: u32 = 40;
const FRAGMENT_HEADER: u32 = 8;
const NEXT_AT: u32 = 6;
const MORE_FRAGMENTS: u32 = 1;
const MOST: u32 = 65535;
const HOP_BY_HOP: u32 = 0;
const TCP: u32 = 6;
const UDP: u32 = 17;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const ICMPV6: u32 = 58;
const NO_NEXT: u32 = 59;
const DESTINATION: u32 = 60;

/** Of the packet looked at last: where its fragment header lies (0: none), and the byte that names it. */
let headerAt: u32 = 0;
let namedAt: u32 = 0;
/** Of the packet rebuilt last: its longest fragment. */
export let longest6: u32 = 0;

/** A header behind which another one may come, as ipv6_ext_hdr says. */
function isExtension(next: u32): bool {
  return (
    next === HOP_BY_HOP ||
    next === ROUTING ||
    next === FRAGMENT ||
    next === AUTHENTICATION ||
    next === NO_NEXT ||
    next === DESTINATION
  );
}

/** There are extension headers, and so perhaps a fragment header. Cheap, for most packets have none. */
export function mayBeFragment6(slot: usize): bool {
  const next = load<u8>((load<u32>(slot, PACKET_IP) as usize) + NEXT_AT) as u32;
  return next !== NO_NEXT && isExtension(next);
}

/** Bytes of an extension header of a kind, by its length byte: an authentication header counts in words of four. */
function lengthOf(kind: u32, length: u32): u32 {
  if (kind === FRAGMENT) return FRAGMENT_HEADER;
  return kind === AUTHENTICATION ? (length + 2) << 2 : (length + 1) << 3;
}

/** find_prev_fhdr: sets headerAt and namedAt; `present` bytes lie at `ip`. */
function findHeader(ip: usize, present: u32): bool {
  let kind = load<u8>(ip + NEXT_AT) as u32;
  let at = HEADER;
  namedAt = NEXT_AT;
  while (kind !== FRAGMENT) {
    if (!isExtension(kind) || kind === NO_NEXT || at + 2 > present) return false;
    // The kernel keeps this offset in eight bits.
    namedAt = at & 0xff;
    const length = load<u8>(ip + at + 1) as u32;
    const next = load<u8>(ip + at) as u32;
    at += lengthOf(kind, length);
    kind = next;
  }
  headerAt = at;
  return at <= present;
}

/** Where the fragment header of a packet lies, of which `present` bytes are at `ip`; 0 where there is none, or not all of it. */
export function fragmentHeader6(ip: usize, present: u32): u32 {
  return findHeader(ip, present) && headerAt + FRAGMENT_HEADER <= present ? headerAt : 0;
}

/** A first fragment must hold all headers up to the transport header and that one too (RFC 8200, 4.5; ipv6frag_thdr_truncated). */
function isTruncated(ip: usize, present: u32, length: u32): bool {
  let kind = FRAGMENT;
  let at = headerAt;
  while (isExtension(kind)) {
    if (kind === NO_NEXT || at + 2 > present) return false;
    if (kind === FRAGMENT) {
      if (at + 4 > present || be16(ip + at + 2) >= 8) return false;
    }
    const length = load<u8>(ip + at + 1) as u32;
    const next = load<u8>(ip + at) as u32;
    at += lengthOf(kind, length);
    kind = next;
  }
  return at + transportSize(kind) > length;
}

function transportSize(protocol: u32): u32 {
  if (protocol === TCP) return 20;
  return protocol === UDP || protocol === ICMPV6 ? 8 : 1;
}

/** A packet that passed ip6_rcv and for which mayBeFragment6 holds. `user`: who asks (users.ts). REBUILT: the whole packet lies at `buffer`. */
export function gather6(slot: usize, user: u32, buffer: usize): u32 {
  const ip = load<u32>(slot, PACKET_IP) as usize;
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  const present = min<u32>(length, load<u32>(slot, PACKET_IP_CAPTURED));
  // A length of 0 is that of a jumbogram.
  if (be16(ip + 4) === 0 || !findHeader(ip, present) || isTruncated(ip, present, length)) return PASSES;
  if (headerAt + FRAGMENT_HEADER > present) return DISCARDED;
  const now = load<i64>(slot, PACKET_JIFFIES);
  expire(FAMILY, now);
  const device = user !== ARRIVING || !isBoundToLink(slot) ? 0 : load<u32>(slot, FIELD_IN_INTERFACE * 4);
  const expires = now + (parameter(TRACKING_FRAG6) as i64);
  const id = load<u32>(ip + headerAt, 4);
  const rest: u32 = (6 << 8) | (user << 16);
  if (user === CUT && (be16(ip + headerAt + 2) & MORE_FRAGMENTS) === 0 && !isWaitedFor(slot, id, rest, device)) return PASSES;
  const queue = findQueue(slot, FAMILY, id, rest, device, expires);
  return queue === 0 ? DISCARDED : enqueue(slot, ip, present, queue, buffer);
}

/** The device is part of the key only where the destination means something else on every link: multicast, link-local. */
function isBoundToLink(slot: usize): bool {
  const first = load<u32>(slot, FIELD_DESTINATION * 4);
  return first >>> 24 === 0xff || first >>> 22 === 0x3fa;
}

/** nf_ct_frag6_queue. What does not fit is thrown away, but the queue stays, and remembers what it was told. */
function enqueue(slot: usize, ip: usize, present: u32, queue: usize, buffer: usize): u32 {
  const word = be16(ip + headerAt + 2);
  const payload = be16(ip + 4);
  const offset = word & ~7;
  const behind = headerAt + FRAGMENT_HEADER;
  const end = offset + payload + HEADER - behind;
  if (end > MOST) return DISCARDED;
  const more = (word & MORE_FRAGMENTS) !== 0;
  if (more && (end & 7) !== 0) {
    kill(queue, FAMILY);
    return PASSES;
  }
  if (!takesEnd(queue, end, more) || end === offset) return DISCARDED;
  const skip = offset === 0 ? behind : 0;
  const fragment = keepFragment(ip + (behind - skip), skip, present - (behind - skip), offset, end, payload + HEADER);
  const answer = fragment === 0 ? OVERLAP : insert(queue, FAMILY, fragment);
  if (answer !== INSERTED) {
    giveBlocks(fragment);
    if (answer !== DUPLICATE) kill(queue, FAMILY);
    return DISCARDED;
  }
  note(slot, queue, offset, payload, (be16(ip) >>> 4) & 3);
  return isComplete(queue) ? rebuild(slot, queue, buffer) : KEPT;
}

/** What the whole packet needs to know of a fragment. */
function note(slot: usize, queue: usize, offset: u32, payload: u32, ecn: u32): void {
  store<u8>(queue, (load<u8>(queue, QUEUE_ECN) as u32) | ((1 as u32) << ecn), QUEUE_ECN);
  store<u32>(queue, max(load<u32>(queue, QUEUE_LONGEST), payload), QUEUE_LONGEST);
  if (offset !== 0) return;
  store<u8>(queue, load<u8>(queue, QUEUE_FLAGS) | QUEUE_FIRST_IN, QUEUE_FLAGS);
  store<u16>(queue, namedAt, QUEUE_NAMED_AT);
  keepLink(slot, queue);
}

/** nf_ct_frag6_reasm: the headers of the first fragment without the fragment header. The queue is gone afterwards, whatever comes of it. */
function rebuild(slot: usize, queue: usize, buffer: usize): u32 {
  const first = load<u32>(queue, QUEUE_FIRST) as usize;
  const at = load<u32>(first, FRAGMENT_SKIP) - FRAGMENT_HEADER;
  const total = at + load<u32>(queue, QUEUE_LENGTH);
  const ecn = ecnOf(load<u8>(queue, QUEUE_ECN));
  if (ecn === ECN_DROP || total - HEADER > MOST) {
    kill(queue, FAMILY);
    return DISCARDED;
  }
  copyHeaders(first, buffer);
  store<u8>(buffer + (load<u16>(queue, QUEUE_NAMED_AT) as usize), load<u8>(buffer + at));
  store<u32>(slot, at + copyDatagram(first, buffer + at), PACKET_IP_CAPTURED);
  store<u16>(buffer, bswap<u16>((total - HEADER) as u16), 4);
  store<u8>(buffer, load<u8>(buffer, 1) | (ecn << 4), 1);
  giveLink(slot, queue);
  longest6 = load<u32>(queue, QUEUE_LONGEST) + HEADER;
  kill(queue, FAMILY);
  return REBUILT;
}
