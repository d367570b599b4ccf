/** A packet's way through the hooks of one host, in the kernel's order (nf_ip_hook_priorities). */
import { FIELD_FAMILY, FIELD_IN_INTERFACE, FIELD_LENGTH, FIELD_OUT_INTERFACE, FIELD_TTL } from '../src/abi/fields.ts';
import {
  HOOK_FORWARD,
  HOOK_INPUT,
  HOOK_OUTPUT,
  HOOK_POSTROUTING,
  HOOK_PREROUTING,
  IMAGE_FLAG_CONNTRACK4,
  IMAGE_FLAG_CONNTRACK6,
  IMAGE_FLAG_FAMILY4,
  IMAGE_FLAG_FAMILY6,
  TABLE_FILTER,
  TABLE_MANGLE,
  TABLE_NAT,
  TABLE_RAW,
  TABLE_SECURITY,
} from '../src/abi/image.ts';
import { PACKET_STACK, PACKET_WAY, WAY_FORWARD, WAY_INPUT, WAY_LOOPBACK, WAY_OUTPUT, WAY_PREROUTING } from '../src/abi/packet.ts';
import { NEXT_ACCEPT, NEXT_DROP } from '../src/abi/program.ts';
import { STACK_MULTICAST, STACK_NO_ROUTE, STACK_SOURCE_ROUTE } from '../src/abi/reasons.ts';
import { runWalk } from './classify/walk.ts';
import { conntrackConfirm, conntrackForget, conntrackIn, natDone, natPending } from './conntrack/index';

/** IMAGE_FLAG_* of the job. */
let flags: u32 = 0;
/** Of the packet under way. */
let walks: u32 = 0;
let tracked: bool = false;
let looked: bool = false;
let bytes: u64 = 0;

export function setFlags(value: u32): void {
  flags = value;
}

/** Whether conntrack looked at the packet; valid after runHooks. */
export function conntrackLooked(): bool {
  return looked;
}

/** Whether there are rules for a family. */
export function hasFamily(six: bool): bool {
  return (flags & (six ? IMAGE_FLAG_FAMILY6 : IMAGE_FLAG_FAMILY4)) !== 0;
}

/** NEXT_* of the whole way; a packet that the stack drops after PREROUTING is NEXT_ACCEPT here. Its connection is confirmed or forgotten. */
export function runHooks(slot: usize): u32 {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  walks = six ? 25 : 0;
  tracked = (flags & (six ? IMAGE_FLAG_CONNTRACK6 : IMAGE_FLAG_CONNTRACK4)) !== 0;
  looked = false;
  bytes = load<u32>(slot, FIELD_LENGTH * 4) as u64;
  const way = load<u32>(slot, PACKET_WAY);
  const verdict = go(slot, way);
  if (tracked && (verdict !== NEXT_ACCEPT || way === WAY_PREROUTING)) conntrackForget(slot);
  return verdict;
}

function go(slot: usize, way: u32): u32 {
  if (way === WAY_OUTPUT || way === WAY_LOOPBACK) return leave(slot, way);
  const out = load<u32>(slot, FIELD_OUT_INTERFACE * 4);
  store<u32>(slot, 0, FIELD_OUT_INTERFACE * 4);
  let verdict = prerouting(slot, true);
  if (verdict !== NEXT_ACCEPT || way === WAY_PREROUTING) return verdict;
  if (way === WAY_INPUT) return input(slot);
  store<u32>(slot, out, FIELD_OUT_INTERFACE * 4);
  store<u32>(slot, load<u32>(slot, FIELD_TTL * 4) - 1, FIELD_TTL * 4);
  verdict = three(slot, HOOK_FORWARD);
  return verdict !== NEXT_ACCEPT ? verdict : postrouting(slot);
}

/** A packet over lo leaves, and arrives again with the connection it has. */
function leave(slot: usize, way: u32): u32 {
  store<u32>(slot, 0, FIELD_IN_INTERFACE * 4);
  let verdict = output(slot);
  if (verdict === NEXT_ACCEPT) verdict = postrouting(slot);
  if (verdict !== NEXT_ACCEPT || way === WAY_OUTPUT) return verdict;
  const device = load<u32>(slot, FIELD_OUT_INTERFACE * 4);
  store<u32>(slot, device, FIELD_IN_INTERFACE * 4);
  store<u32>(slot, 0, FIELD_OUT_INTERFACE * 4);
  verdict = prerouting(slot, false);
  return verdict !== NEXT_ACCEPT ? verdict : input(slot);
}

