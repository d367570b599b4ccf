/** TCP: nf_conntrack_tcp_packet of net/netfilter/nf_conntrack_proto_tcp.c, 6.18. The table is in tcp-matrix.ts, the windows in tcp-window.ts. */
import { STATUS_ASSURED } from '../../abi/fields.ts';
import {
  INVALID_CHECKSUM,
  INVALID_NONE,
  INVALID_SHORT,
  INVALID_TCP_FLAGS,
  INVALID_TCP_HEADER,
  INVALID_TCP_NEW,
  INVALID_TCP_RST,
  INVALID_TCP_STATE,
} from '../../abi/reasons.ts';
import { sysctl } from '../../model/profile.ts';
import * as tcp from '../../packet/tcp.ts';
import type { Packet } from '../packet.ts';
import { type Connection, type Direction, ORIGINAL, opposite, REPLY } from './connection.ts';
import { shiftAt } from './sequence.ts';
import { transition } from './tcp-matrix.ts';
import * as s from './tcp-state.ts';
import { setTimeout } from './tcp-timeout.ts';
import { inWindow, readSynOptions } from './tcp-window.ts';
import { checksumFails, type Tracked, type TrackerContext, type TrackerResult } from './tracker.ts';
import { TCP } from './tuple.ts';

/** What the tracker reads of one packet; sequence numbers unsigned, `end` is sequence + data + SYN + FIN. */
export interface Segment {
  header: Uint8Array;
  /** CLASS_* */
  kind: number;
  seq: number;
  ack: number;
  end: number;
  /** As in the header, not scaled. */
  window: number;
  has(flag: number): boolean;
}

function classOf(flags: number): number {
  if (flags & tcp.RST) return s.CLASS_RST;
  if (flags & tcp.SYN) return flags & tcp.ACK ? s.CLASS_SYNACK : s.CLASS_SYN;
  if (flags & tcp.FIN) return s.CLASS_FIN;
  return flags & tcp.ACK ? s.CLASS_ACK : s.CLASS_NONE;
}

/** `length`: of header and data, as the IP header says. */
export function segmentOf(header: Uint8Array, length: number): Segment {
  const flags = tcp.flags(header);
  const seq = tcp.sequence(header);
  const data = length - tcp.headerLength(header);
  return {
    header,
    kind: classOf(flags),
    seq,
    ack: tcp.acknowledgement(header),
    end: (seq + data + (flags & tcp.SYN ? 1 : 0) + (flags & tcp.FIN ? 1 : 0)) >>> 0,
    window: tcp.window(header),
    has: (flag) => (flags & flag) !== 0,
  };
}

/** Flag sets that make sense; PSH, ECE and CWR go with any. */
const VALID_FLAGS: readonly number[] = [
  tcp.SYN,
  tcp.SYN | tcp.URG,
  tcp.SYN | tcp.ACK,
  tcp.RST,
  tcp.RST | tcp.ACK,
  tcp.FIN | tcp.ACK,
  tcp.FIN | tcp.ACK | tcp.URG,
  tcp.ACK,
  tcp.ACK | tcp.URG,
];
const JUDGED_FLAGS = tcp.FIN | tcp.SYN | tcp.RST | tcp.ACK | tcp.URG;

function faultOf(packet: Packet, context: TrackerContext): number {
  const header = packet.upper;
  if (!tcp.hasHeader(header)) return INVALID_SHORT;
  const length = tcp.headerLength(header);
  if (length < tcp.MINIMUM_HEADER || packet.length - packet.upperOffset < length) return INVALID_TCP_HEADER;
  if (checksumFails(packet, context, TCP)) return INVALID_CHECKSUM;
  return VALID_FLAGS.includes(tcp.flags(header) & JUDGED_FLAGS) ? INVALID_NONE : INVALID_TCP_FLAGS;
}

/** The first packet: a SYN, or (loose) an ACK in the middle of something; null for anything else. */
function openState(segment: Segment, context: TrackerContext): s.TcpState | null {
  const first = transition(ORIGINAL, segment.kind, s.NONE);
  if (first === s.INVALID) return null;
  const state = s.newTcpState();
  const side = state.sides[ORIGINAL];
  side.end = segment.end;
  side.maxWindow = segment.window || 1;
  if (first === s.SYN_SENT) {
    side.maxEnd = side.end;
    readSynOptions(side, segment.header);
    return state;
  }
  if (sysctl(context.profile, 'nf_conntrack_tcp_loose') === 0) return null;
  side.maxEnd = (side.end + side.maxWindow) >>> 0;
  for (const one of state.sides) one.flags = s.SACK_PERMITTED | s.BE_LIBERAL;
  return state;
}

