/** What targets may rewrite of a packet, kept while a copy of it goes its own way. */
import { FIELD_L4_LENGTH, FIELD_LENGTH, FIELD_TOS, FIELD_TTL } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED } from '../../src/abi/packet.ts';

/** An IPv4 header and a TCP header, both with all their options. */
const MOST: u32 = 120;
const KEPT: usize = memory.data(120, 8);

let ip: usize = 0;
let captured: u32 = 0;
let length: u32 = 0;
let transport: u32 = 0;
let hops: u32 = 0;
let tos: u32 = 0;

export function keepHeaders(slot: usize): void {
  ip = load<u32>(slot, PACKET_IP);
  captured = load<u32>(slot, PACKET_IP_CAPTURED);
  length = load<u32>(slot, FIELD_LENGTH * 4);
  transport = load<u32>(slot, FIELD_L4_LENGTH * 4);
  hops = load<u32>(slot, FIELD_TTL * 4);
  tos = load<u32>(slot, FIELD_TOS * 4);
  memory.copy(KEPT, ip, min<u32>(MOST, captured));
}

export function restoreHeaders(slot: usize): void {
  memory.copy(ip, KEPT, min<u32>(MOST, captured));
  store<u32>(slot, ip as u32, PACKET_IP);
  store<u32>(slot, captured, PACKET_IP_CAPTURED);
  store<u32>(slot, length, FIELD_LENGTH * 4);
  store<u32>(slot, transport, FIELD_L4_LENGTH * 4);
  store<u32>(slot, hops, FIELD_TTL * 4);
  store<u32>(slot, tos, FIELD_TOS * 4);
}