function walk(slot: usize, hook: u32, table: u32): u32 {
  return runWalk(walks + hook * 5 + table, slot, bytes);
}

/** `first`: conntrack has not seen the packet yet. */
function prerouting(slot: usize, first: bool): u32 {
  let verdict = walk(slot, HOOK_PREROUTING, TABLE_RAW);
  if (verdict === NEXT_ACCEPT && first && tracked) verdict = track(slot, true);
  if (verdict === NEXT_ACCEPT) verdict = walk(slot, HOOK_PREROUTING, TABLE_MANGLE);
  return verdict === NEXT_ACCEPT ? nat(slot, HOOK_PREROUTING, false) : verdict;
}

function track(slot: usize, arriving: bool): u32 {
  looked = true;
  return conntrackIn(slot, arriving) ? NEXT_ACCEPT : NEXT_DROP;
}

function three(slot: usize, hook: u32): u32 {
  let verdict = walk(slot, hook, TABLE_MANGLE);
  if (verdict === NEXT_ACCEPT) verdict = walk(slot, hook, TABLE_FILTER);
  return verdict === NEXT_ACCEPT ? walk(slot, hook, TABLE_SECURITY) : verdict;
}

function input(slot: usize): u32 {
  let verdict = three(slot, HOOK_INPUT);
  if (verdict === NEXT_ACCEPT) verdict = nat(slot, HOOK_INPUT, true);
  return verdict === NEXT_ACCEPT ? confirm(slot) : verdict;
}

function output(slot: usize): u32 {
  let verdict = walk(slot, HOOK_OUTPUT, TABLE_RAW);
  if (verdict === NEXT_ACCEPT && tracked) verdict = track(slot, false);
  if (verdict === NEXT_ACCEPT) verdict = walk(slot, HOOK_OUTPUT, TABLE_MANGLE);
  if (verdict === NEXT_ACCEPT) verdict = nat(slot, HOOK_OUTPUT, false);
  if (verdict === NEXT_ACCEPT) verdict = walk(slot, HOOK_OUTPUT, TABLE_FILTER);
  return verdict === NEXT_ACCEPT ? walk(slot, HOOK_OUTPUT, TABLE_SECURITY) : verdict;
}

function postrouting(slot: usize): u32 {
  let verdict = walk(slot, HOOK_POSTROUTING, TABLE_MANGLE);
  if (verdict === NEXT_ACCEPT) verdict = nat(slot, HOOK_POSTROUTING, true);
  return verdict === NEXT_ACCEPT ? confirm(slot) : verdict;
}

/** The nat table is asked once a connection and direction of manipulation (nf_nat_core.c). */
function nat(slot: usize, hook: u32, source: bool): u32 {
  if (!tracked || !natPending(slot, source)) return NEXT_ACCEPT;
  const verdict = walk(slot, hook, TABLE_NAT);
  if (verdict === NEXT_ACCEPT) natDone(slot, source);
  return verdict;
}

function confirm(slot: usize): u32 {
  if (tracked) conntrackConfirm(slot);
  return NEXT_ACCEPT;
}

/** Which of INPUT, OUTPUT, FORWARD (0, 1, 2) a packet met or was on its way to. A packet over lo is OUTPUT. */
export function hookOf(slot: usize): u32 {
  const way = load<u32>(slot, PACKET_WAY);
  if (way === WAY_INPUT) return 0;
  if (way === WAY_FORWARD) return 2;
  if (way === WAY_OUTPUT || way === WAY_LOOPBACK) return 1;
  const reason = load<u32>(slot, PACKET_STACK);
  return reason >= <u32>STACK_NO_ROUTE && reason !== <u32>STACK_MULTICAST && reason <= <u32>STACK_SOURCE_ROUTE ? 2 : 0;
}
