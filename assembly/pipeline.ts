/**
 * Two engines that share a memory, in two threads: one reads captures and marks what can be judged by its bytes, the other judges. They hand batches of slots to each other in a ring
 * (src/abi/pipeline.ts); each is put in by the one, and is that one's again when the other has judged it. So all is judged in order, by one engine, as without.
 * Of memory the reader writes the slots, the capture's state and what the control block tells of reading; all else is the other's.
 */
import { RUN_AGAIN, RUN_DRAIN, RUN_END, RUN_FULL } from '../src/abi/control.ts';
import { PACKET_JIFFIES, PACKET_NUMBER, PACKET_SIZE } from '../src/abi/packet.ts';
import {
  BATCH_ASCENDS,
  BATCH_COUNT,
  BATCH_FED,
  BATCH_LIMIT,
  BATCH_MARKED,
  BATCH_MARKS,
  BATCH_MISSED,
  BATCH_OTHER_SLOTS,
  BATCH_OTHERS,
  MARKS_LEFT,
  MARKS_NONE,
  MARKS_THERE,
  PIPELINE_BATCH,
  PIPELINE_BATCH_SIZE,
  PIPELINE_BATCHES,
  PIPELINE_JUDGE_WAITS,
  PIPELINE_JUDGED,
  PIPELINE_READER_WAITS,
  PIPELINE_WRITTEN,
} from '../src/abi/pipeline.ts';
import { BATCH } from './capture/index.ts';
import { limit, setLimitOfInput } from './capture/state.ts';
import { ascended, setAscended } from './clock.ts';
import { reserveFor } from './look-ahead.ts';
import { markBare, markOthers, marksAlone } from './marking.ts';
import { marked, missed, others, recallMarks, setOtherSlots, takeMarks, takeNoMarks } from './marks.ts';
import { canRead, readBatch, slotAt, whyEnded } from './read.ts';
import { BATCHES, decodeBatch, isDone, judgeBatch } from './replay.ts';
import { startSets } from './sets/region.ts';

/**
 * Looks at the other's word before this thread sleeps (up to 100 us: to be woken takes as long, and on a machine with other work may put both on one core), and for how long it sleeps at most
 * (nanoseconds): then its host may look around.
 */
const LOOKS: u32 = 40000;
const SLEEP: i64 = 20000000;
/** Batches that are worth being woken for. */
const MUCH: u32 = PIPELINE_BATCHES / 2;
/** With more of them in the ring who reads does for who judges what either can do. */
const AHEAD: u32 = PIPELINE_BATCHES / 3;

let ring: usize = 0;
/** Slots of the first batch; those of the others lie behind. */
let slots: usize = 0;
/** Batches put in, or judged. */
let passed: u32 = 0;
/** Bytes fed since the last batch was put in. */
let fed: u32 = 0;

/** PIPELINE_SIZE bytes, all zero, and slots for PIPELINE_BATCHES batches. Of both engines, before anything else of these. */
export function setPipeline(at: usize, slotsAt: usize): void {
  ring = at;
  slots = slotsAt;
}

/** The engine that reads: so many bytes more were fed. */
export function pipelineFed(length: u32): void {
  fed += length;
}

/** The engine that reads: batches put in so far, modulo 2^32. */
export function pipelineWritten(): u32 {
  return passed;
}

/** The engine that reads: `number` batches are judged. */
export function isJudged(number: u32): bool {
  return ASC_FEATURE_THREADS && ((atomic.load<u32>(ring, PIPELINE_JUDGED) - number) as i32) >= 0;
}

/** The same; waits for it, but not for long. */
export function awaitJudged(number: u32): bool {
  return isPast(PIPELINE_JUDGED, number - 1, PIPELINE_READER_WAITS, PIPELINE_WRITTEN, PIPELINE_JUDGE_WAITS);
}

/** The engine that reads: puts in what was fed. RUN_AGAIN: call again, perhaps there is no room yet; else as replay(). */
export function readOn(): i32 {
  for (let count: u32 = 0; count < BATCHES; count++) {
    if (!canRead()) return whyEnded();
    if (!hasRoom()) return RUN_AGAIN;
    putIn();
  }
  return RUN_AGAIN;
}

/** The engine that reads: nothing comes any more. False: there is no room yet to say so. */
export function endPipeline(): bool {
  if (!hasRoom()) return false;
  store<u32>(headerOf(passed), 0, BATCH_COUNT);
  pass(PIPELINE_WRITTEN, PIPELINE_JUDGE_WAITS);
  if (ASC_FEATURE_THREADS) atomic.notify(ring + PIPELINE_WRITTEN, 1);
  return true;
}