/** One packet of a connection, at its conntrack hook. */
export function trackTcp(tracked: Tracked, context: TrackerContext): TrackerResult {
  const { packet, connection, direction } = tracked;
  const fault = faultOf(packet, context);
  if (fault !== INVALID_NONE) return fault;
  const segment = segmentOf(packet.upper, packet.length - packet.upperOffset);
  if (!connection.confirmed) {
    const opened = openState(segment, context);
    if (opened === null) return INVALID_TCP_NEW;
    connection.tcp = opened;
  }
  const step = decide(connection, connection.tcp!, segment, direction, context);
  if (step.done !== undefined) return step.done;
  if (step.checkWindow) {
    const liberal = sysctl(context.profile, 'nf_conntrack_tcp_be_liberal') !== 0;
    const shift = shiftAt(connection.shifts, opposite(direction), (segment.ack - 1) >>> 0);
    const result = inWindow(connection.tcp!, direction, segment, { liberal, shift });
    if (result === 'ignore') return 'accept';
    if (result !== 'accept') {
      shortenAfterInvalid(connection, connection.tcp!, segment, packet, direction, context);
      return result;
    }
  }
  return advance(tracked, segment, step, context);
}

/** Where the packet leads: finished already (`done`), or from state `from` to `to`. */
interface Step {
  from: number;
  to: number;
  checkWindow: boolean;
  done?: TrackerResult;
}

function decide(
  connection: Connection,
  state: s.TcpState,
  segment: Segment,
  direction: Direction,
  context: TrackerContext,
): Step {
  const from = state.state;
  const step: Step = { from, to: transition(direction, segment.kind, from), checkWindow: true };
  switch (step.to) {
    case s.SYN_SENT:
      if (from < s.TIME_WAIT) return step;
      if (mayReopen(state, direction)) {
        context.table.remove(connection);
        return { ...step, done: 'repeat' };
      }
      return ignore(state, segment, direction, step);
    case s.IGNORE:
      return ignore(state, segment, direction, step);
    case s.INVALID:
      return { ...step, done: INVALID_TCP_STATE };
    case s.TIME_WAIT:
      return isChallengeAck(state, segment, direction) ? { ...step, done: 'accept' } : step;
    case s.SYN_SENT2:
      state.lastFlags |= s.SIMULTANEOUS_OPEN;
      return step;
    case s.SYN_RECV: {
      const opened = direction === REPLY && segment.kind === s.CLASS_ACK && (state.lastFlags & s.SIMULTANEOUS_OPEN) !== 0;
      return opened ? { ...step, to: s.ESTABLISHED } : step;
    }
    case s.CLOSE:
      return segment.kind === s.CLASS_RST ? decideReset(connection, state, segment, direction, step, context) : step;
    default:
      return step;
  }
}

/** A SYN in TIME_WAIT or CLOSE opens anew when somebody closed in order, or when the same side had just reset. */
function mayReopen(state: s.TcpState, direction: Direction): boolean {
  if (((state.sides[0].flags | state.sides[1].flags) & s.CLOSE_INIT) !== 0) return true;
  return state.lastDirection === direction && state.lastClass === s.CLASS_RST;
}

/** Packets that may show that we, not the two ends, are out of step: let through and remembered. */
function ignore(state: s.TcpState, segment: Segment, direction: Direction, step: Step): Step {
  const answersIgnoredSyn =
    segment.kind === s.CLASS_SYNACK &&
    state.lastClass === s.CLASS_SYN &&
    state.lastDirection !== direction &&
    segment.ack === state.lastEnd;
  if (answersIgnoredSyn) {
    resynchronise(state, direction);
    return { from: s.SYN_SENT, to: s.SYN_RECV, checkWindow: true };
  }
  state.lastClass = segment.kind;
  state.lastDirection = direction;
  state.lastSequence = segment.seq;
  state.lastEnd = segment.end;
  state.lastWindow = segment.window;
  if (segment.kind === s.CLASS_SYN && direction === ORIGINAL) rememberSyn(state, segment, step.from);
  if (step.from === s.SYN_SENT && segment.kind === s.CLASS_ACK && direction === REPLY) state.lastAck = segment.ack;
  return { ...step, done: 'accept' };
}

function rememberSyn(state: s.TcpState, segment: Segment, from: number): void {
  const options = s.newSide();
  readSynOptions(options, segment.header);
  state.lastFlags = options.flags & (s.WINDOW_SCALE | s.SACK_PERMITTED);
  state.lastScale = options.flags & s.WINDOW_SCALE ? options.scale : 0;
  // In LAST_ACK the answer to a stray SYN must not pass for the acknowledgement of the FIN (RFC 5961).
  if (from === s.LAST_ACK) state.lastFlags |= s.EXPECT_CHALLENGE_ACK;
}

