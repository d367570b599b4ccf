/**
 * What happens to packets of a family on each way, as a list of operations in the kernel's order (nf_ip_hook_priorities): made once for a job, so that
 * tables that are not there and hooks that nobody registered cost nothing.
 */
import { FIELD_IN_INTERFACE } from '../src/abi/fields.ts';
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
import {
  WAY_BROADCAST,
  WAY_FORWARD,
  WAY_FRAGMENT,
  WAY_INPUT,
  WAY_LOOPBACK,
  WAY_LOST_FORWARD,
  WAY_LOST_INPUT,
  WAY_OUTPUT,
} from '../src/abi/packet.ts';
import { code } from './classify/program.ts';
import { hasHelpers } from './conntrack/index';
import { nft } from './stack/host.ts';

/** An operation: kind | number of a walk << 8 | what a short plan with this walk would do (SHORT_*) << ONLY_SHIFT, where it is the only one that packets of open connections meet on their way; 0 where it is not. */
export const ONLY_SHIFT: u32 = 16;
export const OP_END: u32 = 0;
export const OP_WALK: u32 = 1;
/** Conntrack looks at an arriving packet, at a leaving one. */
export const OP_TRACK_IN: u32 = 2;
export const OP_TRACK_OUT: u32 = 3;
/** The nat table's walk, if the connection still wants one: for destination addresses, for source addresses. */
export const OP_NAT_DESTINATION: u32 = 4;
export const OP_NAT_SOURCE: u32 = 5;
export const OP_CONFIRM: u32 = 6;
/** There is no out-interface yet; the packet is forwarded to it, with one hop less; there is no in-interface. */
export const OP_HIDE_OUT: u32 = 7;
export const OP_FORWARD: u32 = 8;
export const OP_HIDE_IN: u32 = 9;
/** What follows, up to the end of the copy, happens to a copy of the packet; nothing that drops the copy drops the packet. */
export const OP_COPY: u32 = 11;
export const OP_COPY_END: u32 = 12;
/** If its destination was translated (or rules changed its TTL or prefix): an arriving packet takes the way from here that it has now, and so does one of this host. From the first of these on, where to go on is decided. */
export const OP_ROUTE_IN: u32 = 13;
export const OP_ROUTE_OUT: u32 = 14;
/** What left over lo arrives, if the stack takes it. */
export const OP_ARRIVE: u32 = 15;
/** The helper of the packet's connection sees it. */
export const OP_HELP: u32 = 10;
/** An own packet with another destination is dropped if there is no way for it. */
export const OP_LEAVES: u32 = 16;
/** A fragment for this host is put together with others in front of INPUT, or goes no further. */
export const OP_GATHER: u32 = 17;
/** The options of an own packet of IPv4 that came in again are looked at. */
export const OP_OPTIONS: u32 = 18;

/**
 * A plan: u32, what a short plan does, 0 when it is not short; u32, the same of one with several walks (EVERY_WALK) that do with all packets of a direction of an open connection what their rules say, and nothing else; then the operations.
 * Short is a plan of at most one walk that decides, with conntrack around it: nothing has to be looked up to follow it.
 */
export const PLAN_SHORT: usize = 0;
export const PLAN_WHOLE: usize = 4;
export const PLAN_OPERATIONS: usize = 8;
/** Of a short plan: the hook that decides is OUTPUT; it is a short one (so that none is 0); conntrack looks, at an arriving packet; there is no in-interface; the hook is FORWARD; the walk. Without SHORT_LEAVES and SHORT_FORWARDS the hook is INPUT. */
export const SHORT_LEAVES: u32 = 1;
const SHORT: u32 = 2;
export const SHORT_TRACKS: u32 = 4;
export const SHORT_ARRIVES: u32 = 8;
export const SHORT_HIDES: u32 = 16;
export const SHORT_FORWARDS: u32 = 128;
export const SHORT_WALK_SHIFT: u32 = 8;
/** Instead of a walk's number. */
const EVERY_WALK: u32 = 127;

