/** One walk of a table at a hook: down the tree, then through what is left of the rules. */
import { CT_UNTRACKED, FIELD_CT_STATE, FIELD_CT_STATUS, FIELD_LENGTH, FIELD_MARK } from '../../src/abi/fields.ts';
import {
  END_HIT,
  END_MISS,
  NEXT_ACCEPT,
  NEXT_DROP,
  NEXT_HOTDROP,
  NEXT_STEP,
  STEP_CALL,
  STEP_DROP_SEGMENT,
  STEP_EFFECT,
  STEP_HIT_NEXT,
  STEP_HIT_SEGMENT,
  STEP_LIST,
  STEP_MARK,
  STEP_MATCHED_DROP_EDGE,
  STEP_MISS_NEXT,
  STEP_MISS_SEGMENT,
  STEP_NAT,
  STEP_NOTRACK,
  STEP_SEARCH,
  STEP_TESTS,
} from '../../src/abi/program.ts';
import { TEST_HIT, TEST_HOTDROP_MATCHED, TEST_MISS } from '../../src/abi/special.ts';
import { conntrackUntrack } from '../conntrack/index';
import { natBind } from '../nat/bind.ts';
import { edgeAhead } from './ahead.ts';
import { descend } from './descend.ts';
import { runEffect } from './effects.ts';
import { knownEdge } from './known.ts';
import { code, count, noting, stackBase, stackEnd } from './program.ts';
import { searchEntries } from './search.ts';
import { runTest } from './tests.ts';

/** As runWalk, where the packet's edge may have been found ahead. */
export function runWalkAhead(walk: u32, slot: usize, bytes: u64): u32 {
  const ahead = edgeAhead(slot);
  return ahead === 0 ? runWalk(walk, slot, bytes) : leaveAt(code + (ahead as usize), walk, slot, bytes);
}

function leaveAt(edge: usize, walk: u32, slot: usize, bytes: u64): u32 {
  count(load<u32>(edge), bytes);
  const next = load<u32>(edge, 4);
  if (next < <u32>NEXT_STEP) return next;
  return runSteps(next, load<u32>(code + ((walk as usize) << 3), 4), slot, bytes);
}

/** The verdict (NEXT_*) of walk number `walk`; an absent table accepts without a trace. `bytes`: what rules count for the packet. */
export function runWalk(walk: u32, slot: usize, bytes: u64): u32 {
  // Globals are read from memory every time: once is enough.
  const base = code;
  const root = load<u32>(base + ((walk as usize) << 3));
  if (root === 0) return NEXT_ACCEPT;
  return leaveAt(base + (descend(base, root, slot) as usize), walk, slot, bytes);
}

/** The same for a plain packet (conntrack/plain.ts) of the connection `entry`, and a table that is there; `plan`: the short plan whose walk it is. */
export function runKnownWalk(walk: u32, plan: u32, slot: usize, entry: usize, bytes: u64): u32 {
  if (noting()) return runWalk(walk, slot, bytes);
  const base = code;
  const at = base + ((walk as usize) << 3);
  const policy = load<u32>(at, 4);
  const edge = base + (knownEdge(base, load<u32>(at), policy, plan, slot, entry) as usize);
  count(load<u32>(edge), bytes);
  const next = load<u32>(edge, 4);
  return next < <u32>NEXT_STEP ? next : runSteps(next, policy, slot, bytes);
}

