/** The next packet of an SCTP association: four-way handshake, data, heartbeats, shutdown; wrong tags, chunks out of order, cut and without length. */
import type { Draw } from '../extensions/extension.ts';
import * as sctp from '../packet/sctp.ts';
import type { Flow, Mood } from './transport.ts';

const SACK = 3;
const { DATA, INIT, INIT_ACK, HEARTBEAT, HEARTBEAT_ACK, ABORT, SHUTDOWN, SHUTDOWN_ACK, ERROR, COOKIE_ECHO, COOKIE_ACK } = sctp;
const { SHUTDOWN_COMPLETE } = sctp;

/** In order, the client first. */
const HANDSHAKE = [INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK];
export const HANDSHAKE_STEPS = HANDSHAKE.length;
/** What follows the handshake. */
const MOODS: Record<Mood, readonly number[]> = {
  talk: [DATA, DATA, SACK, HEARTBEAT, HEARTBEAT_ACK],
  close: [DATA, SACK, SHUTDOWN, SHUTDOWN, SHUTDOWN_ACK, SHUTDOWN_ACK, SHUTDOWN_COMPLETE, INIT],
  reset: [DATA, SACK, ABORT, INIT],
  any: [DATA, SACK, HEARTBEAT, HEARTBEAT_ACK, SHUTDOWN, SHUTDOWN_ACK, ERROR, ABORT],
};
const EVERY = [...Array(16).keys(), 64, 128, 192, 255];
/** Bytes behind a chunk's header; INIT and INIT ACK have fixed parts, others none that anybody looks at here. */
const BODY: Readonly<Record<number, number>> = { [INIT]: 16, [INIT_ACK]: 16, [DATA]: 16, [SACK]: 12 };

/** The packet; the flow's `next` are the two sides' tags. `odd`: how often something is not as it should be. */
export function sctpPacket(draw: Draw, flow: Flow, fromClient: boolean, odd: number): Uint8Array {
  const side = fromClient ? 0 : 1;
  // Of an association older than the capture its heartbeats may come first.
  const old = flow.step === 0 && draw.chance(0.3);
  const planned = old ? HEARTBEAT : (HANDSHAKE[flow.step] ?? draw.pick(MOODS[flow.mood]));
  const types = [draw.chance(odd) ? draw.pick(EVERY) : planned];
  if (types[0] === INIT && draw.chance(0.15)) flow.next[side] = draw.pick([0, flow.next[1 - side]!, draw.integer(1, 0xffffffff)]);
  // Mostly what may be bundled: DATA behind something.
  if (draw.chance(types[0] === DATA || types[0] === COOKIE_ECHO ? 0.4 : odd))
    types.push(draw.chance(0.7) ? DATA : draw.pick(EVERY));
  const chunks = types.map((type) => chunk(draw, type, flow.next[side]!, odd));
  const bytes = new Uint8Array(sctp.HEADER_LENGTH + chunks.reduce((sum, each) => sum + each.length, 0));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, fromClient ? flow.clientPort : flow.serverPort);
  view.setUint16(2, fromClient ? flow.serverPort : flow.clientPort);
  view.setUint32(4, tagOf(draw, flow, side, types[0]!, odd));
  let at = sctp.HEADER_LENGTH;
  for (const each of chunks) {
    bytes.set(each, at);
    at += each.length;
  }
  const whole = draw.chance(odd / 4) ? bytes.subarray(0, draw.integer(sctp.HEADER_LENGTH, bytes.length)) : bytes;
  new DataView(whole.buffer).setUint32(8, sctp.crc32c(whole), true);
  if (old) flow.step = HANDSHAKE_STEPS;
  else if (types[0] === planned) flow.step = planned === INIT && flow.step >= HANDSHAKE_STEPS ? 1 : flow.step + 1;
  return whole;
}

/** Zero with an INIT, else the tag the other side asked for; or that of this side, or none, or any. */
function tagOf(draw: Draw, flow: Flow, side: 0 | 1, type: number, odd: number): number {
  const right = type === INIT ? 0 : flow.next[1 - side]!;
  return draw.chance(odd) ? draw.pick([0, flow.next[side]!, flow.next[1 - side]!, draw.integer(0, 0xffffffff)]) : right;
}

function chunk(draw: Draw, type: number, tag: number, odd: number): Uint8Array {
  const body = BODY[type] ?? draw.pick([0, 4, 5, 8]);
  const bytes = new Uint8Array(sctp.CHUNK_HEADER_LENGTH + ((body + 3) & ~3));
  const view = new DataView(bytes.buffer);
  bytes[0] = type;
  bytes[1] = type === DATA ? draw.integer(0, 15) : draw.pick([0, 0, 1]);
  view.setUint16(2, draw.chance(odd / 6) ? draw.pick([0, 1, 3, 200]) : sctp.CHUNK_HEADER_LENGTH + body);
  if (type === INIT || type === INIT_ACK) view.setUint32(4, tag);
  return bytes;
}
