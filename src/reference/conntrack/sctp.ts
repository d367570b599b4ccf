/** SCTP: net/netfilter/nf_conntrack_proto_sctp.c of 6.18. A packet is judged chunk by chunk; what chunks before a bad one changed stays changed. */
import { STATUS_ASSURED } from '../../abi/fields.ts';
import {
  INVALID_CHECKSUM,
  INVALID_NONE,
  INVALID_SCTP_CHUNKS,
  INVALID_SCTP_NEW,
  INVALID_SCTP_STATE,
  INVALID_SCTP_TAG,
  INVALID_SHORT,
} from '../../abi/reasons.ts';
import { sysctl } from '../../model/profile.ts';
import * as sctp from '../../packet/sctp.ts';
import type { Packet } from '../packet.ts';
import { ORIGINAL, opposite } from './connection.ts';
import { CLOSED, ESTABLISHED, freshSctp, INVALID, NONE, type SctpState, transition } from './sctp-state.ts';
import { refresh, type Tracked, type TrackerContext, type TrackerResult, timeoutOf } from './tracker.ts';

/** By state number. */
const TIMEOUTS: readonly string[] = [
  'closed',
  'closed',
  'cookie_wait',
  'cookie_echoed',
  'established',
  'shutdown_sent',
  'shutdown_recd',
  'shutdown_ack_sent',
  'heartbeat_sent',
];

/** Chunks that stand alone in their packet. */
const ALONE: readonly number[] = [sctp.INIT, sctp.INIT_ACK, sctp.SHUTDOWN_COMPLETE];
/** Chunks that stand in front. */
const FIRST: readonly number[] = [sctp.COOKIE_ECHO, sctp.COOKIE_ACK];
/** Out of the blue, these are thrown away (RFC 9260 8.4). */
const NEVER_NEW: readonly number[] = [sctp.ABORT, sctp.SHUTDOWN_COMPLETE, sctp.COOKIE_ACK];
/** A packet with one of these has rules of its own for its tag. */
const OWN_TAG_RULES: readonly number[] = [
  sctp.INIT,
  sctp.SHUTDOWN_COMPLETE,
  sctp.COOKIE_ECHO,
  sctp.ABORT,
  sctp.SHUTDOWN_ACK,
  sctp.HEARTBEAT,
  sctp.HEARTBEAT_ACK,
];

/** One packet as its chunks are gone through. */
interface Message {
  bytes: Uint8Array;
  tag: number;
  chunks: readonly sctp.Chunk[];
  /** Its chunk types. */
  types: ReadonlySet<number>;
  /** Its time does not count. */
  ignored: boolean;
}

export function trackSctp(tracked: Tracked, context: TrackerContext): TrackerResult {
  const { packet, connection, direction } = tracked;
  const bytes = packet.upper;
  if (!sctp.hasHeader(bytes)) return INVALID_SHORT;
  if (sctpChecksumFails(packet, context)) return INVALID_CHECKSUM;
  const chunks = [...sctp.chunksOf(bytes)];
  if (!wellOrdered(chunks)) return INVALID_SCTP_CHUNKS;
  const types = new Set(chunks.map(({ type }) => type));
  const message: Message = { bytes, tag: sctp.verificationTag(bytes), chunks, types, ignored: false };
  if (!connection.confirmed) {
    if (NEVER_NEW.some((type) => types.has(type))) return INVALID_SCTP_NEW;
    const opened = open(message);
    if (opened === null) return INVALID_SCTP_NEW;
    connection.sctp = opened;
  }
  const state = connection.sctp!;
  if (!OWN_TAG_RULES.some((type) => types.has(type)) && message.tag !== state.tags[direction]) return INVALID_SCTP_TAG;
  let reached = NONE;
  for (const chunk of chunks) {
    const next = follow(state, message, chunk, tracked);
    if (next === null) continue;
    if (typeof next === 'object') return next.invalid;
    reached = next;
  }
  if (!message.ignored) refresh(tracked, timeoutOf(context, `nf_conntrack_sctp_timeout_${TIMEOUTS[reached]!}`));
  return 'accept';
}

function sctpChecksumFails(packet: Packet, { profile, verify }: TrackerContext): boolean {
  if (!verify || sysctl(profile, 'nf_conntrack_checksum') === 0 || profile.prestack === 'lenient') return false;
  return !sctp.checksumRight(packet.upper);
}

/** do_basic_checks: at least one chunk, none of length 0, and each where it may stand. */
function wellOrdered(chunks: readonly sctp.Chunk[]): boolean {
  if (chunks.length === 0 || chunks.some(({ length }) => length === 0)) return false;
  return chunks.every(({ type }, place) => {
    if (place === 0) return true;
    return !FIRST.includes(type) && !chunks.slice(0, place + 1).some((one) => ALONE.includes(one.type));
  });
}

