/** TCP window tracking: tcp_in_window of net/netfilter/nf_conntrack_proto_tcp.c, 6.18; the four conditions are in kernel-semantics 4.6. */
import { INVALID_TCP_ACK_OVER, INVALID_TCP_SEQ_OVER } from '../../abi/reasons.ts';
import * as tcp from '../../packet/tcp.ts';
import type { Direction } from './connection.ts';
import { opposite } from './connection.ts';
import type { Segment } from './tcp.ts';
import {
  after,
  BE_LIBERAL,
  before,
  CLASS_ACK,
  DATA_UNACKNOWLEDGED,
  MAXACK_SET,
  SACK_PERMITTED,
  SYN_RECV,
  SYN_SENT,
  type TcpSide,
  type TcpState,
  WINDOW_SCALE,
} from './tcp-state.ts';

/** `ignore`: accepted without changing state or timeout. A number: INVALID_*. */
export type WindowResult = 'accept' | 'ignore' | number;

/** Older acknowledgements than this are overly delayed. */
const MAX_ACK_WINDOW = 66000;
const MAX_SCALE = 14;
const OPTION_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;

/** Window scale and SACK of a SYN; only BE_LIBERAL of the old flags stays. A header without options changes nothing. */
export function readSynOptions(side: TcpSide, header: Uint8Array): void {
  if (tcp.headerLength(header) === tcp.MINIMUM_HEADER || header.length < tcp.headerLength(header)) return;
  side.scale = 0;
  side.flags &= BE_LIBERAL;
  for (const { kind, data } of tcp.options(header)) {
    if (kind === OPTION_SACK_PERMITTED && data.length === 0) side.flags |= SACK_PERMITTED;
    if (kind === OPTION_SCALE && data.length === 1) {
      side.scale = Math.min(data[0]!, MAX_SCALE);
      side.flags |= WINDOW_SCALE;
    }
  }
}

/** The highest right edge of the first SACK option, or `ack` when that is higher. */
function highestSack(header: Uint8Array, ack: number): number {
  const sack = tcp.options(header).find(({ kind, data }) => kind === OPTION_SACK && data.length >= 8 && data.length % 8 === 0);
  if (sack === undefined) return ack;
  let highest = ack;
  const view = new DataView(sack.data.buffer, sack.data.byteOffset, sack.data.length);
  for (let at = 4; at < sack.data.length; at += 8) {
    const edge = view.getUint32(at);
    if (after(edge, highest)) highest = edge;
  }
  return highest;
}

const u32 = (value: number): number => value >>> 0;

function initSide(sender: TcpSide, receiver: TcpSide, segment: Segment, direction: Direction): void {
  sender.end = segment.end;
  sender.maxEnd = segment.end;
  sender.maxWindow = segment.window || 1;
  readSynOptions(sender, segment.header);
  const both = (sender.flags & receiver.flags & WINDOW_SCALE) !== 0;
  if (direction === 1 && !both) {
    sender.scale = 0;
    receiver.scale = 0;
  }
}

/** The first packet of a side that no SYN introduced: take what it says. */
function pickUpSide(sender: TcpSide, receiver: TcpSide, segment: Segment, sack: number): void {
  sender.end = segment.end;
  sender.maxWindow = u32(segment.window << sender.scale) || 1;
  sender.maxEnd = u32(segment.end + sender.maxWindow);
  if (receiver.maxWindow === 0) {
    receiver.end = sack;
    receiver.maxEnd = sack;
  } else if (sack === u32(receiver.end + 1)) {
    // Likely the answer to a keep-alive.
    receiver.end = u32(receiver.end + 1);
  }
}

interface Numbers {
  seq: number;
  ack: number;
  sack: number;
  end: number;
}

/** Sequence and acknowledgement as they are compared. A packet without ACK is taken for one that acknowledges all. */
function numbersOf(state: TcpState, sender: TcpSide, receiver: TcpSide, segment: Segment, sack: number): Numbers {
  let { seq, end, ack } = segment;
  let highest = sack;
  const brokenReset = segment.has(tcp.RST) && ack === 0;
  if (!segment.has(tcp.ACK) || brokenReset) {
    ack = receiver.end;
    highest = receiver.end;
  }
  if (segment.has(tcp.RST) && seq === 0 && state.state === SYN_SENT) {
    seq = sender.end;
    end = sender.end;
  }
  return { seq, ack, sack: highest, end };
}

interface Circumstances {
  /** nf_conntrack_tcp_be_liberal. */
  liberal: boolean;
  /** What helpers added to the numbers that this segment acknowledges. */
  shift: number;
}

