/** TCP window tracking (nf_conntrack_proto_tcp.c, tcp_in_window): the four bounds, scaling, SACK, and what a side is known to have sent. */

import { TCP_SYN_RECV, TCP_SYN_SENT, TRACKING_FLAG_LIBERAL } from '../../src/abi/conntrack';
import { INVALID_NONE, INVALID_TCP_ACK_OVER, INVALID_TCP_SEQ_OVER } from '../../src/abi/reasons';
import {
  ENTRY_LAST_ACK,
  ENTRY_LAST_DIRECTION,
  ENTRY_LAST_END,
  ENTRY_LAST_SEQ,
  ENTRY_LAST_WINDOW,
  ENTRY_RETRANS,
  ENTRY_SIDES,
  ENTRY_TCP_FLAGS,
  ENTRY_TCP_SCALE,
  ENTRY_TCP_STATE,
  SIDE_END,
  SIDE_MAXACK,
  SIDE_MAXEND,
  SIDE_MAXWIN,
  SIDE_SIZE,
} from './entry';
import { flag } from './parameters';
import { isShifted, shiftAt } from './sequence';
import { CLASS_ACK, FLAG_RST } from './tcp-matrix';
import { highestSack, optionHasSack, optionHasScale, optionScale, readOptions } from './tcp-options';

/** Flags of a side, the kernel's values. */
export const SIDE_WINDOW_SCALE: u32 = 1;
export const SIDE_SACK_PERMITTED: u32 = 2;
export const SIDE_CLOSE_INIT: u32 = 4;
export const SIDE_LIBERAL: u32 = 8;
export const SIDE_UNACKNOWLEDGED: u32 = 16;
export const SIDE_MAXACK_SET: u32 = 32;

/** Outcomes of `inWindow` beside INVALID_*: go on, or let the packet pass and change nothing more. */
export const WINDOW_ACCEPT: u32 = INVALID_NONE;
export const WINDOW_IGNORE: u32 = 0x100;

export const LEAST_ACK_WINDOW: u32 = 66000;
const FLAG_SYN: u32 = 2;
const FLAG_ACK: u32 = 16;

/** a < b in sequence space. */
export function before(a: u32, b: u32): bool {
  return ((a - b) as i32) < 0;
}

/** a > b in sequence space. */
export function after(a: u32, b: u32): bool {
  return ((b - a) as i32) < 0;
}

export function sideOf(entry: usize, direction: u32): usize {
  return entry + ENTRY_SIDES + (direction as usize) * SIDE_SIZE;
}

export function sideFlags(entry: usize, direction: u32): u32 {
  return load<u8>(entry + direction, ENTRY_TCP_FLAGS) as u32;
}

export function setSideFlags(entry: usize, direction: u32, flags: u32): void {
  store<u8>(entry + direction, flags, ENTRY_TCP_FLAGS);
}

function scaleOf(entry: usize, direction: u32): u32 {
  return load<u8>(entry + direction, ENTRY_TCP_SCALE) as u32;
}

function setScale(entry: usize, direction: u32, scale: u32): void {
  store<u8>(entry + direction, scale, ENTRY_TCP_SCALE);
}

/** Takes window scale and SACK permitted of a SYN into a side. Without any option byte the side keeps what it had. */
export function takeOptions(entry: usize, direction: u32, header: usize, optionLength: u32): void {
  if (optionLength === 0) return;
  readOptions(header, optionLength);
  let flags = sideFlags(entry, direction) & SIDE_LIBERAL;
  if (optionHasSack) flags |= SIDE_SACK_PERMITTED;
  if (optionHasScale) flags |= SIDE_WINDOW_SCALE;
  setScale(entry, direction, optionScale);
  setSideFlags(entry, direction, flags);
}

/** tcp_init_sender: a side starts with its SYN. */
export function initSender(entry: usize, direction: u32, header: usize, optionLength: u32, end: u32, window: u32): void {
  const sender = sideOf(entry, direction);
  store<u32>(sender, end, SIDE_END);
  store<u32>(sender, end, SIDE_MAXEND);
  store<u32>(sender, max(window, 1), SIDE_MAXWIN);
  takeOptions(entry, direction, header, optionLength);
  if (direction !== 1) return;
  if (sideFlags(entry, 0) & sideFlags(entry, 1) & SIDE_WINDOW_SCALE) return;
  setScale(entry, 0, 0);
  setScale(entry, 1, 0);
}

