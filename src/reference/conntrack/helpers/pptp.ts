/** PPTP (RFC 2637): net/netfilter/nf_conntrack_pptp.c of 6.18. The control connection agrees on the ids of a call; its data is GRE of version 1 with these for keys. Whoever opens the control connection is taken for the PNS. */
import { u8, u16, u32 } from '../../../packet/bytes.ts';
import type { Call } from '../calls.ts';
import { ORIGINAL, REPLY } from '../connection.ts';
import { GRE } from '../tuple.ts';
import { type Helper, type Seen, tcpData, thisSource, tupleIn } from './helper.ts';

const CONTROL = 1;
const COOKIE = 0x1a2b3c4d;
/** Length, type and cookie; type of the message and two bytes more. */
const HEADER = 12;
const LONGEST = 208;

/** Types of messages. */
const [START_REQUEST, START_REPLY, STOP_REQUEST, STOP_REPLY] = [1, 2, 3, 4];
const [OUT_REQUEST, OUT_REPLY, IN_REQUEST, IN_REPLY, IN_CONNECT] = [7, 8, 9, 10, 11];
const [CLEAR_REQUEST, DISCONNECT] = [12, 13];
/** How long the body of a message must be at least, by type. */
const SIZES: readonly number[] = [0, 144, 144, 4, 4, 0, 0, 156, 20, 208, 12, 16, 4, 136, 28, 12];
const OK = 1;

/** In the kernel's order. */
const SESSION = { none: 0, error: 1, stopping: 2, requested: 3, confirmed: 4 } as const;
type CallState = 'none' | 'out requested' | 'out confirmed' | 'in requested' | 'in replied' | 'in confirmed' | 'clearing';

interface Memory extends Call {
  session: (typeof SESSION)[keyof typeof SESSION];
  call: CallState;
}

export const pptp: Helper<Memory> = {
  name: 'pptp',
  policy: { most: 2, seconds: 300 },
  remember: () => ({ session: SESSION.none, call: 'none', pns: 0, pac: 0 }),

  help(seen) {
    if (seen.state !== 'ESTABLISHED') return 'accept';
    const data = tcpData(seen.packet);
    if (data === null || data.bytes.length < HEADER) return 'accept';
    const { bytes, length } = data;
    if (u16(bytes, 2) !== CONTROL || u32(bytes, 4) !== COOKIE) return 'accept';
    const type = u16(bytes, 8);
    const body = bytes.subarray(HEADER);
    if (length - HEADER < (SIZES[type] ?? 0) || body.length < Math.min(length - HEADER, LONGEST)) return 'accept';
    if (seen.direction === ORIGINAL) fromClient(seen, type, body);
    else fromServer(seen, type, body);
    return 'accept';
  },
};

function fromClient({ memory }: Seen<Memory>, type: number, body: Uint8Array): void {
  switch (type) {
    case START_REQUEST:
      if (memory.session === SESSION.none) memory.session = SESSION.requested;
      break;
    case STOP_REQUEST:
      memory.session = SESSION.stopping;
      break;
    case OUT_REQUEST:
      if (memory.session !== SESSION.confirmed) return;
      memory.call = 'out requested';
      memory.pns = u16(body, 0);
      break;
    case IN_REPLY:
      if (memory.call !== 'in requested' && memory.call !== 'in replied') return;
      if (memory.pac !== u16(body, 2)) return;
      if (u8(body, 4) === OK) {
        memory.call = 'in replied';
        memory.pns = u16(body, 0);
      } else memory.call = 'none';
      break;
    case CLEAR_REQUEST:
      if (memory.session === SESSION.confirmed) memory.call = 'clearing';
      break;
  }
}

function fromServer(seen: Seen<Memory>, type: number, body: Uint8Array): void {
  const { memory } = seen;
  switch (type) {
    case START_REPLY:
      if (memory.session >= SESSION.requested) memory.session = u8(body, 2) === OK ? SESSION.confirmed : SESSION.error;
      break;
    case STOP_REPLY:
      if (memory.session <= SESSION.stopping) memory.session = u8(body, 0) === OK ? SESSION.none : SESSION.error;
      break;
    case OUT_REPLY:
      outgoing(seen, body);
      break;
    case IN_REQUEST:
      if (memory.session !== SESSION.confirmed) return;
      memory.call = 'in requested';
      memory.pac = u16(body, 0);
      break;
    case IN_CONNECT:
      if (memory.session !== SESSION.confirmed) return;
      if (memory.call !== 'in replied' && memory.call !== 'in confirmed') return;
      if (memory.pns !== u16(body, 0)) return;
      memory.call = 'in confirmed';
      expectData(seen);
      break;
    case DISCONNECT:
      memory.call = 'none';
      seen.calls.end(seen.connection, memory);
      break;
  }
}

function outgoing(seen: Seen<Memory>, body: Uint8Array): void {
  const { memory } = seen;
  if (memory.session !== SESSION.confirmed) return;
  if (memory.call !== 'out requested' && memory.call !== 'out confirmed') return;
  if (memory.pns !== u16(body, 2)) return;
  if (u8(body, 4) !== OK) {
    memory.call = 'none';
    return;
  }
  memory.call = 'out confirmed';
  memory.pac = u16(body, 0);
  expectData(seen);
}

/** exp_gre: both directions, and their keys; or nothing. */
function expectData(seen: Seen<Memory>): void {
  const { connection, calls, memory } = seen;
  const { pns, pac } = memory;
  const [there, back] = [
    { ...tupleIn(seen, ORIGINAL), protocol: GRE, sourcePort: pns, destinationPort: pac },
    { ...tupleIn(seen, REPLY), protocol: GRE, sourcePort: pac, destinationPort: pns },
  ];
  for (const [index, tuple] of [there, back].entries()) {
    if (seen.expect({ tuple, mask: { ...thisSource(tuple.source), sourcePort: 0xffff } }) === 'expected') continue;
    if (index > 0) seen.unexpect();
    return;
  }
  const first = calls.tell(connection, ORIGINAL, there);
  if (first && calls.tell(connection, REPLY, back)) return;
  if (first) calls.forget(connection);
  seen.unexpect();
  seen.unexpect();
}
