/**
 * The way of a packet through connection tracking (nf_conntrack_core.c, nf_conntrack_in; nf_conntrack_proto.c, nf_confirm):
 * its entry, the tracker's opinion, the state that rules see.
 */
import { TRACKING_FLAG_CHECKSUM, TRACKING_FLAG_NAT } from '../../src/abi/conntrack';
import { CONTROL_DCCP, CONTROL_UNFINISHED } from '../../src/abi/control';
import {
  CT_ESTABLISHED,
  CT_INVALID,
  CT_NEW,
  CT_RELATED,
  CT_UNTRACKED,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_HEADER_ERROR,
  FIELD_ICMP_CODE,
  FIELD_ICMP_TYPE,
  FIELD_L4_LENGTH,
  FIELD_PROTOCOL,
  FIELD_SPORT,
  STATUS_CONFIRMED,
  STATUS_ENTRY,
  STATUS_EXPECTED,
  STATUS_SEEN_REPLY,
} from '../../src/abi/fields';
import {
  PACKET_CT_ENTRY,
  PACKET_CT_GUESS,
  PACKET_CT_UNCONFIRMED,
  PACKET_INVALID,
  PACKET_IP,
  PACKET_JIFFIES,
  PACKET_L4_OFFSET,
} from '../../src/abi/packet';
import {
  INVALID_CHECKSUM,
  INVALID_FRAGMENT,
  INVALID_HEADER_CHAIN,
  INVALID_ICMP_NEW,
  INVALID_ICMP_TYPE,
  INVALID_NONE,
  INVALID_SHORT,
} from '../../src/abi/reasons';
import { seeAsConntrack, seeAsRules } from '../packet/extension-headers.ts';
import { looksUnfinished } from '../stack/unfinished';
import { tally } from '../tally';
import { collect, collectorInit, due } from './collector';
import { plainDatagram } from './datagram';
import {
  ENTRY_STATUS,
  PROTOCOL_DCCP,
  PROTOCOL_GRE,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_NO_NEXT,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDPLITE,
  STATUS_DYING,
  STATUS_VISIBLE,
} from './entry';
import { extensionInit, zonesOfOne } from './extension';
import { GRE_NONE, greKey, senderOf } from './gre';
import { acknowledgeAnswer, answerSyn } from './handshake';
import { ICMP_HEADER_SIZE, ICMP_UNPAIRED, icmpCheck, icmpIsError, icmpQuestion } from './icmp';
import {
  ICMPV6_REDIRECT,
  icmpv6Check,
  icmpv6IsError,
  icmpv6IsUntracked,
  icmpv6Question,
  REDIRECT_INNER,
  redirectInner,
} from './icmpv6';
import { admit, limitInit } from './limit';
import { admitUnknown, NO_ENTRY, openEntry, openingInit, refused } from './opening';
import { flag, takeParameters } from './parameters';
import { tableLive } from './places';
import { directionIn, foreseenConnection, plainSegment } from './plain';
import { findRelated, relatedDirection, relatedEntry } from './related';
import { sctpCheck } from './sctp';
import { addStatus } from './status';
import { conntrackSyn, shortWaysInit } from './syn';
import { confirm, release, releaseLater, remove, tableInit } from './table';
import { TCP_KILL, TCP_REPEAT, tcpCheck } from './tcp';
import { enterZone, isTakenForSeen, leaveZone, TEMPLATE } from './template';
import { tracker } from './trackers';
import { keyAsks, keyPacket } from './tuple';
import { udpCheck, udpliteCheck } from './udp';
import { findClash, search, searchedDirection } from './zones';

/** What was guessed of the packet in hand (ahead.ts); 0: nothing. */
let guessed: u32 = 0;

/** Starts with no connections. `parameters`: the block of abi/conntrack.ts (copied). `heap`: begin of the last region of memory. */
export function conntrackInit(parameters: usize, heap: usize): void {
  takeParameters(parameters);
  extensionInit();
  limitInit();
  tableInit(heap);
  collectorInit();
  openingInit();
  shortWaysInit();
}

/** Connections that are alive at the last packet. Reads the whole table: for the end of a job. */
export function conntrackLive(): u32 {
  return tableLive();
}

/**
 * A packet enters PREROUTING or OUTPUT. Reads fields, PACKET_IP, PACKET_L4_OFFSET and PACKET_JIFFIES of the slot; sets FIELD_CT_*,
 * PACKET_CT_* and PACKET_INVALID. A packet that has an entry (it came over lo) or is UNTRACKED is left alone.
 * `prerouting`: checksums are verified there only, and not for packets of this host.
 * Out: false when the packet is dropped.
 */
export function conntrackIn(slot: usize, prerouting: bool): bool {
  return conntrackPlain(slot, prerouting) !== 0 || conntrackLook(slot, prerouting);
}

