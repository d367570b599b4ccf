/** What can be done for a decoded batch before the first of its packets goes its way. */
import { FIELD_FAMILY } from '../src/abi/fields.ts';
import { PACKET_EDGE, PACKET_WAY, WAY_BARE } from '../src/abi/packet.ts';
import { BATCH } from './capture/index.ts';
import { walkLater, walkWaiting } from './classify/ahead.ts';
import { conntrackAhead, conntrackKeys, conntrackReserve, zonesOfOne } from './conntrack/index';
import { flowsAhead } from './flows.ts';
import { tracks } from './hooks.ts';
import { hideDevice, PLAN_SHORT, planOf, SHORT_FORWARDS, SHORT_TRACKS, SHORT_WALK_SHIFT, translates } from './plan.ts';

/** Before the packets that so many bytes of a capture can hold. False: there is no memory for the connections they can bring. */
export function reserveFor(bytes: u32): bool {
  // No packet that reaches netfilter takes less than an IP header and its record's.
  // A connection whose addresses are translated takes three records, one whose directions are in different zones two.
  const translated = translates(false) || translates(true);
  return bytes === 0 || conntrackReserve((bytes / 36 + BATCH) * (translated ? 3 : zonesOfOne ? 2 : 1));
}

/** Packets from `slot` to before `end` are decoded: by what conntrack will know them. */
export function keysAhead(slot: usize, end: usize): void {
  if (tracks()) conntrackKeys(slot, end);
}

/** A batch is decoded: what can be done before the first of its packets goes its way. */
export function lookAhead(slots: usize, count: u32): void {
  if (!tracks()) {
    flowsAhead(slots, count);
    return;
  }
  let next: usize = 0;
  for (let slot = conntrackAhead(slots, count); slot !== 0; slot = next) {
    next = load<u32>(slot, PACKET_EDGE) as usize;
    store<u32>(slot, 0, PACKET_EDGE);
    walkAhead(slot);
  }
  walkWaiting();
}

/** A packet that has no connection will most likely open one. Only where its plan is short, no rules come before. */
function walkAhead(slot: usize): void {
  const way = load<u32>(slot, PACKET_WAY);
  if (way >= <u32>WAY_BARE || load<u32>(slot, FIELD_FAMILY * 4) === 6) return;
  const short = load<u32>(planOf(false, way), PLAN_SHORT);
  // Of what is forwarded the TTL is not yet what rules see.
  if ((short & (SHORT_TRACKS | SHORT_FORWARDS)) !== SHORT_TRACKS) return;
  hideDevice(short, slot);
  walkLater(slot, short >>> SHORT_WALK_SHIFT);
}
