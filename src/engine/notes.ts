/** What an engine's counts say that is not a count: notes of its result. */
import * as control from '../abi/control.ts';
import { clockNotes } from '../model/clock.ts';
import { numberNotes } from '../model/device-numbers.ts';
import { jiffyEdgesNote } from '../model/jiffy-edges.ts';
import { logNote } from '../model/log.ts';
import { NAT_NOTES } from '../model/nat.ts';
import { partsNotes } from '../model/own-parts.ts';
import { tableNotes } from '../model/table-limit.ts';
import { vantageNotes } from '../model/vantage.ts';

/** `block`: the control block (abi/control.ts); `limit`: connections at most, 0 for no limit. */
export function notesOf(block: DataView, { limit, hz }: { limit: number; hz: number }): string[] {
  const big = (at: number): bigint => block.getBigUint64(at, true);
  const number = (at: number): number => Number(big(at));
  // Packets of a kind, with the number of the first of them behind their count.
  const counted = (at: number): { packets: number; first: number } => ({ packets: number(at), first: number(at + 8) });
  const [dropped, unlucky, lucky] = [0, 8, 16].map((at) => number(control.CONTROL_TABLE_FULL + at));
  const lost = number(control.CONTROL_LOGS_LOST);
  const late = { ...counted(control.CONTROL_LATE), by: big(control.CONTROL_LATE + 16), ahead: number(control.CONTROL_AHEAD) };
  return [
    ...(number(control.CONTROL_NAT_DRAWN) > 0 ? [NAT_NOTES.drawn] : []),
    ...(number(control.CONTROL_NAT_NO_ADDRESS) > 0 ? [NAT_NOTES.masquerade] : []),
    ...(number(control.CONTROL_NAT_NO_ADDRESS + 8) > 0 ? [NAT_NOTES.redirect] : []),
    ...partsNotes(number(control.CONTROL_OWN_PARTS)),
    ...vantageNotes(counted(control.CONTROL_ANSWERS_BACK), counted(control.CONTROL_OTHER_SIDE)),
    ...tableNotes(limit, { dropped: dropped!, unlucky: unlucky!, lucky: lucky! }),
    ...(lost > 0 ? [logNote(lost)] : []),
    ...clockNotes(late, counted(control.CONTROL_TIMELESS)),
    ...numberNotes({ ...counted(control.CONTROL_UNNAMED), device: number(control.CONTROL_UNNAMED + 16) }),
    ...jiffyEdgesNote(counted(control.CONTROL_JIFFY_EDGES), hz),
  ];
}