/** Residual steps, until one ends with a verdict. */
export function runSteps(first: u32, policy: u32, slot: usize, bytes: u64): u32 {
  let next = first;
  let top = stackBase;
  while (next >= <u32>NEXT_STEP) {
    const step = code + (next as usize);
    const head = load<u32>(step);
    const kind = head & 255;
    if (kind === STEP_TESTS) {
      next = testStep(step, head, slot, bytes);
    } else if (kind === STEP_CALL) {
      // As in the kernel, a jump that finds the stack full drops the packet.
      if (top >= stackEnd) return NEXT_DROP;
      store<u32>(top, load<u32>(step, STEP_MISS_NEXT));
      top += 4;
      next = load<u32>(step, STEP_HIT_NEXT);
    } else if (kind === STEP_MARK || kind === STEP_NOTRACK) {
      if (kind === STEP_MARK) setMark(step, slot);
      else untrack(slot);
      count(load<u32>(step, STEP_HIT_SEGMENT), bytes);
      next = load<u32>(step, STEP_HIT_NEXT);
    } else if (kind === STEP_EFFECT) {
      if (!runEffect(head >>> 8, step, slot)) return NEXT_DROP;
      // What is counted of the packet is its length now.
      bytes = load<u32>(slot, FIELD_LENGTH * 4) as u64;
      count(load<u32>(step, STEP_HIT_SEGMENT), bytes);
      next = load<u32>(step, STEP_HIT_NEXT);
    } else if (kind === STEP_NAT) {
      count(load<u32>(step, STEP_HIT_SEGMENT), bytes);
      if (!natBind(code + (load<u32>(step, STEP_LIST) as usize), slot)) return NEXT_DROP;
      next = load<u32>(step, STEP_HIT_NEXT);
    } else if (kind === STEP_SEARCH) {
      const edge = searchEntries(step, head >>> 8, slot);
      count(load<u32>(edge), bytes);
      next = load<u32>(edge, 4);
    } else if (top !== stackBase) {
      top -= 4;
      next = load<u32>(top);
    } else {
      const edge = code + (policy as usize);
      count(load<u32>(edge), bytes);
      return load<u32>(edge, 4);
    }
  }
  return next;
}

/** The tests of one rule, in order; the first that fails decides. */
function testStep(step: usize, head: u32, slot: usize, bytes: u64): u32 {
  const number = (head >>> 8) & 0xffff;
  const list = code + (load<u32>(step, STEP_LIST) as usize);
  let end = head >>> 24;
  for (let index: u32 = 0; index < number; index++) {
    const answer = runTest(code + (load<u32>(list + ((index as usize) << 2)) as usize), slot);
    if (answer !== TEST_HIT) {
      if (answer === TEST_HOTDROP_MATCHED) return matchedDrop(step, list, index + 1, head, slot, bytes);
      // Miss and hotdrop follow hit in the same order in both lists of numbers.
      end = answer === TEST_MISS ? END_MISS : END_MISS + 1;
      break;
    }
  }
  if (end === END_HIT) {
    count(load<u32>(step, STEP_HIT_SEGMENT), bytes);
    return load<u32>(step, STEP_HIT_NEXT);
  }
  if (end === END_MISS) {
    count(load<u32>(step, STEP_MISS_SEGMENT), bytes);
    return load<u32>(step, STEP_MISS_NEXT);
  }
  count(load<u32>(step, STEP_DROP_SEGMENT), bytes);
  return NEXT_HOTDROP;
}

/** A test held and wants the packet dropped: the tests behind it say whether the rule counts and its target acts. */
function matchedDrop(step: usize, list: usize, from: u32, head: u32, slot: usize, bytes: u64): u32 {
  const number = (head >>> 8) & 0xffff;
  let counts = head >>> 24 === END_HIT;
  for (let index = from; index < number && counts; index++) {
    const answer = runTest(code + (load<u32>(list + ((index as usize) << 2)) as usize), slot);
    counts = answer === TEST_HIT || answer === TEST_HOTDROP_MATCHED;
  }
  if (!counts) {
    count(load<u32>(step, STEP_DROP_SEGMENT), bytes);
    return NEXT_HOTDROP;
  }
  const edge = load<u32>(step, STEP_MATCHED_DROP_EDGE);
  if (edge === 0) return NEXT_DROP;
  count(load<u32>(code + (edge as usize)), bytes);
  return load<u32>(code + (edge as usize), 4);
}

function setMark(step: usize, slot: usize): void {
  const mark = load<u32>(slot, FIELD_MARK * 4);
  store<u32>(slot, (mark & ~load<u32>(step, 4)) ^ load<u32>(step, STEP_MISS_SEGMENT), FIELD_MARK * 4);
}

/** CT --notrack leaves alone what has a connection or is untracked already (xt_CT.c). */
function untrack(slot: usize): void {
  if (load<i32>(slot, FIELD_CT_STATUS * 4) < 0 || load<u32>(slot, FIELD_CT_STATE * 4) === <u32>CT_UNTRACKED) return;
  conntrackUntrack(slot);
}
