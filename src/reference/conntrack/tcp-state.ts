/** What conntrack remembers of a TCP connection (struct ip_ct_tcp). */
import type { Direction } from './connection.ts';

export const NONE = 0;
export const SYN_SENT = 1;
export const SYN_RECV = 2;
export const ESTABLISHED = 3;
export const FIN_WAIT = 4;
export const CLOSE_WAIT = 5;
export const LAST_ACK = 6;
export const TIME_WAIT = 7;
export const CLOSE = 8;
/** SYNs from both sides: simultaneous open. */
export const SYN_SENT2 = 9;
/** Answers of the transition table that are no states. */
export const INVALID = 10;
export const IGNORE = 11;

/** Flags of a side, and of `lastFlags`. */
export const WINDOW_SCALE = 1;
export const SACK_PERMITTED = 2;
export const CLOSE_INIT = 4;
export const BE_LIBERAL = 8;
export const DATA_UNACKNOWLEDGED = 16;
export const MAXACK_SET = 32;
export const EXPECT_CHALLENGE_ACK = 64;
export const SIMULTANEOUS_OPEN = 128;

/** Sequence numbers are unsigned 32 bit. */
export interface TcpSide {
  /** Highest sequence number sent, plus one. */
  end: number;
  /** Highest sequence number the other side allows. */
  maxEnd: number;
  /** Largest window announced, in bytes. */
  maxWindow: number;
  /** Highest acknowledgement sent, when MAXACK_SET. */
  maxAck: number;
  scale: number;
  flags: number;
}

export interface TcpState {
  state: number;
  sides: [TcpSide, TcpSide];
  /** The last packet that counted or was ignored: class, direction and numbers. */
  lastDirection: Direction;
  lastClass: number;
  lastSequence: number;
  lastAck: number;
  lastEnd: number;
  lastWindow: number;
  lastScale: number;
  lastFlags: number;
  /** How often the same ACK was repeated. */
  retransmissions: number;
}

export const newSide = (): TcpSide => ({ end: 0, maxEnd: 0, maxWindow: 0, maxAck: 0, scale: 0, flags: 0 });

/** Classes of packets, by their flags: RST before SYN before FIN before ACK. */
export const CLASS_SYN = 0;
export const CLASS_SYNACK = 1;
export const CLASS_FIN = 2;
export const CLASS_ACK = 3;
export const CLASS_RST = 4;
export const CLASS_NONE = 5;

export function newTcpState(): TcpState {
  return {
    state: NONE,
    sides: [newSide(), newSide()],
    lastDirection: 0,
    lastClass: CLASS_NONE,
    lastSequence: 0,
    lastAck: 0,
    lastEnd: 0,
    lastWindow: 0,
    lastScale: 0,
    lastFlags: 0,
    retransmissions: 0,
  };
}

/** Sequence numbers compare modulo 2^32. */
export const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const after = (a: number, b: number): boolean => before(b, a);
