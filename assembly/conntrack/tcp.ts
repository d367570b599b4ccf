/** The TCP tracker (nf_conntrack_proto_tcp.c): header checks, the first packet, the matrix with its special cases, the choice of a timeout. */
import {
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT,
  TCP_LAST_ACK,
  TCP_NONE,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_SYN_SENT2,
  TCP_TIME_WAIT,
  TRACKING_FLAG_DOUBTED_RST,
  TRACKING_FLAG_IGNORE_INVALID_RST,
  TRACKING_FLAG_LOOSE,
  TRACKING_MAX_RETRANS,
  TRACKING_TCP,
  TRACKING_TCP_RETRANS,
  TRACKING_TCP_UNACK,
} from '../../src/abi/conntrack';
import { CONTROL_PICKED_UP } from '../../src/abi/control';
import { FIELD_L4_LENGTH, FIELD_LENGTH, FIELD_TCP_FLAGS, STATUS_ASSURED, STATUS_SEEN_REPLY } from '../../src/abi/fields';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet';
import {
  INVALID_CHECKSUM,
  INVALID_NONE,
  INVALID_SHORT,
  INVALID_TCP_FLAGS,
  INVALID_TCP_HEADER,
  INVALID_TCP_NEW,
  INVALID_TCP_RST,
  INVALID_TCP_STATE,
} from '../../src/abi/reasons';
import { tally } from '../tally';
import { checksumHolds } from './checksum';
import {
  ENTRY_LAST_ACK,
  ENTRY_LAST_DIRECTION,
  ENTRY_LAST_END,
  ENTRY_LAST_FLAGS,
  ENTRY_LAST_INDEX,
  ENTRY_LAST_SCALE,
  ENTRY_LAST_SEQ,
  ENTRY_LAST_WINDOW,
  ENTRY_RETRANS,
  ENTRY_STATUS,
  ENTRY_TCP_SCALE,
  ENTRY_TCP_STATE,
  PROTOCOL_TCP,
  SIDE_END,
  SIDE_MAXACK,
  SIDE_MAXEND,
  SIDE_MAXWIN,
  SIDE_SIZE,
} from './entry';
import { flag, hz, parameter } from './parameters';
import { addStatus } from './status';
import {
  CLASS_ACK,
  CLASS_FIN,
  CLASS_NONE,
  CLASS_RST,
  CLASS_SYN,
  CLASS_SYNACK,
  classOf,
  TCP_IGNORE,
  TCP_INVALID,
  transition,
  validFlags,
} from './tcp-matrix';
import { optionHasSack, optionHasScale, optionScale, optionsThere, readOptions, TCP_HEADER_SIZE } from './tcp-options';
import {
  before,
  inWindow,
  SIDE_CLOSE_INIT,
  SIDE_LIBERAL,
  SIDE_MAXACK_SET,
  SIDE_SACK_PERMITTED,
  SIDE_UNACKNOWLEDGED,
  SIDE_WINDOW_SCALE,
  setSideFlags,
  sideFlags,
  sideOf,
  takeOptions,
  WINDOW_ACCEPT,
  WINDOW_IGNORE,
} from './tcp-window';
import { isConfirmed, jiffiesLeft, refresh, setLife } from './timeout';

/** What `tcpPacket` answers beside 0 (accepted) and INVALID_*: look up again, the entry is gone; accepted, but the entry must go. */
export const TCP_REPEAT: u32 = 0x200;
export const TCP_KILL: u32 = 0x400;
/** Answers of judgeReset: no window check; the state stays. */
const IN_WINDOW: u32 = 0x1000;
const KEEP_STATE: u32 = 0x2000;
/** In ENTRY_LAST_FLAGS. */
const LAST_CHALLENGE_ACK: u32 = 0x40;
const LAST_SIMULTANEOUS: u32 = 0x80;
const FLAG_SYN: u32 = 2;
const FLAG_FIN: u32 = 1;
/** nf_tcp_handle_invalid leaves shorter timeouts alone. */
const SHORT_SECONDS: u32 = 120;

/** The packet in hand. */
let header: usize = 0;
let flags: u32 = 0;
let packetClass: u32 = 0;
let optionLength: u32 = 0;
let end: u32 = 0;

/** Checks the header (tcp_error) and keeps it in hand. Out: INVALID_NONE or why not. */
export function tcpCheck(slot: usize, verify: bool): u32 {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < TCP_HEADER_SIZE) return INVALID_SHORT;
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const length = load<u32>(slot, FIELD_LENGTH * 4) - offset;
  header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const size = ((load<u8>(header, 12) >> 4) as u32) << 2;
  if (size < TCP_HEADER_SIZE || length < size) return INVALID_TCP_HEADER;
  if (verify && !checksumHolds(slot, PROTOCOL_TCP, present)) return INVALID_CHECKSUM;
  flags = load<u32>(slot, FIELD_TCP_FLAGS * 4);
  if (!validFlags(flags)) return INVALID_TCP_FLAGS;
  packetClass = classOf(flags);
  optionLength = optionsThere(size, present);
  end = sequence() + (length - size) + (flags & FLAG_FIN) + ((flags & FLAG_SYN) >>> 1);
  return INVALID_NONE;
}