const PLAN_SIZE: usize = 40 * 4;
/** WAY_*, with and without WAY_FRAGMENT: of a fragment that nothing puts together before its way begins. */
const WAYS: usize = 16;
const PLANS: usize = memory.data(2 * 16 * 40 * 4, 16);

let at: usize = 0;
let family: u32 = 0;
let tracked: bool = false;
/** There is a nat table: connections are bound, with or without rules that translate. */
let translated: bool = false;
/** The same of each family, once its plans are made. */
let translated4: bool = false;
let translated6: bool = false;
/** Rules may change what the routing decision looks at. */
let turns: bool = false;
/** Of each family: of some plan that translates the only walk is marked, or it is whole. */
let keeps4: bool = false;
let keeps6: bool = false;
/** Of each family: some plan is whole. */
let whole4: bool = false;
let whole6: bool = false;
/** WAY_FRAGMENT while the plans of fragments are made, else 0. */
let fragment: u32 = 0;

export function planOf(six: bool, way: u32): usize {
  return PLANS + ((six ? WAYS : 0) + (way as usize)) * PLAN_SIZE;
}

/** Addresses may be translated: a nat table alone, without a rule that brings conntrack, translates nothing. */
export function translates(six: bool): bool {
  return six ? translated6 : translated4;
}

/** `present`: there are rules for the family; `conntrack`: they make the kernel register it; `turning`: they may change where an arriving packet goes. */
export function makePlans(six: bool, present: bool, conntrack: bool, turning: bool): void {
  turns = turning;
  family = six ? 25 : 0;
  tracked = conntrack;
  translated = conntrack && hasNat();
  if (six) translated6 = translated;
  else translated4 = translated;
  fragment = WAY_FRAGMENT;
  makeWays(six);
  fragment = 0;
  makeWays(six);
  if (!present) return;
  shorten(planOf(six, WAY_INPUT), 0);
  shorten(planOf(six, WAY_OUTPUT), SHORT_LEAVES);
  shorten(planOf(six, WAY_FORWARD), SHORT_FORWARDS);
  if (turning) return;
  mark(planOf(six, WAY_INPUT), 0);
  mark(planOf(six, WAY_OUTPUT), SHORT_LEAVES);
  mark(planOf(six, WAY_FORWARD), SHORT_FORWARDS);
}

function makeWays(six: bool): void {
  for (let way: u32 = WAY_LOST_INPUT; way <= <u32>WAY_LOST_FORWARD; way++) {
    begin(six, way);
    put(OP_HIDE_OUT);
    prerouting(true);
    put(OP_END);
  }
  begin(six, WAY_INPUT);
  prerouting(true);
  input();
  put(OP_END);
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
  postrouting();
  put(OP_END);
  begin(six, WAY_LOOPBACK);
  output();
  returning();
  put(OP_END);
  begin(six, WAY_BROADCAST);
  output();
  put(OP_COPY);
  returning();
  put(OP_COPY_END);
  postrouting();
  put(OP_END);
}

/** Marks a plan as short if it is: a hidden interface, conntrack, forwarding where that is its hook, one walk and the confirmation, in this order and nothing else. */
function shorten(plan: usize, hook: u32): void {
  let short = SHORT | hook;
  let at = plan + PLAN_OPERATIONS;
  const forwards = hook === SHORT_FORWARDS;
  if (forwards) {
    if (load<u32>(at) !== OP_HIDE_OUT) return;
    at += 4;
  }
  if (load<u32>(at) === OP_HIDE_IN) {
    short |= SHORT_HIDES;
    at += 4;
  }
  const tracking = load<u32>(at);
  if (tracking === OP_TRACK_IN || tracking === OP_TRACK_OUT) {
    short |= tracking === OP_TRACK_IN ? SHORT_TRACKS | SHORT_ARRIVES : SHORT_TRACKS;
    at += 4;
  }
  if (forwards) {
    if (load<u32>(at) !== OP_FORWARD) return;
    at += 4;
  }
  const walk = load<u32>(at);
  if ((walk & 255) !== OP_WALK) return;
  at += 4;
  if (load<u32>(at) === OP_CONFIRM) at += 4;
  if (load<u32>(at) === OP_END) store<u32>(plan, short | ((walk >>> 8) << SHORT_WALK_SHIFT), PLAN_SHORT);
}

