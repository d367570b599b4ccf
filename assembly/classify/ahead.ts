/**
 * Packets that most likely open a connection walk their trees before the first packet of their batch is judged, several at a time: a walk alone waits for every node, and for every branch that was guessed wrong.
 * Conntrack has the last word: the edge counts only if it says of the packet what was supposed here.
 */
import { CT_NEW, FIELD_CT_DIRECTION, FIELD_CT_STATE } from '../../src/abi/fields.ts';
import { PACKET_EDGE } from '../../src/abi/packet.ts';
import { REF_EDGE } from '../../src/abi/program.ts';
import { OPENING } from '../conntrack/syn';
import { child } from './descend.ts';
import { code } from './program.ts';
import { isWholeSyn, synRoot } from './syn-root.ts';

/** Walks at a time. */
const LANES: u32 = 4;
/** Their slots, and the nodes they begin at. */
const WAITING: usize = memory.data(4 * 4, 16);
const ROOTS: usize = memory.data(4 * 4, 16);
let waiting: u32 = 0;
/** The packet in `slot` will meet walk `walk` with a connection it opens; what else rules ask about is there. Its edge is there after `walkWaiting`. */
export function walkLater(slot: usize, walk: u32): void {
  const root = load<u32>(code + ((walk as usize) << 3));
  if (root === 0) return;
  store<u32>(slot, CT_NEW, FIELD_CT_STATE * 4);
  store<u64>(slot, OPENING, FIELD_CT_DIRECTION * 4);
  const begin = isWholeSyn(slot) ? synRoot(walk, root, slot) : root;
  if ((begin & REF_EDGE) !== 0) {
    store<u32>(slot, begin ^ REF_EDGE, PACKET_EDGE);
    return;
  }
  const place = (waiting << 2) as usize;
  store<u32>(WAITING + place, slot as u32);
  store<u32>(ROOTS + place, begin);
  waiting++;
  if (waiting === LANES) descendTogether();
}

export function walkWaiting(): void {
  if (waiting === 0) return;
  for (let place = waiting; place < LANES; place++) {
    store<u32>(WAITING + ((place << 2) as usize), load<u32>(WAITING));
    store<u32>(ROOTS + ((place << 2) as usize), load<u32>(ROOTS));
  }
  descendTogether();
}

/** The edge that was found ahead for a packet, if it opens a connection; else 0. */
export function edgeAhead(slot: usize): u32 {
  const opens = load<u32>(slot, FIELD_CT_STATE * 4) === <u32>CT_NEW && load<u64>(slot, FIELD_CT_DIRECTION * 4) === OPENING;
  return opens ? load<u32>(slot, PACKET_EDGE) : 0;
}

/** All lanes go on until the last is at an edge. */
function descendTogether(): void {
  const base = code;
  const first: usize = load<u32>(WAITING);
  const second: usize = load<u32>(WAITING, 4);
  const third: usize = load<u32>(WAITING, 8);
  const fourth: usize = load<u32>(WAITING, 12);
  let one = load<u32>(ROOTS);
  let two = load<u32>(ROOTS, 4);
  let three = load<u32>(ROOTS, 8);
  let four = load<u32>(ROOTS, 12);
  while ((one & two & three & four & REF_EDGE) === 0) {
    one = nextOf(base, one, first);
    two = nextOf(base, two, second);
    three = nextOf(base, three, third);
    four = nextOf(base, four, fourth);
  }
  store<u32>(first, one ^ REF_EDGE, PACKET_EDGE);
  store<u32>(second, two ^ REF_EDGE, PACKET_EDGE);
  store<u32>(third, three ^ REF_EDGE, PACKET_EDGE);
  store<u32>(fourth, four ^ REF_EDGE, PACKET_EDGE);
  waiting = 0;
}

/** An edge stays. Whether it is one is no branch. */
function nextOf(base: usize, reference: u32, slot: usize): u32 {
  const arrived = (reference & REF_EDGE) !== 0;
  const below = child(base + (select<u32>(load<u32>(ROOTS), reference, arrived) as usize), slot);
  return select(reference, below, arrived);
}
