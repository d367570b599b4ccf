/** What targets do to a packet's own bytes (xt_HL.c, xt_DSCP.c, ipt_ECN.c); parameters as abi/effects.ts lists them. */
import {
  EFFECT_ECN,
  EFFECT_HMARK,
  EFFECT_PREFIX,
  EFFECT_SYNPROXY,
  EFFECT_TCPMSS,
  EFFECT_TOS,
  EFFECT_TTL,
  TTL_INCREASE,
  TTL_SET,
} from '../../src/abi/effects.ts';
import { FIELD_FAMILY, FIELD_LENGTH, FIELD_TOS, FIELD_TTL } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED } from '../../src/abi/packet.ts';
import { STEP_EFFECT_FIRST, STEP_EFFECT_REST } from '../../src/abi/program.ts';
import { put16, setTos, setTtl, sum16, updateChecksum } from '../packet/rewrite.ts';
import { turn } from '../stack/turn.ts';
import { isUnfinished, leaveUnfinished } from '../stack/unfinished.ts';
import { hashMark } from './hmark.ts';
import { changePrefix } from './prefix.ts';
import { code as codeSection } from './program.ts';
import { passesSynproxy } from './synproxy.ts';
import { limitSegments, stripOptions } from './tcp-rewrite.ts';

const TCP: u32 = 6;
const TCP_HEADER: u32 = 20;

/** False when the packet is dropped: its TCP header is not as it should be. An unknown code does nothing. */
export function rewrite(code: u32, step: usize, slot: usize): bool {
  const unfinished = isUnfinished(slot);
  const goesOn = change(code, step, slot);
  if (unfinished) leaveUnfinished(slot);
  return goesOn;
}

function change(code: u32, step: usize, slot: usize): bool {
  showHops(slot);
  const first = load<u32>(step, STEP_EFFECT_FIRST);
  switch (code) {
    case EFFECT_TTL:
      changeTtl(first, load<u32>(step, STEP_EFFECT_REST), slot);
      return true;
    case EFFECT_TOS:
      changeTos((load<u32>(slot, FIELD_TOS * 4) & ~first) ^ load<u32>(step, STEP_EFFECT_REST), slot);
      return true;
    case EFFECT_ECN:
      return changeEcn(step, slot);
    case EFFECT_TCPMSS:
      return limitSegments(slot, first);
    case EFFECT_HMARK:
      hashMark(codeSection + (first as usize), slot);
      return true;
    case EFFECT_PREFIX:
      return changePrefix(codeSection + (first as usize), slot);
    case EFFECT_SYNPROXY:
      return passesSynproxy(slot);
    default:
      return stripOptions(slot, codeSection + (first as usize));
  }
}

/** Forwarding takes one from the TTL, of which only the fields know so far. */
function showHops(slot: usize): void {
  const at: usize = load<u32>(slot, FIELD_FAMILY * 4) === 6 ? 7 : 8;
  const ttl = load<u32>(slot, FIELD_TTL * 4);
  if (load<u8>((load<u32>(slot, PACKET_IP) as usize) + at) !== (ttl as u8)) setTtl(slot, ttl);
}

function changeTtl(how: u32, by: u32, slot: usize): void {
  const ttl = load<u32>(slot, FIELD_TTL * 4);
  let wanted = by;
  if (how === TTL_INCREASE) wanted = min<u32>(255, ttl + by);
  else if (how !== TTL_SET) wanted = ttl > by ? ttl - by : 0;
  if (wanted === ttl) return;
  setTtl(slot, wanted);
  turn();
}

/** ipv4_change_dsfield has a way of its own to keep the sum. */
function changeTos(value: u32, slot: usize): void {
  const before = load<u32>(slot, FIELD_TOS * 4);
  const tos = value & 255;
  if (tos === before) return;
  const ip: usize = load<u32>(slot, PACKET_IP);
  let check = sum16(ip + 10) + before;
  setTos(slot, tos);
  if (load<u32>(slot, FIELD_FAMILY * 4) !== 4) return;
  if ((check + 1) >>> 16 !== 0) check = (check + 1) & 0xffff;
  check -= tos;
  check += check >>> 16;
  put16(ip + 10, check & 0xffff);
}

/** The codepoint of the IP header, then the two flags of a TCP header, which are looked for in fragments, too. */
function changeEcn(step: usize, slot: usize): bool {
  const tos = load<u32>(slot, FIELD_TOS * 4);
  const ect = load<u32>(step, STEP_EFFECT_REST);
  if (load<u32>(step, STEP_EFFECT_FIRST) !== 0 && (tos & 3) !== ect) setTos(slot, (tos & ~3) | ect);
  const mask = load<u32>(step, STEP_EFFECT_REST + 4);
  const ip: usize = load<u32>(slot, PACKET_IP);
  if (mask === 0 || (load<u8>(ip, 9) as u32) !== TCP) return true;
  const header: u32 = ((load<u8>(ip) as u32) & 15) << 2;
  if (header + TCP_HEADER > min<u32>(load<u32>(slot, FIELD_LENGTH * 4), load<u32>(slot, PACKET_IP_CAPTURED))) return false;
  const tcp = ip + (header as usize);
  const before = sum16(tcp + 12);
  const after = (before & ~mask) | load<u32>(step, STEP_EFFECT_REST + 8);
  if (before === after) return true;
  put16(tcp + 12, after);
  updateChecksum(tcp + 16, before, after, 1);
  return true;
}