/**
 * Marks what is kept of the way of plain packets on a plan that is not short. Of one that translates, the walk, if there is but one beside those of the nat table, which open connections do not meet: behind the routing decision where
 * the packet arrives, and nothing comes behind it that looks at packets. Of others, that they are whole.
 */
function mark(plan: usize, hook: u32): void {
  if (load<u32>(plan, PLAN_SHORT) !== 0) return;
  let short = SHORT | hook;
  let only: usize = 0;
  let walks: u32 = 0;
  let isEarly = false;
  let at = plan + PLAN_OPERATIONS;
  for (; load<u32>(at) !== OP_END; at += 4) {
    const kind = load<u32>(at) & 255;
    if (kind === OP_TRACK_IN) short |= SHORT_TRACKS | SHORT_ARRIVES;
    else if (kind === OP_TRACK_OUT) short |= SHORT_TRACKS;
    else if (kind === OP_WALK) {
      only = at;
      walks++;
      isEarly = isEarly || (short & SHORT_TRACKS) === 0;
    } else if (kind === OP_ROUTE_IN) isEarly = isEarly || walks > 0;
    else if (!isQuiet(kind)) return;
  }
  if ((short & SHORT_TRACKS) === 0) return;
  if (family === 0) keeps4 = keeps4 || translated;
  else keeps6 = keeps6 || translated;
  if (translated && walks === 1 && !isEarly) {
    store<u32>(only, load<u32>(only) | (short << ONLY_SHIFT));
    return;
  }
  store<u32>(plan, short | (EVERY_WALK << SHORT_WALK_SHIFT), PLAN_WHOLE);
  if (family === 0) whole4 = true;
  else whole6 = true;
}

/** It does the same with all packets of a direction of an open connection, and tells nobody. */
function isQuiet(kind: u32): bool {
  if (kind === OP_NAT_DESTINATION || kind === OP_NAT_SOURCE || kind === OP_CONFIRM || kind === OP_ROUTE_OUT) return true;
  return kind === OP_HIDE_IN || kind === OP_HIDE_OUT || kind === OP_FORWARD;
}

function begin(six: bool, way: u32): void {
  at = planOf(six, way | fragment) + PLAN_OPERATIONS;
}

function put(operation: u32): void {
  store<u32>(at, operation);
  at += 4;
}

function walk(kind: u32, hook: u32, table: u32): void {
  const number = family + hook * 5 + table;
  if (hasWalk(number)) put(kind | (number << 8));
}

/** `first`: conntrack has not seen the packet yet. */
function prerouting(first: bool): void {
  walk(OP_WALK, HOOK_PREROUTING, TABLE_RAW);
  // A packet that was not taken into a connection when it left is looked at again, without its checksum.
  if (tracked) put(first ? OP_TRACK_IN : OP_TRACK_OUT);
  walk(OP_WALK, HOOK_PREROUTING, TABLE_MANGLE);
  nat(OP_NAT_DESTINATION, HOOK_PREROUTING);
  if ((translated || turns) && first) put(OP_ROUTE_IN);
}

/** iptables-nft registers security at priority 150, behind nat; the kernel's own table stands at 50. */
function input(): void {
  if (fragment !== 0) put(OP_GATHER);
  walk(OP_WALK, HOOK_INPUT, TABLE_MANGLE);
  walk(OP_WALK, HOOK_INPUT, TABLE_FILTER);
  if (!nft) walk(OP_WALK, HOOK_INPUT, TABLE_SECURITY);
  nat(OP_NAT_SOURCE, HOOK_INPUT);
  if (nft) walk(OP_WALK, HOOK_INPUT, TABLE_SECURITY);
  confirm();
}

