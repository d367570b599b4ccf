/**
 * What happens to packets of a family on each way, as a list of operations in the kernel's order (nf_ip_hook_priorities): made once for a job, so that
 * tables that are not there and hooks that nobody registered cost nothing.
 */
import {
  HOOK_FORWARD,
  HOOK_INPUT,
  HOOK_OUTPUT,
  HOOK_POSTROUTING,
  HOOK_PREROUTING,
  TABLE_FILTER,
  TABLE_MANGLE,
  TABLE_NAT,
  TABLE_RAW,
  TABLE_SECURITY,
} from '../src/abi/image.ts';
import { WAY_FORWARD, WAY_INPUT, WAY_LOOPBACK, WAY_OUTPUT, WAY_PREROUTING } from '../src/abi/packet.ts';
import { code } from './classify/program.ts';
import { nft } from './stack/host.ts';

/** An operation: kind | number of a walk << 8. */
export const OP_END: u32 = 0;
export const OP_WALK: u32 = 1;
/** Conntrack looks at an arriving packet, at a leaving one. */
export const OP_TRACK_IN: u32 = 2;
export const OP_TRACK_OUT: u32 = 3;
/** The nat table's walk, if the connection still wants one: for destination addresses, for source addresses. */
export const OP_NAT_DESTINATION: u32 = 4;
export const OP_NAT_SOURCE: u32 = 5;
export const OP_CONFIRM: u32 = 6;
/** There is no out-interface yet; the packet is forwarded to it, with one hop less; there is no in-interface; what left over lo arrives. */
export const OP_HIDE_OUT: u32 = 7;
export const OP_FORWARD: u32 = 8;
export const OP_HIDE_IN: u32 = 9;
export const OP_ARRIVE: u32 = 10;

const OPERATIONS: usize = 32;
const PLAN_SIZE: usize = OPERATIONS * 4;
const WAYS: usize = 6;
const PLANS: usize = memory.data(2 * 6 * 32 * 4, 16);

let at: usize = 0;
let family: u32 = 0;
let tracked: bool = false;

export function planOf(six: bool, way: u32): usize {
  return PLANS + ((six ? WAYS : 0) + (way as usize)) * PLAN_SIZE;
}

/** `conntrack`: the family's rules make the kernel register it. */
export function makePlans(six: bool, conntrack: bool): void {
  family = six ? 25 : 0;
  tracked = conntrack;
  begin(six, WAY_PREROUTING);
  put(OP_HIDE_OUT);
  prerouting(true);
  put(OP_END);
  begin(six, WAY_INPUT);
  prerouting(true);
  input();
  begin(six, WAY_FORWARD);
  put(OP_HIDE_OUT);
  prerouting(true);
  put(OP_FORWARD);
  walk(OP_WALK, HOOK_FORWARD, TABLE_MANGLE);
  walk(OP_WALK, HOOK_FORWARD, TABLE_FILTER);
  walk(OP_WALK, HOOK_FORWARD, TABLE_SECURITY);
  postrouting();
  put(OP_END);
  begin(six, WAY_OUTPUT);
  output();
  put(OP_END);
  begin(six, WAY_LOOPBACK);
  output();
  put(OP_ARRIVE);
  prerouting(false);
  input();
}

function begin(six: bool, way: u32): void {
  at = planOf(six, way);
}

function put(operation: u32): void {
  store<u32>(at, operation);
  at += 4;
}

function walk(kind: u32, hook: u32, table: u32): void {
  const number = family + hook * 5 + table;
  if (load<u32>(code + ((number as usize) << 3)) !== 0) put(kind | (number << 8));
}

/** `first`: conntrack has not seen the packet yet. */
function prerouting(first: bool): void {
  walk(OP_WALK, HOOK_PREROUTING, TABLE_RAW);
  if (tracked && first) put(OP_TRACK_IN);
  walk(OP_WALK, HOOK_PREROUTING, TABLE_MANGLE);
  nat(OP_NAT_DESTINATION, HOOK_PREROUTING);
}

/** iptables-nft registers security at priority 150, behind nat; the kernel's own table stands at 50. */
function input(): void {
  walk(OP_WALK, HOOK_INPUT, TABLE_MANGLE);
  walk(OP_WALK, HOOK_INPUT, TABLE_FILTER);
  if (!nft) walk(OP_WALK, HOOK_INPUT, TABLE_SECURITY);
  nat(OP_NAT_SOURCE, HOOK_INPUT);
  if (nft) walk(OP_WALK, HOOK_INPUT, TABLE_SECURITY);
  confirm();
  put(OP_END);
}

function output(): void {
  put(OP_HIDE_IN);
  walk(OP_WALK, HOOK_OUTPUT, TABLE_RAW);
  if (tracked) put(OP_TRACK_OUT);
  walk(OP_WALK, HOOK_OUTPUT, TABLE_MANGLE);
  nat(OP_NAT_DESTINATION, HOOK_OUTPUT);
  walk(OP_WALK, HOOK_OUTPUT, TABLE_FILTER);
  walk(OP_WALK, HOOK_OUTPUT, TABLE_SECURITY);
  postrouting();
}

function postrouting(): void {
  walk(OP_WALK, HOOK_POSTROUTING, TABLE_MANGLE);
  nat(OP_NAT_SOURCE, HOOK_POSTROUTING);
  confirm();
}

/** The nat table is asked about connections only. */
function nat(kind: u32, hook: u32): void {
  if (tracked) walk(kind, hook, TABLE_NAT);
}

function confirm(): void {
  if (tracked) put(OP_CONFIRM);
}