/** The engine that judges. RUN_AGAIN: call again, perhaps there is nothing yet; RUN_END: nothing comes any more; RUN_FULL: there is no memory for what may come; RUN_DRAIN. */
export function judgeOn(): i32 {
  for (let count: u32 = 0; count < BATCHES; count++) {
    const header = headerOf(passed);
    if (isDone()) {
      if (!hasWork()) return RUN_AGAIN;
      if (load<u32>(header, BATCH_COUNT) === 0) return RUN_END;
      if (!reserveFor(load<u32>(header, BATCH_FED))) return RUN_FULL;
      takeOut(header);
    }
    if (!judgeBatch()) return RUN_DRAIN;
    store<u32>(header, marked, BATCH_MARKED);
    store<u32>(header, missed, BATCH_MISSED);
    pass(PIPELINE_JUDGED, PIPELINE_READER_WAITS);
  }
  return RUN_AGAIN;
}

function headerOf(batch: u32): usize {
  return ring + PIPELINE_BATCH + (batch & (PIPELINE_BATCHES - 1)) * PIPELINE_BATCH_SIZE;
}

function slotsOf(batch: u32): usize {
  return slotAt(slots, (batch & (PIPELINE_BATCHES - 1)) * BATCH);
}

/** The engine that reads: there is a place for a batch; waits for it, but not for long. */
function hasRoom(): bool {
  return awaitJudged(passed - PIPELINE_BATCHES + 1);
}

function putIn(): void {
  const header = headerOf(passed);
  const start = slotsOf(passed);
  const end = readBatch(start);
  if (end === start) return;
  let marks: u32 = MARKS_LEFT;
  if (marksAlone() && isAhead()) {
    // What became of the batch that was here says whether marking is worth its time.
    recallMarks(load<u32>(header, BATCH_MARKED), load<u32>(header, BATCH_MISSED));
    setOtherSlots(header + BATCH_OTHER_SLOTS);
    marks = markBare(start, end) ? MARKS_THERE : MARKS_NONE;
  }
  store<u32>(header, marks, BATCH_MARKS);
  store<u32>(header, others, BATCH_OTHERS);
  store<u32>(header, limit as u32, BATCH_LIMIT);
  store<u32>(header, ((end - start) / PACKET_SIZE) as u32, BATCH_COUNT);
  store<u32>(header, fed, BATCH_FED);
  store<u32>(header, u32(ascended), BATCH_ASCENDS);
  fed = 0;
  pass(PIPELINE_WRITTEN, PIPELINE_JUDGE_WAITS);
}

function takeOut(header: usize): void {
  const start = slotsOf(passed);
  const end = slotAt(start, load<u32>(header, BATCH_COUNT));
  let marks = load<u32>(header, BATCH_MARKS);
  setAscended(load<u32>(header, BATCH_ASCENDS) !== 0);
  setLimitOfInput(load<u32>(header, BATCH_LIMIT));
  setOtherSlots(header + BATCH_OTHER_SLOTS);
  if (marks === MARKS_LEFT) {
    marks = markBare(start, end) ? MARKS_THERE : MARKS_NONE;
  } else if (marks === MARKS_THERE) {
    takeMarks(start, end, load<u32>(header, BATCH_OTHERS));
    markOthers();
  }
  if (marks === MARKS_NONE) takeNoMarks();
  if (load<u64>(start, PACKET_NUMBER) === 1) startSets(load<u64>(start, PACKET_JIFFIES));
  decodeBatch(start, end, marks === MARKS_THERE);
}

/** So much is in the ring that who judges will not wait. */
function isAhead(): bool {
  return ASC_FEATURE_THREADS && passed - atomic.load<u32>(ring, PIPELINE_JUDGED) > AHEAD;
}

/** One batch more at `word`; the other thread is woken if it waits for that. */
function pass(word: usize, waits: usize): void {
  passed++;
  if (!ASC_FEATURE_THREADS) return;
  atomic.store<u32>(ring + word, passed);
  const wanted = atomic.load<u32>(ring + waits);
  if (wanted !== 0 && ((passed - wanted) as i32) >= 0) atomic.notify(ring + word, 1);
}

/** The engine that judges: there is a batch to take; waits for it, but not for long. */
function hasWork(): bool {
  return isPast(PIPELINE_WRITTEN, passed, PIPELINE_JUDGE_WAITS, PIPELINE_JUDGED, PIPELINE_READER_WAITS);
}

/**
 * The other thread's count at `word` has come behind `number`. This thread waits for it, but not for long: it sleeps until there is much to do, for to be woken costs the other as much as
 * a batch, and says so at `waits`. Before, it wakes the other, which may wait for more of `own` count at `otherWaits` than there is.
 */
function isPast(word: usize, number: u32, waits: usize, own: usize, otherWaits: usize): bool {
  if (!ASC_FEATURE_THREADS) return false;
  const at = ring + word;
  for (let look: u32 = 0; look < LOOKS; look++) {
    if (((atomic.load<u32>(at) - number) as i32) > 0) return true;
  }
  atomic.store<u32>(ring + waits, max<u32>(number + MUCH, 1));
  if (atomic.load<u32>(ring + otherWaits) !== 0) atomic.notify(ring + own, 1);
  const seen = atomic.load<u32>(at);
  if (((seen - number) as i32) <= 0) atomic.wait<i32>(at, seen as i32, SLEEP);
  atomic.store<u32>(ring + waits, 0);
  return ((atomic.load<u32>(at) - number) as i32) > 0;
}
