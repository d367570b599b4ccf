/** The batch loop: records are decoded into slots, a batch at a time; then each goes its way in order. */
import { RUN_AGAIN, RUN_DRAIN } from '../src/abi/control.ts';
import { PACKET_SIZE } from '../src/abi/packet.ts';
import { decodeSlots } from './decode.ts';
import { judgeSlots } from './judge.ts';
import { keysAhead, lookAhead } from './look-ahead.ts';
import { markBare } from './marking.ts';
import { nextOthers, othersEnd } from './marks.ts';
import { canRead, mixed, readBatch, slotAt, startInput, whyEnded } from './read.ts';
import { shareSlots } from './share.ts';

/** Batches a call of `run` does at most: the engine's code gets better between calls only. */
export const BATCHES: u32 = 32;

/** BATCH slots. */
let slots: usize = 0;
/** Packets in the slots, and how many of them are done. */
let filled: u32 = 0;
let done: u32 = 0;

export function setSlots(at: usize): void {
  slots = at;
  startInput();
}

/** RUN_*: what the host does next. */
export function replay(): i32 {
  for (let batch: u32 = 0; batch < BATCHES; batch++) {
    if (isDone()) {
      if (!canRead()) return whyEnded();
      const end = readBatch(slots);
      decodeBatch(slots, end, markBare(slots, end));
    }
    if (!judgeBatch()) return RUN_DRAIN;
  }
  return RUN_AGAIN;
}

/** No packet of the batch under way is left. */
export function isDone(): bool {
  return done === filled;
}

/** The batch under way: the slots from `start` to before `end`, which were read, and marked if `marked`. Everything that does not depend on packets before is done. */
export function decodeBatch(start: usize, end: usize, marked: bool): void {
  slots = start;
  done = 0;
  filled = ((end - start) / PACKET_SIZE) as u32;
  if (!marked) decode(start, end);
  else for (let other = nextOthers(); other !== 0; other = nextOthers()) decode(other, othersEnd);
  if (mixed) shareSlots(start, end);
  lookAhead(start, filled);
}

/** Judges what is left of the batch under way. False: records must be drained first. */
export function judgeBatch(): bool {
  done = ((judgeSlots(slotAt(slots, done), slotAt(slots, filled)) - slots) / PACKET_SIZE) as u32;
  return isDone();
}

function decode(start: usize, end: usize): void {
  decodeSlots(start, end);
  keysAhead(start, end);
}
