/** Packets that the capture says went out, where connections are translated: they are behind the translation, and only the connections tell whose they are (src/model/host.ts). */
import { CONTROL_STRAYS } from '../src/abi/control.ts';
import { FIELD_TTL } from '../src/abi/fields.ts';
import { PACKET_NUMBER, PACKET_UNSEEN, PACKET_WAY, WAY_UNSEEN } from '../src/abi/packet.ts';
import { UNSEEN_OUTGOING_COPY } from '../src/abi/reasons.ts';
import { leftAsError, leftBy, leftDirection, leftKnown } from './conntrack/index';
import { mayBeFragment } from './defrag/index.ts';
import { translates } from './hooks.ts';
import { asAnswered, cameFromHere } from './nat/answer.ts';
import { isTakenAnswer } from './refusals.ts';
import { everythingArrives } from './stack/host.ts';
import { leaveAsAnswer } from './stack/index.ts';
import { tallyFirst } from './tally.ts';

/** A decoded, routed packet that went out, is whole, or waits, and that no rule has seen: it is a copy of one that was sent on (PACKET_UNSEEN), or the host's own, as OUTPUT had it. */
export function takeLeft(slot: usize): void {
  if (everythingArrives || !translates()) return;
  const unseen = load<u32>(slot, PACKET_UNSEEN);
  const foreign = unseen === <u32>UNSEEN_OUTGOING_COPY;
  if (unseen !== 0 && !foreign) return;
  // Fragments of what bears others' addresses are not put together.
  if ((foreign && mayBeFragment(slot)) || isTakenAnswer(load<u64>(slot, PACKET_NUMBER))) return;
  const entry = leftBy(slot);
  if (entry === 0) {
    if (!foreign && !leftKnown && looksForwarded(load<u32>(slot, FIELD_TTL * 4)))
      tallyFirst(CONTROL_STRAYS, load<u64>(slot, PACKET_NUMBER));
    return;
  }
  if (!cameFromHere(slot, entry, leftDirection)) {
    store<u32>(slot, UNSEEN_OUTGOING_COPY, PACKET_UNSEEN);
    store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
    return;
  }
  if (!asAnswered(slot, entry, leftDirection, leftAsError)) return;
  if (foreign) leaveAsAnswer(slot, 0);
}

/** What systems send with, less one to three routers (src/model/vantage.ts). */
function looksForwarded(ttl: u32): bool {
  return (ttl >= 61 && ttl <= 63) || (ttl >= 125 && ttl <= 127) || (ttl >= 252 && ttl <= 254);
}
