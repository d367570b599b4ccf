/**
 * PPTP (RFC 2637): net/netfilter/nf_conntrack_pptp.c of 6.18. The control connection agrees on the ids of a call; its data is GRE of version 1 with these for keys. Whoever opens the control connection is taken
 * for the PNS. Where its addresses are translated (net/ipv4/netfilter/nf_nat_pptp.c) the server is told another id of the client's: the port that it sees.
 */
import { u8, u16, u32 } from '../../../packet/bytes.ts';
import type { Call } from '../calls.ts';
import { type Direction, ORIGINAL, REPLY } from '../connection.ts';
import type { Follows } from '../expectations.ts';
import { GRE, type Tuple } from '../tuple.ts';
import { type Helper, type Seen, tcpData, thisSource, tupleIn } from './helper.ts';
import { replace } from './translated.ts';

const CONTROL = 1;
const COOKIE = 0x1a2b3c4d;
/** Length, type and cookie; type of the message and two bytes more. */
const HEADER = 12;
const LONGEST = 208;

/** Types of messages. */
const [START_REQUEST, START_REPLY, STOP_REQUEST, STOP_REPLY] = [1, 2, 3, 4];
const [OUT_REQUEST, OUT_REPLY, IN_REQUEST, IN_REPLY, IN_CONNECT] = [7, 8, 9, 10, 11];
const [CLEAR_REQUEST, DISCONNECT, WAN_ERROR, SET_LINK] = [12, 13, 14, 15];
/** How long the body of a message must be at least, by type. */
const SIZES: readonly number[] = [0, 144, 144, 4, 4, 0, 0, 156, 20, 208, 12, 16, 4, 136, 28, 12];
const OK = 1;
/** Where a message has the client's id, in its body: in what the client says, and in what the server says. */
const CLIENT_ID_AT: Readonly<Record<Direction, Readonly<Record<number, number>>>> = {
  0: { [OUT_REQUEST]: 0, [IN_REPLY]: 0, [CLEAR_REQUEST]: 0 },
  1: { [OUT_REPLY]: 2, [IN_CONNECT]: 0, [DISCONNECT]: 0, [WAN_ERROR]: 0, [SET_LINK]: 0 },
};

/** In the kernel's order. */
const SESSION = { none: 0, error: 1, stopping: 2, requested: 3, confirmed: 4 } as const;
type CallState = 'none' | 'out requested' | 'out confirmed' | 'in requested' | 'in replied' | 'in confirmed' | 'clearing';

interface Memory extends Call {
  session: (typeof SESSION)[keyof typeof SESSION];
  call: CallState;
  /** The id that the client of a translated connection gave itself; the server knows it as `pns`. */
  ownPns: number;
}

export const pptp: Helper<Memory> = {
  name: 'pptp',
  policy: { most: 2, seconds: 300 },
  remember: () => ({ session: SESSION.none, call: 'none', pns: 0, pac: 0, ownPns: 0 }),

  help(seen) {
    if (seen.state !== 'ESTABLISHED') return 'accept';
    const data = tcpData(seen.packet);
    if (data === null || data.bytes.length < HEADER) return 'accept';
    const { bytes, length } = data;
    if (u16(bytes, 2) !== CONTROL || u32(bytes, 4) !== COOKIE) return 'accept';
    const type = u16(bytes, 8);
    const body = bytes.subarray(HEADER);
    if (length - HEADER < (SIZES[type] ?? 0) || body.length < Math.min(length - HEADER, LONGEST)) return 'accept';
    const understood = seen.direction === ORIGINAL ? fromClient(seen, type, body) : fromServer(seen, type, body);
    return understood && seen.translated ? tellClientId(seen, type) : 'accept';
  },
};

/** False: not at that time, or not about that call. */
function fromClient({ memory }: Seen<Memory>, type: number, body: Uint8Array): boolean {
  switch (type) {
    case START_REQUEST:
      if (memory.session === SESSION.none) memory.session = SESSION.requested;
      return true;
    case STOP_REQUEST:
      memory.session = SESSION.stopping;
      return true;
    case OUT_REQUEST:
      if (memory.session !== SESSION.confirmed) return false;
      memory.call = 'out requested';
      memory.pns = u16(body, 0);
      return true;
    case IN_REPLY:
      if (memory.call !== 'in requested' && memory.call !== 'in replied') return false;
      if (memory.pac !== u16(body, 2)) return false;
      if (u8(body, 4) === OK) {
        memory.call = 'in replied';
        memory.pns = u16(body, 0);
      } else memory.call = 'none';
      return true;
    case CLEAR_REQUEST:
      if (memory.session !== SESSION.confirmed) return false;
      memory.call = 'clearing';
      return true;
    default:
      return true;
  }
}

