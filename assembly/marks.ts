/** Which packets of a batch are marked to go a way of their own (WAY_BARE), undecoded; which are not; and whether marking them is worth its time. */
import { PACKET_SIZE, PACKET_WAY, WAY_UNSEEN } from '../src/abi/packet.ts';
import { BATCH } from './capture/index.ts';

/** Packets marked in the latest batch that had some, and how many of them did not go this way. */
let marked: u32 = 0;
let missed: u32 = 0;
/**
 * Batches that are not marked: where three of four packets do not go this way (rules ask for more than is kept, connections only begin), one; where it is so again, twice as many and one,
 * up to LONGEST_REST. A slot decoded alone costs more than one of many.
 */
const LONGEST_REST: u32 = 31;
let rest: u32 = 0;
let nextRest: u32 = 1;
/** The slots of the latest batch that were not marked, how many they are, and how many of them `nextOthers` took; the end of those it took last. */
const OTHERS: usize = memory.data(BATCH << 2, 16);
let others: u32 = 0;
let othersTaken: u32 = 0;
export let othersEnd: usize = 0;

/** A batch may be marked. Out: false, it is not to be. */
export function beginMarks(): bool {
  others = 0;
  othersTaken = 0;
  return !isResting();
}

/** This slot, behind those before, is not marked. */
export function leaveUnmarked(slot: usize): void {
  store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
  store<u32>(OTHERS + ((others << 2) as usize), slot as u32);
  others++;
}

/** All slots from `start` to before `end` are marked, but for those that are not. */
export function endMarks(start: usize, end: usize): void {
  marked = (((end - start) / PACKET_SIZE) as u32) - others;
}

/** A marked slot does not go this way. */
export function missMark(): void {
  missed++;
}

/** Before a batch is marked. */
function isResting(): bool {
  if (missed > marked - (marked >>> 2)) {
    rest = nextRest;
    nextRest = min((nextRest << 1) | 1, LONGEST_REST);
  } else if (marked !== 0) {
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
  return load<u32>(OTHERS + ((index as usize) << 2));
}