function sequence(): u32 {
  return bswap(load<u32>(header, 4));
}

function acknowledgement(): u32 {
  return bswap(load<u32>(header, 8));
}

function window(): u32 {
  return bswap(load<u16>(header, 14)) as u32;
}

/** tcp_new: a connection begins with a SYN, or is joined at a plain ACK when the profile is loose. The entry is all zeros. */
function begin(entry: usize): bool {
  const state = transition(0, packetClass, TCP_NONE);
  if (state === TCP_INVALID) return false;
  const side = sideOf(entry, 0);
  const room = max(window(), 1);
  store<u32>(side, end, SIDE_END);
  store<u32>(side, room, SIDE_MAXWIN);
  if (state === TCP_SYN_SENT) {
    store<u32>(side, end, SIDE_MAXEND);
    takeOptions(entry, 0, header, optionLength);
  } else {
    if (!flag(TRACKING_FLAG_LOOSE)) return false;
    tally(CONTROL_PICKED_UP, 0);
    store<u32>(side, end + room, SIDE_MAXEND);
    setSideFlags(entry, 0, SIDE_SACK_PERMITTED | SIDE_LIBERAL);
    setSideFlags(entry, 1, SIDE_SACK_PERMITTED | SIDE_LIBERAL);
  }
  store<u8>(entry, CLASS_NONE, ENTRY_LAST_INDEX);
  return true;
}

/**
 * One packet that passed `tcpCheck`.
 * In: its entry (a new one is all zeros behind the key), direction, jiffies. Out: 0 accepted, INVALID_*, TCP_REPEAT or TCP_KILL.
 */
export function tcpPacket(entry: usize, direction: u32, now: i64): u32 {
  if (!isConfirmed(entry) && !begin(entry)) return INVALID_TCP_NEW;
  const state = load<u8>(entry, ENTRY_TCP_STATE) as u32;
  let oldState = state;
  let newState = transition(direction, packetClass, state);
  let checked: u32 = 0;
  // Only plain traffic of an established connection has nothing special about it.
  if (newState !== TCP_ESTABLISHED) {
    if (newState === TCP_INVALID) return INVALID_TCP_STATE;
    if (newState === TCP_SYN_SENT && oldState >= <u32>TCP_TIME_WAIT) {
      if (reopens(entry, direction)) return TCP_REPEAT;
      newState = TCP_IGNORE;
    }
    if (newState === TCP_IGNORE) {
      if (!answersIgnoredSyn(entry, direction)) {
        remember(entry, direction, oldState);
        return INVALID_NONE;
      }
      resynchronise(entry, direction);
      oldState = TCP_SYN_SENT;
      newState = TCP_SYN_RECV;
    } else if (newState === TCP_TIME_WAIT) {
      if (isChallengeAck(entry, direction, oldState)) return INVALID_NONE;
    } else if (newState === TCP_SYN_SENT2) {
      store<u8>(entry, load<u8>(entry, ENTRY_LAST_FLAGS) | LAST_SIMULTANEOUS, ENTRY_LAST_FLAGS);
    } else if (newState === TCP_SYN_RECV) {
      const simultaneous = ((load<u8>(entry, ENTRY_LAST_FLAGS) as u32) & LAST_SIMULTANEOUS) !== 0;
      if (direction === 1 && packetClass === CLASS_ACK && simultaneous) newState = TCP_ESTABLISHED;
    } else if (newState === TCP_CLOSE && packetClass === CLASS_RST) {
      checked = judgeReset(entry, direction, oldState);
      if (checked === INVALID_TCP_RST) return INVALID_TCP_RST;
      if (checked & KEEP_STATE) newState = oldState;
    }
  }
  if (!(checked & IN_WINDOW)) {
    const outcome = inWindow(entry, direction, packetClass, flags, header, optionLength, end);
    if (outcome === WINDOW_IGNORE) return INVALID_NONE;
    if (outcome !== WINDOW_ACCEPT) {
      afterInvalid(entry, direction, now);
      return outcome;
    }
  }
  return accept(entry, direction, oldState, newState, now);
}

/** A SYN on a closed connection starts it anew when an end had closed it or the last packet of this side was a RST. */
function reopens(entry: usize, direction: u32): bool {
  if ((sideFlags(entry, 0) | sideFlags(entry, 1)) & SIDE_CLOSE_INIT) return true;
  return lastDirection(entry) === direction && lastIndex(entry) === CLASS_RST;
}