/** A side whose beginning was not seen takes what the packet tells; its peer must not fail for that. */
function joinMidway(entry: usize, direction: u32, end: u32, window: u32, sack: u32): void {
  const sender = sideOf(entry, direction);
  const receiver = sideOf(entry, 1 - direction);
  const scaled = max(window << scaleOf(entry, direction), 1);
  store<u32>(sender, end, SIDE_END);
  store<u32>(sender, scaled, SIDE_MAXWIN);
  store<u32>(sender, end + scaled, SIDE_MAXEND);
  if (load<u32>(receiver, SIDE_MAXWIN) === 0) {
    store<u32>(receiver, sack, SIDE_END);
    store<u32>(receiver, sack, SIDE_MAXEND);
  } else if (sack === load<u32>(receiver, SIDE_END) + 1) {
    store<u32>(receiver, sack, SIDE_END);
  }
}

/** A bound failed: liberal tracking accepts (and updates nothing). */
function failed(entry: usize, direction: u32, outcome: u32): u32 {
  if (sideFlags(entry, direction) & SIDE_LIBERAL || flag(TRACKING_FLAG_LIBERAL)) return WINDOW_ACCEPT;
  return outcome;
}

function lowerAckBound(sender: usize, receiver: usize): u32 {
  return load<u32>(receiver, SIDE_END) - max(load<u32>(sender, SIDE_MAXWIN), LEAST_ACK_WINDOW) - 1;
}

/** The sequence number is over the upper bound: a work-around lets a sender that overshoots a little pass. */
function overUpperBound(entry: usize, direction: u32, end: u32, sack: u32): u32 {
  const sender = sideOf(entry, direction);
  const receiver = sideOf(entry, 1 - direction);
  const overshot = end - load<u32>(sender, SIDE_MAXEND) + 1;
  const window = load<u32>(receiver, SIDE_MAXWIN);
  const inReceiveWindow = window !== 0 && after(end, load<u32>(sender, SIDE_END) - window - 1);
  const acknowledges = after(sack, lowerAckBound(sender, receiver)) && before(sack, load<u32>(receiver, SIDE_END) + 1);
  if (inReceiveWindow && acknowledges && overshot <= window) {
    store<u32>(sender, end, SIDE_END);
    setSideFlags(entry, direction, sideFlags(entry, direction) | SIDE_UNACKNOWLEDGED);
    return failed(entry, direction, WINDOW_IGNORE);
  }
  return failed(entry, direction, INVALID_TCP_SEQ_OVER);
}

/** tcp_in_window's check of retransmissions: the same ACK again and again. */
function countRetransmission(entry: usize, direction: u32, seq: u32, ack: u32, end: u32, window: u32): void {
  if (
    load<u32>(entry, ENTRY_LAST_SEQ) === seq &&
    load<u32>(entry, ENTRY_LAST_ACK) === ack &&
    load<u32>(entry, ENTRY_LAST_END) === end &&
    (load<u16>(entry, ENTRY_LAST_WINDOW) as u32) === window &&
    (load<u8>(entry, ENTRY_LAST_DIRECTION) as u32) === direction
  ) {
    store<u8>(entry, load<u8>(entry, ENTRY_RETRANS) + 1, ENTRY_RETRANS);
    return;
  }
  store<u8>(entry, direction, ENTRY_LAST_DIRECTION);
  store<u32>(entry, seq, ENTRY_LAST_SEQ);
  store<u32>(entry, ack, ENTRY_LAST_ACK);
  store<u32>(entry, end, ENTRY_LAST_END);
  store<u16>(entry, window, ENTRY_LAST_WINDOW);
  store<u8>(entry, 0, ENTRY_RETRANS);
}

/**
 * Judges one packet and moves the windows.
 * In: the entry, the packet's direction and class, its flags byte, its header with `optionLength` bytes of options, the sequence number
 * behind it. Out: WINDOW_ACCEPT, WINDOW_IGNORE (accepted, but state and timeout stay) or an INVALID_* reason.
 */
