/** What conntrack remembers of an SCTP association (struct ip_ct_sctp), and where a chunk leads from a state (sctp_conntracks in net/netfilter/nf_conntrack_proto_sctp.c). */
import * as sctp from '../../packet/sctp.ts';
import { type Direction, ORIGINAL } from './connection.ts';

export const NONE = 0;
export const CLOSED = 1;
export const COOKIE_WAIT = 2;
export const COOKIE_ECHOED = 3;
export const ESTABLISHED = 4;
export const SHUTDOWN_SENT = 5;
export const SHUTDOWN_RECEIVED = 6;
export const SHUTDOWN_ACK_SENT = 7;
export const HEARTBEAT_SENT = 8;
/** An answer of the table that is no state. */
export const INVALID = 9;

export interface SctpState {
  state: number;
  /** The verification tag that packets of a direction must have; 0 as long as nobody said one. */
  tags: [number, number];
  /** An INIT came from this side and no COOKIE ACK since. */
  initiated: [boolean, boolean];
  /** A HEARTBEAT had another tag: the direction it came in. */
  strangeHeartbeat: Direction | null;
}

export function freshSctp(): SctpState {
  return { state: NONE, tags: [0, 0], initiated: [false, false], strangeHeartbeat: null };
}

const LETTERS: Readonly<Record<string, number>> = {
  no: NONE,
  cl: CLOSED,
  cw: COOKIE_WAIT,
  ce: COOKIE_ECHOED,
  es: ESTABLISHED,
  ss: SHUTDOWN_SENT,
  sr: SHUTDOWN_RECEIVED,
  sa: SHUTDOWN_ACK_SENT,
  hs: HEARTBEAT_SENT,
  iv: INVALID,
};

const row = (text: string): readonly number[] => text.split(' ').map((word) => LETTERS[word]!);

/** Columns: the state before, from NONE to HEARTBEAT_SENT. */
const ORIGINAL_ROWS: ReadonlyMap<number, readonly number[]> = new Map([
  [sctp.INIT, row('cl cl cw ce es cl cl sa cw')],
  [sctp.INIT_ACK, row('cl cl cw ce es ss sr sa cl')],
  [sctp.ABORT, row('cl cl cl cl cl cl cl cl cl')],
  [sctp.SHUTDOWN, row('cl cl cw ce ss ss sr sa cl')],
  [sctp.SHUTDOWN_ACK, row('sa cl cw ce es sa sa sa sa')],
  [sctp.ERROR, row('cl cl cw ce es ss sr sa cl')],
  [sctp.COOKIE_ECHO, row('cl cl ce ce es ss sr sa cl')],
  [sctp.COOKIE_ACK, row('cl cl cw es es ss sr sa cl')],
  [sctp.SHUTDOWN_COMPLETE, row('cl cl cw ce es ss sr cl cl')],
  [sctp.HEARTBEAT, row('hs cl cw ce es ss sr sa hs')],
  [sctp.HEARTBEAT_ACK, row('cl cl cw ce es ss sr sa hs')],
]);

const REPLY_ROWS: ReadonlyMap<number, readonly number[]> = new Map([
  [sctp.INIT, row('iv cl cw ce es ss sr sa iv')],
  [sctp.INIT_ACK, row('iv cw cw ce es ss sr sa iv')],
  [sctp.ABORT, row('iv cl cl cl cl cl cl cl iv')],
  [sctp.SHUTDOWN, row('iv cl cw ce sr ss sr sa iv')],
  [sctp.SHUTDOWN_ACK, row('iv cl cw ce es sa sa sa iv')],
  [sctp.ERROR, row('iv cl cw cl es ss sr sa iv')],
  [sctp.COOKIE_ECHO, row('iv cl ce ce es ss sr sa iv')],
  [sctp.COOKIE_ACK, row('iv cl cw es es ss sr sa iv')],
  [sctp.SHUTDOWN_COMPLETE, row('iv cl cw ce es ss sr cl iv')],
  [sctp.HEARTBEAT, row('iv cl cw ce es ss sr sa hs')],
  [sctp.HEARTBEAT_ACK, row('iv cl cw ce es ss sr sa es')],
]);

/** Where a chunk leads; DATA, SACK and everything unknown lead nowhere else. */
export function transition(direction: Direction, type: number, from: number): number {
  const rows = direction === ORIGINAL ? ORIGINAL_ROWS : REPLY_ROWS;
  return rows.get(type)?.[from] ?? from;
}