function fromServer(seen: Seen<Memory>, type: number, body: Uint8Array): boolean {
  const { memory } = seen;
  switch (type) {
    case START_REPLY:
      if (memory.session >= SESSION.requested) memory.session = u8(body, 2) === OK ? SESSION.confirmed : SESSION.error;
      return true;
    case STOP_REPLY:
      if (memory.session <= SESSION.stopping) memory.session = u8(body, 0) === OK ? SESSION.none : SESSION.error;
      return true;
    case OUT_REPLY:
      return outgoing(seen, body);
    case IN_REQUEST:
      if (memory.session !== SESSION.confirmed) return false;
      memory.call = 'in requested';
      memory.pac = u16(body, 0);
      return true;
    case IN_CONNECT:
      if (memory.session !== SESSION.confirmed) return false;
      if (memory.call !== 'in replied' && memory.call !== 'in confirmed') return false;
      if (memory.pns !== u16(body, 0)) return false;
      memory.call = 'in confirmed';
      expectData(seen);
      return true;
    case DISCONNECT:
      memory.call = 'none';
      seen.calls.end(seen.connection, memory);
      return true;
    default:
      return true;
  }
}

function outgoing(seen: Seen<Memory>, body: Uint8Array): boolean {
  const { memory } = seen;
  if (memory.session !== SESSION.confirmed) return false;
  if (memory.call !== 'out requested' && memory.call !== 'out confirmed') return false;
  if (memory.pns !== u16(body, 2)) return false;
  if (u8(body, 4) !== OK) {
    memory.call = 'none';
    return true;
  }
  memory.call = 'out confirmed';
  memory.pac = u16(body, 0);
  expectData(seen);
  return true;
}

/** pptp_outbound_pkt and pptp_inbound_pkt: either side hears of the id it knows. Only a call by the client makes the two differ. */
function tellClientId(seen: Seen<Memory>, type: number): 'accept' | 'drop' {
  const { memory, connection, direction } = seen;
  if (direction === ORIGINAL && type === OUT_REQUEST) {
    memory.ownPns = memory.pns;
    memory.pns = connection.reply.destinationPort;
  }
  const at = CLIENT_ID_AT[direction][type];
  if (at === undefined) return 'accept';
  const id = direction === ORIGINAL ? memory.pns : memory.ownPns;
  return replace(seen, { at: HEADER + at, length: 2 }, String.fromCharCode(id >> 8, id & 0xff)) ? 'accept' : 'drop';
}

/** exp_gre: both directions, and their keys; or nothing. A packet bears the key by which its receiver knows the call. */
function expectData(seen: Seen<Memory>): void {
  const { connection, calls, translated, memory } = seen;
  const { pns, pac } = memory;
  const own = translated ? memory.ownPns : pns;
  const there = { ...tupleIn(seen, ORIGINAL), protocol: GRE, sourcePort: own, destinationPort: pac };
  const back = { ...tupleIn(seen, REPLY), protocol: GRE, sourcePort: pac, destinationPort: pns };
  if (!expectWay(seen, there, { direction: ORIGINAL, port: pns, end: 'source' })) return;
  if (!expectWay(seen, back, { direction: REPLY, port: own, end: 'destination' })) {
    seen.unexpect();
    return;
  }
  const first = calls.tell(connection, ORIGINAL, there);
  if (first && calls.tell(connection, REPLY, back)) return;
  if (first) calls.forget(connection);
  seen.unexpect();
  seen.unexpect();
}

function expectWay(seen: Seen<Memory>, tuple: Tuple, follows: Follows): boolean {
  const mask = { ...thisSource(tuple.source), sourcePort: 0xffff };
  return seen.expect({ tuple, mask, ...(seen.translated && { follows }) }) === 'expected';
}
