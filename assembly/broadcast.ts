/** The copy of its own broadcast that a host delivers to itself (net/ipv4/ip_output.c, ip_mc_output and dev_loopback_xmit): a packet within the way of a packet. */
import {
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_IN_INTERFACE,
  FIELD_L4_LENGTH,
  FIELD_MARK,
  FIELD_OUT_INTERFACE,
  FIELD_PACKET_TYPE,
  FIELD_SOURCE,
  FIELD_SPORT,
  PACKET_HOST,
} from '../src/abi/fields.ts';
import {
  PACKET_CT_ENTRY,
  PACKET_CT_UNCONFIRMED,
  PACKET_INVALID,
  PACKET_IP,
  PACKET_L4_OFFSET,
  PACKET_SIZE,
} from '../src/abi/packet.ts';
import { markPath } from './classify/program.ts';
import { conntrackForget } from './conntrack/index';
import { keepHeaders, restoreHeaders } from './packet/keep.ts';
import { readAddresses } from './stack/index.ts';

/** The copy is under way. */
export let copying: bool = false;
/** Of the packet that was copied. */
let out: u32 = 0;
let mark: u32 = 0;
/** Its connection, 0 without one; what is known of it then; why it is INVALID. */
let entry: u32 = 0;
let state: u32 = 0;
let direction: u32 = 0;
let status: u32 = 0;
let invalid: u32 = 0;
/** Headers, addresses and ports, which the copy has translated by itself. */
const HEADERS: usize = memory.data(160, 16);
const HEADERS_SIZE: u32 = 160;
const ADDRESSES: usize = memory.data(32, 16);
let ports: u64 = 0;
/** Of a fragment: the copy's slot before it was put together with others; whether there is one. */
const PIECE: usize = memory.data(PACKET_SIZE, 16);
let pieceKept: bool = false;

/** The copy goes ahead. It shares the connection, and nothing else. */
export function beginCopy(slot: usize): void {
  copying = true;
  pieceKept = false;
  out = load<u32>(slot, FIELD_OUT_INTERFACE * 4);
  mark = load<u32>(slot, FIELD_MARK * 4);
  entry = load<u32>(slot, PACKET_CT_ENTRY);
  state = load<u32>(slot, FIELD_CT_STATE * 4);
  direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  status = load<u32>(slot, FIELD_CT_STATUS * 4);
  invalid = load<u32>(slot, PACKET_INVALID);
  memory.copy(HEADERS, load<u32>(slot, PACKET_IP), headersSize(slot));
  memory.copy(ADDRESSES, slot + FIELD_SOURCE * 4, 32);
  ports = load<u64>(slot, FIELD_SPORT * 4);
  keepHeaders(slot);
  markPath();
}

function headersSize(slot: usize): u32 {
  return min<u32>(HEADERS_SIZE, load<u32>(slot, PACKET_L4_OFFSET) + load<u32>(slot, FIELD_L4_LENGTH * 4));
}

/** The copy may become another packet: the packet itself does not. */
export function keepPiece(slot: usize): void {
  memory.copy(PIECE, slot, PACKET_SIZE);
  pieceKept = true;
}

/** The packet itself goes on, as it was before the copy. */
export function endCopy(slot: usize): void {
  copying = false;
  if (pieceKept) memory.copy(slot, PIECE, PACKET_SIZE);
  store<u32>(slot, 0, FIELD_IN_INTERFACE * 4);
  store<u32>(slot, out, FIELD_OUT_INTERFACE * 4);
  store<u32>(slot, PACKET_HOST, FIELD_PACKET_TYPE * 4);
  store<u32>(slot, mark, FIELD_MARK * 4);
  restoreHeaders(slot);
  memory.copy(load<u32>(slot, PACKET_IP), HEADERS, headersSize(slot));
  memory.copy(slot + FIELD_SOURCE * 4, ADDRESSES, 32);
  store<u64>(slot, ports, FIELD_SPORT * 4);
  readAddresses(slot);
  if (entry === 0) loseConnection(slot);
  store<u32>(slot, invalid, PACKET_INVALID);
  markPath();
}

/** What the copy found when it arrived (a template of CT, a connection in another zone) is not the packet's. */
function loseConnection(slot: usize): void {
  if (load<u32>(slot, PACKET_CT_UNCONFIRMED) !== 0) conntrackForget(slot);
  store<u32>(slot, 0, PACKET_CT_ENTRY);
  store<u32>(slot, state, FIELD_CT_STATE * 4);
  store<u32>(slot, direction, FIELD_CT_DIRECTION * 4);
  store<u32>(slot, status, FIELD_CT_STATUS * 4);
}