/** The SYN we ignored was right: its numbers become the sender's, the answering side begins anew. */
function resynchronise(state: s.TcpState, direction: Direction): void {
  const opener = state.sides[state.lastDirection];
  opener.end = state.lastEnd;
  opener.maxEnd = state.lastEnd;
  opener.maxWindow = state.lastWindow || 1;
  opener.scale = state.lastScale;
  state.lastFlags &= ~s.EXPECT_CHALLENGE_ACK;
  opener.flags = state.lastFlags;
  const answering = state.sides[direction];
  Object.assign(answering, { end: 0, maxEnd: 0, maxWindow: 0, maxAck: 0, scale: 0, flags: answering.flags & s.BE_LIBERAL });
}

function isChallengeAck(state: s.TcpState, segment: Segment, direction: Direction): boolean {
  const challenge =
    state.state === s.LAST_ACK &&
    segment.kind === s.CLASS_ACK &&
    state.lastDirection !== direction &&
    state.lastClass === s.CLASS_SYN &&
    (state.lastFlags & s.EXPECT_CHALLENGE_ACK) !== 0;
  if (challenge) state.lastFlags &= ~s.EXPECT_CHALLENGE_ACK;
  return challenge;
}

const isClosing = (state: number): boolean => state >= s.FIN_WAIT && state <= s.CLOSE;

function decideReset(
  connection: Connection,
  state: s.TcpState,
  segment: Segment,
  direction: Direction,
  step: Step,
  context: TrackerContext,
): Step {
  // While closing, the ports may be in use again already: what we remember is worth nothing.
  if (isClosing(state.state)) return { ...step, checkWindow: false };
  let to = step.to;
  const peer = state.sides[opposite(direction)];
  if ((peer.flags & s.MAXACK_SET) !== 0 && state.lastClass !== s.CLASS_SYN) {
    const established = state.state === s.ESTABLISHED && connection.has(STATUS_ASSURED);
    // Most likely the answer to a SYN that went through.
    if (segment.seq === 0 && !established) return step;
    const forgiven = sysctl(context.profile, 'nf_conntrack_tcp_ignore_invalid_rst') !== 0;
    if (s.before(segment.seq, peer.maxAck) && !forgiven) return { ...step, done: INVALID_TCP_RST };
    if (!established || segment.seq === peer.maxAck) return step;
    const continuesTrain = state.lastClass === s.CLASS_ACK && state.lastDirection === direction && segment.seq === state.lastEnd;
    if (continuesTrain) return step;
    // Not exactly the next number: the receiver may challenge it, so the connection stays.
    to = step.from;
  }
  return { ...step, to, checkWindow: !answersIgnored(connection, state, segment, direction, step.from) };
}

/** A RST that answers a SYN or ACK we let through although it did not fit. */
function answersIgnored(
  connection: Connection,
  state: s.TcpState,
  segment: Segment,
  direction: Direction,
  from: number,
): boolean {
  const afterSyn = connection.seenReply && state.lastClass === s.CLASS_SYN && state.lastDirection !== direction;
  const afterAck = !connection.has(STATUS_ASSURED) && state.lastClass === s.CLASS_ACK;
  if ((afterSyn || afterAck) && segment.ack === state.lastEnd) return true;
  const challenged = from === s.SYN_SENT && state.lastClass === s.CLASS_ACK && state.lastDirection === REPLY;
  return challenged && segment.seq === state.lastAck;
}

/** nf_tcp_handle_invalid: FIN or RST out of window from both sides, one after the other: the connection is likely dead. */
function shortenAfterInvalid(
  connection: Connection,
  state: s.TcpState,
  segment: Segment,
  packet: Packet,
  direction: Direction,
  { profile }: TrackerContext,
): void {
  if (!connection.has(STATUS_ASSURED)) return;
  if (segment.kind !== s.CLASS_RST && segment.kind !== s.CLASS_FIN) return;
  const second = state.lastDirection !== direction && (state.lastClass === s.CLASS_FIN || state.lastClass === s.CLASS_RST);
  if (!second) {
    state.lastClass = segment.kind;
    state.lastDirection = direction;
    return;
  }
  const left = connection.left(packet.now);
  const shorter = sysctl(profile, 'nf_conntrack_tcp_timeout_unacknowledged') * profile.hz;
  if (left >= 120 * profile.hz && left > shorter) connection.timeout = packet.now + shorter;
}

/** The packet counts: new state, memory, timeout, ASSURED. */
function advance(tracked: Tracked, segment: Segment, step: Step, context: TrackerContext): TrackerResult {
  const { connection, direction } = tracked;
  const state = connection.tcp!;
  state.lastClass = segment.kind;
  state.lastDirection = direction;
  state.state = step.to;
  if (step.from !== step.to && step.to === s.FIN_WAIT) state.sides[direction].flags |= s.CLOSE_INIT;
  setTimeout(tracked, segment, step.from, context);
  return 'accept';
}
