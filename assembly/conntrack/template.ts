/** What CT says about a packet before conntrack sees it (xt_CT.c): the zone, the helper. One template at a time: it lives from the raw table to conntrack. */

import { CT_ZONE_MARK, CT_ZONE_ORIGINAL, CT_ZONE_REPLY } from '../../src/abi/effects';
import {
  CT_NEW,
  CT_UNTRACKED,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_MARK,
  FIELD_PROTOCOL,
  STATUS_CONFIRMED,
  STATUS_ENTRY,
} from '../../src/abi/fields';
import { HELPER_NONE } from '../../src/abi/helpers';
import { PACKET_CT_ENTRY, PACKET_CT_GUESS, PACKET_INVALID, PACKET_NUMBER } from '../../src/abi/packet';
import { setEntryMark } from './accessors';
import { ENTRY_SIZE, ENTRY_STATUS, PROTOCOL_TCP } from './entry';

/** An entry of nobody: all zeros but for its status, which matches in the raw table can see. */
export const TEMPLATE: usize = memory.data(ENTRY_SIZE as i32, 16);

/** The zone packets in hand are tracked in; 0 for most. */
export let zone: u32 = 0;
/** HELPER_* that they are assigned to, should they open a connection; HELPER_NONE for most. */
export let helper: u32 = HELPER_NONE;
/** CT_ZONE_*: the directions of a connection that are in the zone. */
const BOTH: u32 = CT_ZONE_ORIGINAL | CT_ZONE_REPLY;
let zoneOf: u32 = BOTH;
let templateZone: u32 = 0;
let templateFlags: u32 = BOTH;
let templateHelper: u32 = HELPER_NONE;
let templateState: usize = 0;

/** The number of the last answer of the host's to what was UNTRACKED; at first that of no packet. */
let seenNumber: u64 = u64.MAX_VALUE;

/** The packet in hand is an answer to what was UNTRACKED: nf_ct_attach gives it a ctinfo all the same. */
export function takeForSeen(slot: usize): void {
  seenNumber = load<u64>(slot, PACKET_NUMBER);
}

/** Rules of CT leave the packet alone (xt_CT.c): such an answer, unless it is a reset that conntrack called INVALID. */
export function isTakenForSeen(slot: usize): bool {
  if (load<u64>(slot, PACKET_NUMBER) !== seenNumber) return false;
  return load<u32>(slot, FIELD_PROTOCOL * 4) !== PROTOCOL_TCP || load<u32>(slot, PACKET_INVALID) === 0;
}

/** CT without --notrack. `flags`: CT_ZONE_*. `state`: where the rule's template keeps its mark (u32) from packet to packet. A packet that has a connection or a template, or is untracked, is left alone. */
export function conntrackTemplate(slot: usize, id: u32, flags: u32, assigned: u32, state: usize): void {
  if (load<i32>(slot, FIELD_CT_STATUS * 4) < 0 || load<u32>(slot, FIELD_CT_STATE * 4) === <u32>CT_UNTRACKED) return;
  if (isTakenForSeen(slot)) return;
  templateZone = id;
  templateFlags = flags;
  templateHelper = assigned;
  memory.fill(TEMPLATE, 0, ENTRY_SIZE);
  store<u32>(TEMPLATE, STATUS_CONFIRMED, ENTRY_STATUS);
  setEntryMark(TEMPLATE, load<u32>(state));
  templateState = state;
  store<u32>(slot, CT_NEW, FIELD_CT_STATE * 4);
  store<u32>(slot, 0, FIELD_CT_DIRECTION * 4);
  store<u32>(slot, STATUS_CONFIRMED | STATUS_ENTRY, FIELD_CT_STATUS * 4);
  store<u32>(slot, TEMPLATE as u32, PACKET_CT_ENTRY);
  // What was looked up ahead was looked up in no zone.
  store<u32>(slot, 0, PACKET_CT_GUESS);
}

/** The mark of a connection, or of the template that stands for one. */
export function conntrackMark(entry: usize, mark: u32): void {
  setEntryMark(entry, mark);
  if (entry === TEMPLATE) store<u32>(templateState, mark);
}

/** Conntrack takes the packet's template off: it is tracked in the template's zone, and for its helper, until leaveZone. */
export function enterZone(slot: usize): void {
  store<u32>(slot, 0, PACKET_CT_ENTRY);
  zone = templateFlags & CT_ZONE_MARK ? load<u32>(slot, FIELD_MARK * 4) & 0xffff : templateZone;
  zoneOf = templateFlags & BOTH;
  helper = templateHelper;
}

/** The template's own zone; one that takes the mark has none. */
export function templateZoneId(): u32 {
  return templateFlags & CT_ZONE_MARK ? 0 : templateZone;
}

/** The zone of the template that a direction of a connection would be in. */
export function templateZoneIn(direction: u32): u32 {
  return templateFlags & bitOf(direction) ? templateZoneId() : 0;
}

export function leaveZone(): void {
  zone = 0;
  zoneOf = BOTH;
  helper = HELPER_NONE;
}

/** The zone that a direction of the connection of packets in hand is in; 0 for most. */
export function zoneIn(direction: u32): u32 {
  return zoneOf & bitOf(direction) ? zone : 0;
}

function bitOf(direction: u32): u32 {
  return direction === 0 ? CT_ZONE_ORIGINAL : CT_ZONE_REPLY;
}
