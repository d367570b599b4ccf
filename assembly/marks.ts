/** Which packets of a batch are marked to go a way of their own (WAY_BARE), undecoded; which are not; and whether marking them is worth its time. */
import { PACKET_SIZE, PACKET_WAY, WAY_UNSEEN } from '../src/abi/packet.ts';
import { BATCH } from './capture/index.ts';

/** Packets marked in the latest batch that had some, and how many of them did not go this way. */
export let marked: u32 = 0;
export let missed: u32 = 0;
/**
 * Batches that are not marked: where three of four packets do not go this way (rules ask for more than is kept, connections only begin), one; where it is so again, twice as many and one,
 * up to LONGEST_REST. A slot decoded alone costs more than one of many.
 */
const LONGEST_REST: u32 = 31;
/** So few marked packets, as many as an early batch has at most (read.ts), say nothing of it: there most connections begin. */
const FEW: u32 = 8;
let rest: u32 = 0;
let nextRest: u32 = 1;
/** The slots of the latest batch that were not marked (a u32 each), how many they are, and how many of them `nextOthers` took; the end of those it took last. */
const OTHERS: usize = memory.data(BATCH << 2, 16);
let otherSlots: usize = OTHERS;
export let others: u32 = 0;
let othersTaken: u32 = 0;
export let othersEnd: usize = 0;
let unmarked: u32 = 0;

/** A batch may be marked. Out: false, it is not to be. */
export function beginMarks(): bool {
  others = 0;
  othersTaken = 0;
  return !isResting();
}

/** This slot, behind those before, is not marked. */
export function leaveUnmarked(slot: usize): void {
  store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
  store<u32>(otherSlots + ((others << 2) as usize), slot as u32);
  others++;
}

/** All slots from `start` to before `end` are marked, but for those that are not. */
export function endMarks(start: usize, end: usize): void {
  marked = (((end - start) / PACKET_SIZE) as u32) - others;
}

/** Before a batch is marked whose packets another engine judges (pipeline.ts): what became of an earlier one. */
export function recallMarks(markedThen: u32, missedThen: u32): void {
  marked = markedThen;
  missed = missedThen;
}

/** Where the slots of the next batch are told that are not marked, BATCH u32. */
export function setOtherSlots(slots: usize): void {
  otherSlots = slots;
}

/** A batch that another engine marked, in the slots from `start` to before `end`: how many of them it did not. */
export function takeMarks(start: usize, end: usize, unmarkedCount: u32): void {
  others = unmarkedCount;
  othersTaken = 0;
  missed = 0;
  endMarks(start, end);
}

/** A batch that nobody marks. */
export function takeNoMarks(): void {
  marked = 0;
  missed = 0;
}

/** The first of the slots of such a batch that are not marked, and those behind it; 0: there are no more. Those that leaveUnmarked is called for stay so. */
export function firstUnmarked(): usize {
  unmarked = others;
  others = 0;
  return nextUnmarked();
}

export function nextUnmarked(): usize {
  return othersTaken === unmarked ? endUnmarked() : otherAt(othersTaken++);
}

/** `nextOthers` may begin. */
function endUnmarked(): usize {
  othersTaken = 0;
  return 0;
}

/** A marked slot does not go this way. */
export function missMark(): void {
  missed++;
}

/** Before a batch is marked. */
function isResting(): bool {
  if (marked > FEW && missed > marked - (marked >>> 2)) {
    rest = nextRest;
    nextRest = min((nextRest << 1) | 1, LONGEST_REST);
  } else if (marked > FEW) {
    nextRest = 1;
  }
  marked = 0;
  missed = 0;
  if (rest === 0) return false;
  rest--;
  return true;
}

/** The first of the next slots in a row that were not marked; they end at `othersEnd`. 0: there are no more. */
export function nextOthers(): usize {
  if (othersTaken === others) return 0;
  const first = otherAt(othersTaken++);
  othersEnd = first + PACKET_SIZE;
  for (; othersTaken < others && otherAt(othersTaken) === othersEnd; othersTaken++) othersEnd += PACKET_SIZE;
  return first;
}

function otherAt(index: u32): usize {
  return load<u32>(otherSlots + ((index as usize) << 2));
}