function output(): void {
  put(OP_HIDE_IN);
  walk(OP_WALK, HOOK_OUTPUT, TABLE_RAW);
  if (tracked) put(OP_TRACK_OUT);
  walk(OP_WALK, HOOK_OUTPUT, TABLE_MANGLE);
  if (turns) put(OP_LEAVES);
  nat(OP_NAT_DESTINATION, HOOK_OUTPUT);
  walk(OP_WALK, HOOK_OUTPUT, TABLE_FILTER);
  walk(OP_WALK, HOOK_OUTPUT, TABLE_SECURITY);
  if (translated || turns) put(OP_ROUTE_OUT);
}

/** Leaves, and comes back to this host with the connection it has. */
function returning(): void {
  postrouting();
  put(OP_ARRIVE);
  prerouting(false);
  if (family === 0) put(OP_OPTIONS);
  input();
}

function postrouting(): void {
  walk(OP_WALK, HOOK_POSTROUTING, TABLE_MANGLE);
  nat(OP_NAT_SOURCE, HOOK_POSTROUTING);
  confirm();
}

/** The nat table is asked about connections only; they are translated at every one of its hooks, with or without a chain there. */
function nat(kind: u32, hook: u32): void {
  if (translated) put(kind | ((family + hook * 5 + TABLE_NAT) << 8));
}

function hasNat(): bool {
  for (let hook: u32 = 0; hook < 5; hook++) if (hasWalk(family + hook * 5 + TABLE_NAT)) return true;
  return false;
}

function hasWalk(number: u32): bool {
  return load<u32>(code + ((number as usize) << 3)) !== 0;
}

function confirm(): void {
  if (!tracked) return;
  if (hasHelpers()) put(OP_HELP);
  put(OP_CONFIRM);
}

/** A packet of the short plan `short` comes to its table: behind the routing decision, one that leaves has no in-interface any more. */
export function hideDevice(short: u32, slot: usize): void {
  // Packets come and go as by chance: no branch.
  store<u32>(slot, select<u32>(0, load<u32>(slot, FIELD_IN_INTERFACE * 4), (short & SHORT_HIDES) !== 0), FIELD_IN_INTERFACE * 4);
}

/** Where addresses may be translated, connections may keep ways. */
export function keepsTranslated(six: bool): bool {
  return six ? keeps6 : keeps4;
}

/** What rawWalkOf says where no way is whole, and where nothing comes before conntrack. */
export const NO_WHOLE: u32 = 0xff;
export const NO_WALK: u32 = 0xfe;

/** Where ways are whole: the walk that comes before conntrack, for packets that arrive, or for own ones. */
export function rawWalkOf(six: bool, arriving: bool): u32 {
  if (!(six ? whole6 : whole4)) return NO_WHOLE;
  const number = (six ? 25 : 0) + (arriving ? HOOK_PREROUTING : HOOK_OUTPUT) * 5 + TABLE_RAW;
  return hasWalk(number) ? number : NO_WALK;
}

/** What is kept of plain packets of connections on a way: a short plan, or what a whole one does; 0: nothing, or what hangs on their translation. */
export function keptOf(six: bool, way: u32): u32 {
  const plan = planOf(six, way);
  return load<u32>(plan, PLAN_SHORT) | load<u32>(plan, PLAN_WHOLE);
}

/** The hook that a short plan ends at: 0 INPUT, 1 OUTPUT, 2 FORWARD. */
export function hookOfShort(short: u32): u32 {
  return (short & SHORT_LEAVES) | select<u32>(2, 0, (short & SHORT_FORWARDS) !== 0);
}

/** The routing decision comes behind operation `at`. */
export function isUnrouted(at: usize): bool {
  while (load<u32>(at) !== OP_END && load<u32>(at) !== OP_ROUTE_IN) at += 4;
  return load<u32>(at) === OP_ROUTE_IN;
}

/** The operation that ends the copy under way at operation `at`. */
export function copyEnd(at: usize): usize {
  while (load<u32>(at) !== OP_COPY_END) at += 4;
  return at;
}

export function planEnd(at: usize): usize {
  while (load<u32>(at) !== OP_END) at += 4;
  return at;
}