/** Judges a segment and, when it lies in the windows, learns from it. */
export function inWindow(state: TcpState, direction: Direction, given: Segment, { liberal, shift }: Circumstances): WindowResult {
  const sender = state.sides[direction];
  const receiver = state.sides[opposite(direction)];
  const segment = { ...given, ack: u32(given.ack - shift) };
  const edge = (receiver.flags & SACK_PERMITTED) !== 0 ? highestSack(given.header, given.ack) : given.ack;
  const sack = u32(edge - shift);
  const syn = segment.has(tcp.SYN);
  const opening = state.state === SYN_SENT || state.state === SYN_RECV;
  if (sender.maxWindow === 0 && !syn) {
    pickUpSide(sender, receiver, segment, sack);
  } else if (sender.maxWindow === 0) {
    initSide(sender, receiver, segment, direction);
    if (!segment.has(tcp.ACK)) return 'accept';
  } else if (syn && after(segment.end, sender.end) && opening) {
    initSide(sender, receiver, segment, direction);
    if (direction === 1 && !segment.has(tcp.ACK)) return 'accept';
  }
  const numbers = numbersOf(state, sender, receiver, segment, sack);
  const judged = judge(sender, receiver, numbers);
  if (judged !== 'accept') return liberal || (sender.flags & BE_LIBERAL) !== 0 ? 'accept' : judged;
  learn(sender, receiver, segment, numbers);
  countRetransmissions(state, direction, segment, numbers);
  return 'accept';
}

function judge(sender: TcpSide, receiver: TcpSide, { seq, sack, end }: Numbers): WindowResult {
  const ackNotOver = before(sack, u32(receiver.end + 1));
  const ackWindow = Math.max(sender.maxWindow, MAX_ACK_WINDOW);
  const ackNotUnder = after(sack, u32(receiver.end - ackWindow - 1));
  const endNotUnder = after(end, u32(sender.end - receiver.maxWindow - 1));
  if (!before(seq, u32(sender.maxEnd + 1))) {
    const overshoot = u32(end - sender.maxEnd + 1);
    const tolerable = receiver.maxWindow !== 0 && endNotUnder && ackNotUnder && overshoot <= receiver.maxWindow && ackNotOver;
    if (!tolerable) return INVALID_TCP_SEQ_OVER;
    // The receiver may take it after all; then its acknowledgement must not look wrong.
    sender.end = end;
    sender.flags |= DATA_UNACKNOWLEDGED;
    return 'ignore';
  }
  if (!ackNotOver) return INVALID_TCP_ACK_OVER;
  if (receiver.maxWindow !== 0 && !endNotUnder) return 'ignore';
  return ackNotUnder ? 'accept' : 'ignore';
}

function learn(sender: TcpSide, receiver: TcpSide, segment: Segment, { ack, sack, end }: Numbers): void {
  const window = segment.has(tcp.SYN) ? segment.window : u32(segment.window << sender.scale);
  sender.maxWindow = Math.max(sender.maxWindow, u32(window + (sack - ack)));
  if (after(end, sender.end)) {
    sender.end = end;
    sender.flags |= DATA_UNACKNOWLEDGED;
  }
  if (segment.has(tcp.ACK)) {
    if ((sender.flags & MAXACK_SET) === 0 || after(ack, sender.maxAck)) sender.maxAck = ack;
    sender.flags |= MAXACK_SET;
  }
  if (receiver.maxWindow !== 0 && after(end, sender.maxEnd)) {
    receiver.maxWindow = u32(receiver.maxWindow + end - sender.maxEnd);
  }
  if (after(u32(sack + window), u32(receiver.maxEnd - 1))) {
    receiver.maxEnd = u32(sack + window + (window === 0 ? 1 : 0));
  }
  if (ack === receiver.end) receiver.flags &= ~DATA_UNACKNOWLEDGED;
}

function countRetransmissions(state: TcpState, direction: Direction, segment: Segment, { seq, ack, end }: Numbers): void {
  if (segment.kind !== CLASS_ACK) return;
  const same =
    state.lastDirection === direction &&
    state.lastSequence === seq &&
    state.lastAck === ack &&
    state.lastEnd === end &&
    state.lastWindow === segment.window;
  if (same) {
    state.retransmissions++;
    return;
  }
  state.lastDirection = direction;
  state.lastSequence = seq;
  state.lastAck = ack;
  state.lastEnd = end;
  state.lastWindow = segment.window;
  state.retransmissions = 0;
}