export function inWindow(
  entry: usize,
  direction: u32,
  packetClass: u32,
  flags: u32,
  header: usize,
  optionLength: u32,
  endOfSegment: u32,
): u32 {
  const sender = sideOf(entry, direction);
  const receiver = sideOf(entry, 1 - direction);
  const state = load<u8>(entry, ENTRY_TCP_STATE) as u32;
  const rawWindow = bswap(load<u16>(header, 14)) as u32;
  let seq = bswap(load<u32>(header, 4));
  let end = endOfSegment;
  let ack = bswap(load<u32>(header, 8));
  let sack = ack;
  if (optionLength !== 0 && sideFlags(entry, 1 - direction) & SIDE_SACK_PERMITTED) sack = highestSack(header, optionLength, ack);
  if (isShifted(entry)) {
    const shift = shiftAt(entry, 1 - direction, ack - 1);
    ack -= shift;
    sack -= shift;
  }

  if (load<u32>(sender, SIDE_MAXWIN) === 0) {
    if (flags & FLAG_SYN) {
      initSender(entry, direction, header, optionLength, end, rawWindow);
      if (!(flags & FLAG_ACK)) return WINDOW_ACCEPT;
    } else {
      joinMidway(entry, direction, end, rawWindow, sack);
    }
  } else if (flags & FLAG_SYN && after(end, load<u32>(sender, SIDE_END)) && (state === TCP_SYN_SENT || state === TCP_SYN_RECV)) {
    initSender(entry, direction, header, optionLength, end, rawWindow);
    if (direction === 1 && !(flags & FLAG_ACK)) return WINDOW_ACCEPT;
  }

  const receiverEnd = load<u32>(receiver, SIDE_END);
  if (!(flags & FLAG_ACK) || (flags & FLAG_RST && ack === 0)) {
    ack = receiverEnd;
    sack = receiverEnd;
  }
  if (flags & FLAG_RST && seq === 0 && state === TCP_SYN_SENT) {
    seq = load<u32>(sender, SIDE_END);
    end = seq;
  }

  if (!before(seq, load<u32>(sender, SIDE_MAXEND) + 1)) return overUpperBound(entry, direction, end, sack);
  if (!before(sack, receiverEnd + 1)) return failed(entry, direction, INVALID_TCP_ACK_OVER);
  const receiverWindow = load<u32>(receiver, SIDE_MAXWIN);
  if (receiverWindow !== 0 && !after(end, load<u32>(sender, SIDE_END) - receiverWindow - 1)) {
    return failed(entry, direction, WINDOW_IGNORE);
  }
  if (!after(sack, lowerAckBound(sender, receiver))) return failed(entry, direction, WINDOW_IGNORE);

  update(entry, direction, flags, end, ack, sack, rawWindow);
  if (packetClass === CLASS_ACK) countRetransmission(entry, direction, seq, ack, end, rawWindow);
  return WINDOW_ACCEPT;
}

/** The packet is in: what both sides now are known to have sent, to take and to have acknowledged. */
function update(entry: usize, direction: u32, flags: u32, end: u32, ack: u32, sack: u32, rawWindow: u32): void {
  const sender = sideOf(entry, direction);
  const receiver = sideOf(entry, 1 - direction);
  const window = flags & FLAG_SYN ? rawWindow : rawWindow << scaleOf(entry, direction);
  const wide = window + (sack - ack);
  if (load<u32>(sender, SIDE_MAXWIN) < wide) store<u32>(sender, wide, SIDE_MAXWIN);
  let known = sideFlags(entry, direction);
  const old = known;
  if (after(end, load<u32>(sender, SIDE_END))) {
    store<u32>(sender, end, SIDE_END);
    known |= SIDE_UNACKNOWLEDGED;
  }
  if (flags & FLAG_ACK) {
    if (!(known & SIDE_MAXACK_SET)) {
      store<u32>(sender, ack, SIDE_MAXACK);
      known |= SIDE_MAXACK_SET;
    } else if (after(ack, load<u32>(sender, SIDE_MAXACK))) {
      store<u32>(sender, ack, SIDE_MAXACK);
    }
  }
  if (known !== old) setSideFlags(entry, direction, known);
  if (load<u32>(receiver, SIDE_MAXWIN) !== 0 && after(end, load<u32>(sender, SIDE_MAXEND))) {
    store<u32>(receiver, load<u32>(receiver, SIDE_MAXWIN) + (end - load<u32>(sender, SIDE_MAXEND)), SIDE_MAXWIN);
  }
  if (after(sack + window, load<u32>(receiver, SIDE_MAXEND) - 1)) {
    store<u32>(receiver, sack + window + (window === 0 ? 1 : 0), SIDE_MAXEND);
  }
  if (ack === load<u32>(receiver, SIDE_END)) {
    const peer = sideFlags(entry, 1 - direction);
    if (peer & SIDE_UNACKNOWLEDGED) setSideFlags(entry, 1 - direction, peer & ~SIDE_UNACKNOWLEDGED);
  }
}