/** The same behind conntrackPlain, for what is not plain. */
export function conntrackLook(slot: usize, prerouting: bool): bool {
  const verify = prerouting && flag(TRACKING_FLAG_CHECKSUM);
  if (load<u32>(slot, FIELD_CT_STATE * 4) === CT_UNTRACKED) return true;
  const known = load<u32>(slot, PACKET_CT_ENTRY) as usize;
  return known === 0 ? look(slot, verify) : known === TEMPLATE ? conntrackInZone(slot, verify) : true;
}

/** The same for the packets that nearly all are (plain.ts), and the last of a handshake, behind which all are. Out: the entry; 0 for any other, whose connection is as it was; the slot's guess is gone then, too. */
export function conntrackPlain(slot: usize, prerouting: bool): usize {
  // There is a guess only as long as nobody looked at the packet, and no rule spoke of its connection.
  const guess = load<u32>(slot, PACKET_CT_GUESS);
  guessed = guess;
  if (guess === 0) return 0;
  store<u32>(slot, 0, PACKET_CT_GUESS);
  // One is as likely as the other: no branch.
  const verify = prerouting & flag(TRACKING_FLAG_CHECKSUM);
  if (plainSegment(slot, guess, verify) || plainDatagram(slot, guess, verify)) return load<u32>(slot, PACKET_CT_ENTRY) as usize;
  const entry = acknowledgeAnswer(slot, guess, verify);
  if (entry !== 0) attach(slot, CT_ESTABLISHED, 0, entry);
  return entry;
}

/** Behind conntrackPlain: whether the packet is a SYN or the answer to one, as they usually are, which its connection and the slot now know. */
export function conntrackHandshake(slot: usize, prerouting: bool): bool {
  if (conntrackSyn(slot, prerouting)) return true;
  const entry = guessed === 0 ? 0 : answerSyn(slot, guessed, prerouting & flag(TRACKING_FLAG_CHECKSUM));
  if (entry !== 0) attach(slot, CT_ESTABLISHED, 1, entry);
  return entry !== 0;
}

function conntrackInZone(slot: usize, verify: bool): bool {
  enterZone(slot);
  const goesOn = look(slot, verify);
  leaveZone();
  return goesOn;
}

function look(slot: usize, verify: bool): bool {
  const now = jiffies(slot);
  if (now >= due) collect(now);
  const reason = judge(slot, verify);
  if (reason === INVALID_NONE) return true;
  attach(slot, CT_INVALID, 0, 0);
  if (reason === NO_ENTRY) return false;
  if (reason === INVALID_CHECKSUM && looksUnfinished(slot)) tally(CONTROL_UNFINISHED, 0);
  store<u32>(slot, reason, PACKET_INVALID);
  return true;
}

/** As conntrack sees it. Out: as `judgeSeen`. */
function judge(slot: usize, verify: bool): u32 {
  const seen = seeAsConntrack(slot);
  const reason = load<u32>(slot, FIELD_HEADER_ERROR * 4) !== 0 ? INVALID_HEADER_CHAIN : judgeSeen(slot, verify);
  seeAsRules(slot, seen);
  return reason;
}

/** Finds the protocol's tracker; INVALID_* when the packet has no transport header, its header is wrong, or the tracker refuses it. */
function judgeSeen(slot: usize, verify: bool): u32 {
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  const family = load<u32>(slot, FIELD_FAMILY * 4);
  if (load<u32>(slot, FIELD_FRAGMENT * 4) !== 0) return INVALID_FRAGMENT;
  if (family === 6) {
    if (protocol === PROTOCOL_NO_NEXT) return INVALID_HEADER_CHAIN;
    if (load<u32>(slot, PACKET_L4_OFFSET) === 0) return INVALID_HEADER_CHAIN;
  }
  if (protocol === PROTOCOL_TCP) {
    const reason = tcpCheck(slot, verify);
    return reason !== INVALID_NONE ? refused(slot, protocol, reason) : trackPorts(slot, protocol);
  }
  if (protocol === PROTOCOL_UDP) {
    const reason = udpCheck(slot, verify);
    return reason !== INVALID_NONE ? refused(slot, protocol, reason) : trackPorts(slot, protocol);
  }
  if (protocol === PROTOCOL_ICMP) return family === 4 ? judgeIcmp(slot, verify) : foreignIcmp(slot, protocol);
  if (protocol === PROTOCOL_ICMPV6) return family === 6 ? judgeIcmpv6(slot, verify) : foreignIcmp(slot, protocol);
  return judgeOther(slot, protocol, verify);
}