/** sctp_new: what an association begins with; null when these chunks begin none. */
function open({ bytes, tag, chunks }: Message): SctpState | null {
  const state = freshSctp();
  for (const chunk of chunks) {
    if (transition(ORIGINAL, chunk.type, NONE) === NONE) return null;
    if (chunk.type === sctp.INIT) {
      const own = sctp.initiateTag(bytes, chunk);
      if (tag !== 0 || own === undefined) return null;
      state.tags[1] = own;
    }
    if (chunk.type === sctp.HEARTBEAT) state.tags[0] = tag;
    if (chunk.type === sctp.SHUTDOWN_ACK) state.tags[1] = tag;
  }
  return state;
}

/** One chunk. The state it leads to; null: it is left out. */
function follow(state: SctpState, message: Message, chunk: sctp.Chunk, tracked: Tracked): number | null | { invalid: number } {
  const judged = judgeTag(state, message, chunk, tracked);
  if (judged === 'wrong') return { invalid: INVALID_SCTP_TAG };
  if (judged === 'skip') return null;
  const { connection, direction } = tracked;
  const before = state.state;
  const next = transition(direction, chunk.type, before);
  if (next === INVALID) return { invalid: INVALID_SCTP_STATE };
  if (chunk.type === sctp.INIT && !noteInit(state, message, chunk, tracked, next)) return { invalid: INVALID_SCTP_CHUNKS };
  if (chunk.type === sctp.INIT_ACK) {
    const reason = noteInitAck(state, message, chunk, tracked);
    if (reason !== INVALID_NONE) return { invalid: reason };
  }
  state.state = next;
  if (next === ESTABLISHED && before !== next) connection.status |= STATUS_ASSURED;
  return next;
}

/** The rules for verification tags that single chunks have (RFC 9260 8.5.1). */
function judgeTag(
  state: SctpState,
  message: Message,
  { type, flags }: sctp.Chunk,
  { direction }: Tracked,
): 'right' | 'wrong' | 'skip' {
  const { tags } = state;
  const { tag } = message;
  switch (type) {
    case sctp.INIT:
      return tag === 0 ? 'right' : 'wrong';
    case sctp.ABORT:
    case sctp.SHUTDOWN_COMPLETE:
      return tag === tags[(flags & sctp.FLAG_T) === 0 ? direction : opposite(direction)] ? 'right' : 'wrong';
    case sctp.COOKIE_ECHO:
      return tag === tags[direction] ? 'right' : 'wrong';
    case sctp.COOKIE_ACK:
      state.initiated = [false, false];
      return 'right';
    case sctp.HEARTBEAT:
    case sctp.HEARTBEAT_ACK:
      return judgeHeartbeat(state, message, type, direction);
    default:
      return 'right';
  }
}

/** A HEARTBEAT with a new tag is let through without effect; its answer with a new tag, from the other side, makes that one the tag. */
function judgeHeartbeat(state: SctpState, message: Message, type: number, direction: 0 | 1): 'right' | 'wrong' | 'skip' {
  const { tags } = state;
  if (tags[direction] === 0) {
    tags[direction] = message.tag;
    return 'right';
  }
  if (message.tag === tags[direction]) {
    state.strangeHeartbeat = null;
    return 'right';
  }
  if (message.types.has(sctp.DATA) || message.ignored) return 'wrong';
  if (type === sctp.HEARTBEAT) {
    state.strangeHeartbeat = direction;
    message.ignored = true;
    return 'skip';
  }
  if (state.strangeHeartbeat === null || state.strangeHeartbeat === direction) return 'wrong';
  state.strangeHeartbeat = null;
  tags[direction] = message.tag;
  tags[opposite(direction)] = 0;
  return 'right';
}

/** False when the chunk is cut short. A repeated INIT does not keep a closed connection alive. */
function noteInit(
  state: SctpState,
  message: Message,
  chunk: sctp.Chunk,
  { connection, direction }: Tracked,
  next: number,
): boolean {
  const own = sctp.initiateTag(message.bytes, chunk);
  if (own === undefined) return false;
  const other = opposite(direction);
  if (state.state === NONE || state.tags[other] !== own) {
    if (state.initiated[direction] && state.initiated[other]) state.initiated[other] = false;
    state.initiated[direction] = true;
  }
  state.tags[other] = own;
  if (next === CLOSED && state.state === CLOSED && connection.confirmed) message.ignored = true;
  return true;
}

/** An INIT ACK says its sender's tag; another than known is right only after an INIT of the other side, and never after INITs of both. */
function noteInitAck(state: SctpState, message: Message, chunk: sctp.Chunk, { direction }: Tracked): number {
  const own = sctp.initiateTag(message.bytes, chunk);
  if (own === undefined) return INVALID_SCTP_CHUNKS;
  const other = opposite(direction);
  const known = state.tags[other];
  if (!state.initiated[other] && known !== 0 && known !== own) return INVALID_SCTP_TAG;
  if (state.initiated[direction] && state.initiated[other] && known !== own) return INVALID_SCTP_TAG;
  state.tags[other] = own;
  return INVALID_NONE;
}