function lastDirection(entry: usize): u32 {
  return load<u8>(entry, ENTRY_LAST_DIRECTION) as u32;
}

function lastIndex(entry: usize): u32 {
  return load<u8>(entry, ENTRY_LAST_INDEX) as u32;
}

/** A SYN/ACK that acknowledges a SYN we let pass without believing it. */
function answersIgnoredSyn(entry: usize, direction: u32): bool {
  return (
    packetClass === CLASS_SYNACK &&
    lastIndex(entry) === CLASS_SYN &&
    lastDirection(entry) !== direction &&
    acknowledgement() === load<u32>(entry, ENTRY_LAST_END)
  );
}

/** The ends agree and we did not: take over what the ignored SYN said; the answering side starts from nothing. */
function resynchronise(entry: usize, direction: u32): void {
  const asking = lastDirection(entry);
  const side = sideOf(entry, asking);
  const lastEnd = load<u32>(entry, ENTRY_LAST_END);
  store<u32>(side, lastEnd, SIDE_END);
  store<u32>(side, lastEnd, SIDE_MAXEND);
  store<u32>(side, max(load<u16>(entry, ENTRY_LAST_WINDOW) as u32, 1), SIDE_MAXWIN);
  store<u8>(entry + asking, load<u8>(entry, ENTRY_LAST_SCALE), ENTRY_TCP_SCALE);
  const lastFlags = (load<u8>(entry, ENTRY_LAST_FLAGS) as u32) & ~LAST_CHALLENGE_ACK;
  store<u8>(entry, lastFlags, ENTRY_LAST_FLAGS);
  setSideFlags(entry, asking, lastFlags);
  memory.fill(sideOf(entry, direction), 0, SIDE_SIZE);
  store<u8>(entry + direction, 0, ENTRY_TCP_SCALE);
  setSideFlags(entry, direction, sideFlags(entry, direction) & SIDE_LIBERAL);
}

/** An ignored packet: neither state nor timeout change, but what it said is kept. */
function remember(entry: usize, direction: u32, oldState: u32): void {
  store<u8>(entry, packetClass, ENTRY_LAST_INDEX);
  store<u8>(entry, direction, ENTRY_LAST_DIRECTION);
  store<u32>(entry, sequence(), ENTRY_LAST_SEQ);
  store<u32>(entry, end, ENTRY_LAST_END);
  store<u16>(entry, window(), ENTRY_LAST_WINDOW);
  if (packetClass === CLASS_SYN && direction === 0) {
    let kept: u32 = 0;
    let scale: u32 = 0;
    if (optionLength !== 0) {
      readOptions(header, optionLength);
      if (optionHasScale) {
        kept |= SIDE_WINDOW_SCALE;
        scale = optionScale;
      }
      if (optionHasSack) kept |= SIDE_SACK_PERMITTED;
    }
    if (oldState === TCP_LAST_ACK) kept |= LAST_CHALLENGE_ACK;
    store<u8>(entry, kept, ENTRY_LAST_FLAGS);
    store<u8>(entry, scale, ENTRY_LAST_SCALE);
  }
  if (oldState === TCP_SYN_SENT && packetClass === CLASS_ACK && direction === 1) {
    store<u32>(entry, acknowledgement(), ENTRY_LAST_ACK);
  }
}

/** RFC 5961: the ACK that answers a SYN in LAST_ACK does not acknowledge the FIN. */
function isChallengeAck(entry: usize, direction: u32, oldState: u32): bool {
  if (oldState !== TCP_LAST_ACK || packetClass !== CLASS_ACK) return false;
  if (lastDirection(entry) === direction || lastIndex(entry) !== CLASS_SYN) return false;
  const lastFlags = load<u8>(entry, ENTRY_LAST_FLAGS) as u32;
  if (!(lastFlags & LAST_CHALLENGE_ACK)) return false;
  store<u8>(entry, lastFlags & ~LAST_CHALLENGE_ACK, ENTRY_LAST_FLAGS);
  return true;
}