function judgeOther(slot: usize, protocol: u32, verify: bool): u32 {
  if (protocol === PROTOCOL_UDPLITE) {
    const reason = udpliteCheck(slot, verify);
    return reason !== INVALID_NONE ? refused(slot, protocol, reason) : trackPorts(slot, protocol);
  }
  if (protocol === PROTOCOL_SCTP) {
    const reason = sctpCheck(slot, verify);
    return reason !== INVALID_NONE ? refused(slot, protocol, reason) : trackPorts(slot, protocol);
  }
  if (protocol === PROTOCOL_GRE) {
    const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
    const key = greKey(transport(slot), present);
    return key === GRE_NONE ? INVALID_SHORT : track(slot, protocol, senderOf(slot, transport(slot), present, key), key);
  }
  if (protocol === PROTOCOL_DCCP) tally(CONTROL_DCCP, 0);
  return track(slot, protocol, 0, 0);
}

/** ICMP in IPv6 and ICMPv6 in IPv4: the tracker knows its own family only, but is not asked before there is room for a connection. */
function foreignIcmp(slot: usize, protocol: u32): u32 {
  if (load<u32>(slot, FIELD_L4_LENGTH * 4) < ICMP_HEADER_SIZE) return INVALID_SHORT;
  const type = load<u8>(transport(slot)) as u32;
  const question = protocol === PROTOCOL_ICMP ? icmpQuestion(type) : icmpv6Question(type);
  return question === ICMP_UNPAIRED || admit(jiffies(slot)) ? INVALID_ICMP_TYPE : NO_ENTRY;
}

