/**
 * One walk for many packets. A packet's way down the tree is a chain of loads, each waiting for the one before; so eight packets go
 * down side by side, and one that has arrived makes room for the next. The tests and the bench of classification alone call it; what it does
 * at a node is what walk.ts does (test/compile/equal.test.ts holds them together).
 */
import { PACKET_SIZE } from '../../src/abi/packet.ts';
import {
  NEXT_ACCEPT,
  NEXT_STEP,
  NODE_BINARY_SIZE,
  NODE_TABLE,
  NODE_TABLE_CHILDREN,
  NODE_TABLE_CLASSES,
  REF_EDGE,
} from '../../src/abi/program.ts';
import { code, count as countSegment } from './program.ts';
import { runSteps } from './walk.ts';

const LANES: u32 = 8;
/** u32 each: where it is in the tree, the packet's slot, the place of its answer, none. */
const LANE: usize = 16;
const lanes: usize = memory.data(128, 16);

/** As runWalk for `packets` slots in a row, one after the other; `answers`: one u32 (NEXT_*) a packet. `bytes`: of every packet. */
export function runWalkMany(walk: u32, slots: usize, packets: u32, bytes: u64, answers: usize): void {
  const base = code;
  const at = base + ((walk as usize) << 3);
  const root = load<u32>(at);
  if (root === 0) {
    for (let index: u32 = 0; index < packets; index++) store<u32>(answers + (index << 2), NEXT_ACCEPT);
    return;
  }
  descendMany(base, root, slots, packets, answers);
  const policy = load<u32>(at, 4);
  for (let index: u32 = 0; index < packets; index++) {
    const answer = answers + (index << 2);
    const edge = base + (load<u32>(answer) as usize);
    countSegment(load<u32>(edge), bytes);
    const next = load<u32>(edge, 4);
    const steps = next >= <u32>NEXT_STEP;
    store<u32>(answer, steps ? runSteps(next, policy, slots + (index as usize) * PACKET_SIZE, bytes) : next);
  }
}

/** Writes the edge of every packet into `answers`. */
function descendMany(base: usize, root: u32, slots: usize, packets: u32, answers: usize): void {
  const end = slots + (packets as usize) * PACKET_SIZE;
  let live: usize = 0;
  for (; live < (LANES as usize) * LANE && slots < end; live += LANE) {
    begin(lanes + live, root, slots, answers);
    slots += PACKET_SIZE;
    answers += 4;
  }
  while (live !== 0) {
    for (let at: usize = 0; at < live; at += LANE) {
      const lane = lanes + at;
      let reference = load<u32>(lane);
      if ((reference & REF_EDGE) === 0) {
        const slot = load<u32>(lane, 4) as usize;
        const node = base + (reference as usize);
        const head = load<u32>(node);
        if ((head & NODE_TABLE) !== 0) {
          const kind = load<u8>(node + (load<u8>(slot + ((head ^ NODE_TABLE) as usize)) as usize), NODE_TABLE_CLASSES) as usize;
          reference = load<u32>(node + (kind << 2), NODE_TABLE_CHILDREN);
        } else {
          const above = (load<u32>(slot + (head as usize)) > load<u32>(node, 4)) as usize;
          reference = load<u32>(node + (above << 2), NODE_BINARY_SIZE - 8);
        }
        store<u32>(lane, reference);
        continue;
      }
      store<u32>(load<u32>(lane, 8) as usize, reference ^ REF_EDGE);
      if (slots < end) {
        begin(lane, root, slots, answers);
        slots += PACKET_SIZE;
        answers += 4;
      } else {
        live -= LANE;
        memory.copy(lane, lanes + live, LANE);
      }
    }
  }
}

function begin(lane: usize, root: u32, slot: usize, answer: usize): void {
  store<u32>(lane, root);
  store<u32>(lane, slot as u32, 4);
  store<u32>(lane, answer as u32, 8);
}