/** A RST. Out: INVALID_TCP_RST, or IN_WINDOW (no window check) and KEEP_STATE (the connection is not believed to be over). */
function judgeReset(entry: usize, direction: u32, oldState: u32): u32 {
  if (oldState >= <u32>TCP_FIN_WAIT && oldState <= <u32>TCP_CLOSE) return IN_WINDOW;
  const seq = sequence();
  const status = load<u32>(entry, ENTRY_STATUS);
  let keep: u32 = 0;
  if (sideFlags(entry, 1 - direction) & SIDE_MAXACK_SET && lastIndex(entry) !== CLASS_SYN) {
    const acknowledged = load<u32>(sideOf(entry, 1 - direction), SIDE_MAXACK);
    const established = oldState === TCP_ESTABLISHED && (status & STATUS_ASSURED) !== 0;
    if (seq === 0 && !established) return 0;
    if (before(seq, acknowledged) && !flag(TRACKING_FLAG_IGNORE_INVALID_RST)) return INVALID_TCP_RST;
    if (!established || seq === acknowledged) return 0;
    // Part of a train: it follows the sender's own last segment.
    const follows = lastIndex(entry) === CLASS_ACK && lastDirection(entry) === direction;
    if (follows && seq === load<u32>(entry, ENTRY_LAST_END)) return 0;
    keep = KEEP_STATE;
  }
  const answersSyn = (status & STATUS_SEEN_REPLY) !== 0 && lastIndex(entry) === CLASS_SYN && lastDirection(entry) !== direction;
  const answersAck = !(status & STATUS_ASSURED) && lastIndex(entry) === CLASS_ACK;
  if ((answersSyn || answersAck) && acknowledgement() === load<u32>(entry, ENTRY_LAST_END)) return keep | IN_WINDOW;
  if (
    oldState === TCP_SYN_SENT &&
    lastIndex(entry) === CLASS_ACK &&
    lastDirection(entry) === 1 &&
    seq === load<u32>(entry, ENTRY_LAST_ACK)
  ) {
    return keep | IN_WINDOW;
  }
  return keep;
}

/** nf_tcp_handle_invalid: FIN or RST out of the window from both sides shorten the life of an ASSURED connection. */
function afterInvalid(entry: usize, direction: u32, now: i64): void {
  if (!(load<u32>(entry, ENTRY_STATUS) & STATUS_ASSURED)) return;
  if (packetClass !== CLASS_RST && packetClass !== CLASS_FIN) return;
  const index = lastIndex(entry);
  if (lastDirection(entry) !== direction && (index === CLASS_FIN || index === CLASS_RST)) {
    const left = jiffiesLeft(entry, now);
    const shorter = parameter(TRACKING_TCP_UNACK);
    if (left >= SHORT_SECONDS * hz() && left > shorter) setLife(entry, shorter, now);
    return;
  }
  store<u8>(entry, packetClass, ENTRY_LAST_INDEX);
  store<u8>(entry, direction, ENTRY_LAST_DIRECTION);
}

/** The packet counts: state, memory, timeout, ASSURED. */
function accept(entry: usize, direction: u32, oldState: u32, newState: u32, now: i64): u32 {
  store<u8>(entry, packetClass, ENTRY_LAST_INDEX);
  store<u8>(entry, direction, ENTRY_LAST_DIRECTION);
  store<u8>(entry, newState, ENTRY_TCP_STATE);
  if (newState === TCP_FIN_WAIT && oldState !== newState) {
    setSideFlags(entry, direction, sideFlags(entry, direction) | SIDE_CLOSE_INIT);
  }
  let timeout = timeoutOf(entry, newState);
  const status = load<u32>(entry, ENTRY_STATUS);
  if (!(status & STATUS_SEEN_REPLY)) {
    if (packetClass === CLASS_RST) return TCP_KILL;
    if (packetClass === CLASS_SYN && oldState === TCP_SYN_SENT) return INVALID_NONE;
    if (newState === TCP_ESTABLISHED) timeout = min(timeout, parameter(TRACKING_TCP_UNACK));
  } else if (
    !(status & STATUS_ASSURED) &&
    newState === TCP_ESTABLISHED &&
    (oldState === TCP_SYN_RECV || oldState === TCP_ESTABLISHED)
  ) {
    addStatus(entry, STATUS_ASSURED);
  }
  refresh(entry, timeout, now);
  return INVALID_NONE;
}

/** Jiffies by the new state; shorter after too many retransmissions, a RST, with data unacknowledged or a closed window. */
function timeoutOf(entry: usize, state: u32): u32 {
  const usual = parameter(TRACKING_TCP + (state << 2));
  const retrans = parameter(TRACKING_TCP_RETRANS);
  if ((load<u8>(entry, ENTRY_RETRANS) as u32) >= parameter(TRACKING_MAX_RETRANS) && usual > retrans) return retrans;
  const unacknowledged = parameter(TRACKING_TCP_UNACK);
  if (packetClass === CLASS_RST) {
    if (!flag(TRACKING_FLAG_DOUBTED_RST)) return parameter(TRACKING_TCP + (TCP_CLOSE << 2));
    if (state === TCP_ESTABLISHED && usual > unacknowledged) return unacknowledged;
  }
  if ((sideFlags(entry, 0) | sideFlags(entry, 1)) & SIDE_UNACKNOWLEDGED && usual > unacknowledged) return unacknowledged;
  if (load<u16>(entry, ENTRY_LAST_WINDOW) === 0 && usual > retrans) return retrans;
  return usual;
}