function transport(slot: usize): usize {
  return (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
}

function judgeIcmp(slot: usize, verify: bool): u32 {
  const reason = icmpCheck(slot, verify);
  if (reason !== INVALID_NONE) return reason;
  const type = load<u32>(slot, FIELD_ICMP_TYPE * 4);
  if (icmpIsError(type)) return relate(slot, ICMP_HEADER_SIZE, 4);
  return trackQuestion(slot, PROTOCOL_ICMP, type, icmpQuestion(type));
}

function judgeIcmpv6(slot: usize, verify: bool): u32 {
  const reason = icmpv6Check(slot, verify);
  if (reason !== INVALID_NONE) return reason;
  const type = load<u32>(slot, FIELD_ICMP_TYPE * 4);
  if (icmpv6IsUntracked(type)) {
    attach(slot, CT_UNTRACKED, 0, 0);
    return INVALID_NONE;
  }
  if (type === ICMPV6_REDIRECT) {
    const inner = redirectInner(slot, transport(slot));
    return inner === REDIRECT_INNER ? relate(slot, inner, 6) : inner;
  }
  if (icmpv6IsError(type)) return relate(slot, ICMP_HEADER_SIZE, 6);
  return trackQuestion(slot, PROTOCOL_ICMPV6, type, icmpv6Question(type));
}

/** An error about the packet `skip` bytes behind the transport header. The entry's time goes on. */
function relate(slot: usize, skip: u32, family: u32): u32 {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  const reason = findRelated(slot, transport(slot) + skip, present < skip ? 0 : present - skip, family, jiffies(slot));
  if (reason === INVALID_NONE) attach(slot, CT_RELATED, relatedDirection, relatedEntry);
  return reason;
}

function trackQuestion(slot: usize, protocol: u32, type: u32, question: u32): u32 {
  if (question === ICMP_UNPAIRED) return INVALID_ICMP_TYPE;
  const identifier = bswap(load<u16>(transport(slot), 4)) as u32;
  const kind = (question << 8) | load<u32>(slot, FIELD_ICMP_CODE * 4);
  return type === question ? track(slot, protocol, identifier, kind) : answer(slot, protocol, kind, identifier);
}

/** An answer to a question: it never opens a connection, and its direction is plain. */
function answer(slot: usize, protocol: u32, sport: u32, dport: u32): u32 {
  const now = jiffies(slot);
  keyPacket(slot, protocol, sport, dport);
  keyAsks(false);
  const entry = search(now);
  if (entry === 0) return admitUnknown(slot, now) ? INVALID_ICMP_NEW : NO_ENTRY;
  tracker(slot, entry, protocol, 1, now);
  addStatus(entry, STATUS_SEEN_REPLY);
  attach(slot, CT_ESTABLISHED, 1, entry);
  return INVALID_NONE;
}

function trackPorts(slot: usize, protocol: u32): u32 {
  return track(slot, protocol, load<u32>(slot, FIELD_SPORT * 4), load<u32>(slot, FIELD_DPORT * 4));
}

function jiffies(slot: usize): i64 {
  return load<i64>(slot, PACKET_JIFFIES);
}

/** Looks the connection up or opens one, asks the tracker, and tells the slot. */
function track(slot: usize, protocol: u32, sport: u32, dport: u32): u32 {
  const now = jiffies(slot);
  const question = protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6;
  const known = foreseenConnection(slot, guessed, now);
  let entry = known;
  let direction: u32 = 0;
  if (known !== 0) {
    direction = directionIn(known, guessed);
  } else {
    keyPacket(slot, protocol, sport, dport);
    if (question) keyAsks(true);
    entry = search(now);
    if (entry !== 0 && !question) direction = searchedDirection(entry);
  }
  let result: u32 = TCP_REPEAT;
  if (entry !== 0) {
    result = tracker(slot, entry, protocol, direction, now);
    // The connection starts anew: this packet is the first of the next one.
    if (result === TCP_REPEAT) {
      remove(entry);
      release(entry);
    }
  }
  if (result === TCP_REPEAT) {
    if (known !== 0) keyPacket(slot, protocol, sport, dport);
    entry = openEntry(slot, protocol, sport, dport, now);
    if (entry === 0) return NO_ENTRY;
    direction = 0;
    result = tracker(slot, entry, protocol, 0, now);
    if (result !== INVALID_NONE) {
      release(entry);
      return result;
    }
    attach(slot, load<u32>(entry, ENTRY_STATUS) & STATUS_EXPECTED ? CT_RELATED : CT_NEW, 0, entry);
    return INVALID_NONE;
  }
  if (result === TCP_KILL) conntrackKill(entry);
  else if (result !== INVALID_NONE) return result;
  const status = load<u32>(entry, ENTRY_STATUS);
  if (direction === 1) {
    if (!(status & STATUS_SEEN_REPLY)) addStatus(entry, STATUS_SEEN_REPLY);
    attach(slot, CT_ESTABLISHED, 1, entry);
  } else {
    const known = (status & STATUS_SEEN_REPLY) !== 0;
    attach(slot, known ? CT_ESTABLISHED : status & STATUS_EXPECTED ? CT_RELATED : CT_NEW, 0, entry);
  }
  return INVALID_NONE;
}

/** The entry leaves the table at once; the packet in hand still refers to it. */
export function conntrackKill(entry: usize): void {
  // The answer to a packet that ended its connection has that connection still.
  if ((load<u32>(entry, ENTRY_STATUS) & STATUS_DYING) !== 0) return;
  remove(entry);
  releaseLater(entry);
  addStatus(entry, STATUS_DYING);
}

/** Tells the slot. */
export function attach(slot: usize, state: u32, direction: u32, entry: usize): void {
  store<u32>(slot, state, FIELD_CT_STATE * 4);
  store<u32>(slot, direction, FIELD_CT_DIRECTION * 4);
  store<u32>(slot, entry as u32, PACKET_CT_ENTRY);
  if (entry === 0) {
    store<u32>(slot, 0, FIELD_CT_STATUS * 4);
    store<u32>(slot, 0, PACKET_CT_UNCONFIRMED);
    return;
  }
  const status = load<u32>(entry, ENTRY_STATUS);
  store<u32>(slot, (status & STATUS_VISIBLE) | STATUS_ENTRY, FIELD_CT_STATUS * 4);
  store<u32>(slot, (status & STATUS_CONFIRMED) === 0 ? 1 : 0, PACKET_CT_UNCONFIRMED);
}

/** The packet leaves INPUT or POSTROUTING: a connection it opened is entered into the table, and its time begins. False: answers to it could not be told from another's. */
export function conntrackConfirm(slot: usize): bool {
  if (load<u32>(slot, PACKET_CT_UNCONFIRMED) === 0) return true;
  const entry = load<u32>(slot, PACKET_CT_ENTRY) as usize;
  // Without translations and zones of one direction nobody else has the key of its answers.
  if ((zonesOfOne || flag(TRACKING_FLAG_NAT)) && findClash(entry, jiffies(slot)) !== 0) return false;
  confirm(entry, jiffies(slot));
  store<u32>(slot, 0, PACKET_CT_UNCONFIRMED);
  store<u32>(slot, load<u32>(slot, FIELD_CT_STATUS * 4) | STATUS_CONFIRMED, FIELD_CT_STATUS * 4);
  return true;
}

/** The packet was dropped: a connection it would have opened vanishes. The state that rules saw stays in the slot. */
export function conntrackForget(slot: usize): void {
  if (load<u32>(slot, PACKET_CT_UNCONFIRMED) === 0) return;
  release(load<u32>(slot, PACKET_CT_ENTRY) as usize);
  store<u32>(slot, 0, PACKET_CT_ENTRY);
  store<u32>(slot, 0, PACKET_CT_UNCONFIRMED);
}

/** NOTRACK and CT --notrack (xt_CT.c): a packet that already has an entry (it came over lo) keeps it. */
export function conntrackUntrack(slot: usize): void {
  if (load<u32>(slot, PACKET_CT_ENTRY) !== 0 || isTakenForSeen(slot)) return;
  store<u32>(slot, 0, PACKET_CT_GUESS);
  attach(slot, CT_UNTRACKED, 0, 0);
}
