/** IPv4 fragments: net/ipv4/ip_fragment.c as net/ipv4/netfilter/nf_defrag_ipv4.c and ip_local_deliver use it. */
import { TRACKING_FRAG4, TRACKING_FRAG4_DISTANCE } from '../../src/abi/conntrack';
import { FIELD_LENGTH, FIELD_PROTOCOL, FIELD_SOURCE } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { parameter } from '../conntrack/parameters';
import { be16 } from '../packet/ethertype.ts';
import { DISCARDED, ECN_DROP, ecnOf, KEPT, PASSES, REBUILT } from './answer.ts';
import { copyDatagram, copyHeaders, FRAGMENT_SKIP, keepFragment } from './fragment.ts';
import { countFragment, joinPeer } from './peer.ts';
import {
  expire,
  findQueue,
  flush,
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
  QUEUE_LONGEST_DF,
  QUEUE_PEER,
  QUEUE_RANK,
  renew,
  takesEnd,
} from './queue.ts';
import { giveBlocks } from './region.ts';
import { CUT } from './users.ts';

const FAMILY: usize = 0;
const DONT_FRAGMENT: u32 = 0x4000;
const MORE_FRAGMENTS: u32 = 0x2000;
const OFFSET: u32 = 0x1fff;
const MOST: u32 = 65535;

/** More fragments follow, or there were some before. */
export function isFragment4(slot: usize): bool {
  return (be16((load<u32>(slot, PACKET_IP) as usize) + 6) & (MORE_FRAGMENTS | OFFSET)) !== 0;
}

/** A fragment that passed ip_rcv. `user`: who asks (users.ts). PASSES: the last fragment of a datagram of this host whose others nobody gathers. REBUILT: the whole packet lies at `buffer`. */
export function gather4(slot: usize, user: u32, buffer: usize): u32 {
  const now = load<i64>(slot, PACKET_JIFFIES);
  expire(FAMILY, now);
  const ip = load<u32>(slot, PACKET_IP) as usize;
  const expires = now + (parameter(TRACKING_FRAG4) as i64);
  const rest = load<u32>(slot, FIELD_PROTOCOL * 4) | (4 << 8) | (user << 16);
  if (user === CUT && (be16(ip + 6) & MORE_FRAGMENTS) === 0 && !isWaitedFor(slot, be16(ip + 4), rest, 0)) return PASSES;
  const queue = findQueue(slot, FAMILY, be16(ip + 4), rest, 0, expires);
  if (queue === 0) return DISCARDED;
  // Nobody ever waited for what this host's kernel cut.
  if (user !== CUT && isTooFar(slot, queue)) {
    renew(queue, FAMILY, expires);
    flush(queue, FAMILY);
  }
  return enqueue(slot, ip, queue, buffer);
}

/** Its sender has sent more than ipfrag_max_dist fragments since the last one of this queue (ip_frag_too_far). */
function isTooFar(slot: usize, queue: usize): bool {
  const most = parameter(TRACKING_FRAG4_DISTANCE);
  if (most === 0) return false;
  let peer = load<u32>(queue, QUEUE_PEER) as usize;
  if (peer === 0) {
    peer = joinPeer(load<u32>(slot, FIELD_SOURCE * 4));
    if (peer === 0) return false;
    store<u32>(queue, peer as u32, QUEUE_PEER);
  }
  const before = load<u32>(queue, QUEUE_RANK);
  const rank = countFragment(peer);
  store<u32>(queue, rank, QUEUE_RANK);
  return load<u32>(queue, QUEUE_FIRST) !== 0 && rank - before > most;
}

/** ip_frag_queue. */
function enqueue(slot: usize, ip: usize, queue: usize, buffer: usize): u32 {
  const word = be16(ip + 6);
  const header = load<u32>(slot, PACKET_L4_OFFSET);
  // Not the header's: a total length of 0 is that of the capture (lenient).
  const total = load<u32>(slot, FIELD_LENGTH * 4);
  const offset = (word & OFFSET) << 3;
  let end = offset + total - header;
  if ((word & MORE_FRAGMENTS) !== 0) end &= ~7;
  if (!takesEnd(queue, end, (word & MORE_FRAGMENTS) !== 0) || end === offset) {
    kill(queue, FAMILY);
    return DISCARDED;
  }
  const skip = offset === 0 ? header : 0;
  const present = min<u32>(load<u32>(slot, PACKET_IP_CAPTURED), header + end - offset);
  const from = ip + ((header - skip) as usize);
  const fragment = keepFragment(from, skip, max<u32>(present, header) - (header - skip), offset, end, total);
  const answer = fragment === 0 ? OVERLAP : insert(queue, FAMILY, fragment);
  if (answer !== INSERTED) {
    giveBlocks(fragment);
    if (answer === OVERLAP) kill(queue, FAMILY);
    return DISCARDED;
  }
  note(slot, queue, offset, header + end - offset, (word & DONT_FRAGMENT) !== 0, load<u8>(ip, 1));
  return isComplete(queue) ? rebuild(slot, queue, buffer) : KEPT;
}

/** What the whole packet needs to know of a fragment. */
function note(slot: usize, queue: usize, offset: u32, size: u32, whole: bool, tos: u32): void {
  store<u8>(queue, (load<u8>(queue, QUEUE_ECN) as u32) | ((1 as u32) << (tos & 3)), QUEUE_ECN);
  store<u32>(queue, max(load<u32>(queue, QUEUE_LONGEST), size), QUEUE_LONGEST);
  if (whole) store<u32>(queue, max(load<u32>(queue, QUEUE_LONGEST_DF), size), QUEUE_LONGEST_DF);
  if (offset !== 0) return;
  store<u8>(queue, load<u8>(queue, QUEUE_FLAGS) | QUEUE_FIRST_IN, QUEUE_FLAGS);
  keepLink(slot, queue);
}

/** ip_frag_reasm. The queue is gone afterwards, whatever comes of it. */
function rebuild(slot: usize, queue: usize, buffer: usize): u32 {
  const first = load<u32>(queue, QUEUE_FIRST) as usize;
  const header = load<u32>(first, FRAGMENT_SKIP);
  const total = header + load<u32>(queue, QUEUE_LENGTH);
  const ecn = ecnOf(load<u8>(queue, QUEUE_ECN));
  if (ecn === ECN_DROP || total > MOST) {
    kill(queue, FAMILY);
    return DISCARDED;
  }
  copyHeaders(first, buffer);
  store<u32>(slot, header + copyDatagram(first, buffer + header), PACKET_IP_CAPTURED);
  const stays = load<u32>(queue, QUEUE_LONGEST_DF) === load<u32>(queue, QUEUE_LONGEST);
  store<u16>(buffer, bswap<u16>(total as u16), 2);
  store<u16>(buffer, bswap<u16>((stays ? DONT_FRAGMENT : 0) as u16), 6);
  store<u8>(buffer, load<u8>(buffer, 1) | ecn, 1);
  putChecksum(buffer, header);
  giveLink(slot, queue);
  longest = load<u32>(queue, QUEUE_LONGEST);
  kill(queue, FAMILY);
  return REBUILT;
}

/** Of the packet rebuilt last: its longest fragment. */
export let longest: u32 = 0;

function putChecksum(ip: usize, header: u32): void {
  store<u16>(ip, 0, 10);
  let sum: u32 = 0;
  for (let at: u32 = 0; at < header; at += 2) sum += be16(ip + at);
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  store<u16>(ip, bswap<u16>(~sum as u16), 10);
}
