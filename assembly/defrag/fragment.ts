/**
 * One fragment: a chain of blocks. The first block has its place in the datagram and the beginning of its bytes, the others have the rest. The first
 * fragment of a datagram keeps its headers too (they become those of the whole packet), the others only what is behind them.
 */
import { BLOCK_SIZE, fragmentCost, giveBlocks, takeBlock } from './region.ts';

/** u32: the fragment behind this one, 0 for the last (the first word of a block is the next block). */
export const FRAGMENT_NEXT: usize = 4;
/** u32: where its bytes lie in the datagram, first and behind the last. */
export const FRAGMENT_OFFSET: usize = 8;
export const FRAGMENT_END: usize = 12;
/** u32: of the first fragment of a run (fragments that came one behind the other): where the run ends. 0 for the others. */
export const FRAGMENT_RUN_END: usize = 16;
/** u32: bytes of headers kept in front. */
export const FRAGMENT_SKIP: usize = 20;
/** u32: bytes kept, headers included; a capture may have held fewer than the packet said (lenient). */
const FRAGMENT_PRESENT: usize = 24;
/** u32: what it is counted as. */
export const FRAGMENT_COST: usize = 28;
const FIRST_DATA: usize = 32;
const OTHER_DATA: usize = 4;

/** Keeps `present` bytes at `from`, of which `skip` are headers, of a packet of `length` bytes. 0 without memory. */
export function keepFragment(from: usize, skip: u32, present: u32, offset: u32, end: u32, length: u32): usize {
  const fragment = takeBlock();
  if (fragment === 0) return 0;
  store<u32>(fragment, 0, FRAGMENT_NEXT);
  store<u32>(fragment, offset, FRAGMENT_OFFSET);
  store<u32>(fragment, end, FRAGMENT_END);
  store<u32>(fragment, 0, FRAGMENT_RUN_END);
  store<u32>(fragment, skip, FRAGMENT_SKIP);
  store<u32>(fragment, present, FRAGMENT_PRESENT);
  store<u32>(fragment, fragmentCost(length), FRAGMENT_COST);
  let block = fragment;
  let data = FIRST_DATA;
  let done: u32 = 0;
  while (true) {
    const part = min<u32>(present - done, (BLOCK_SIZE - data) as u32);
    memory.copy(block + data, from + done, part);
    done += part;
    if (done === present) return fragment;
    const next = takeBlock();
    if (next === 0) {
      giveBlocks(fragment);
      return 0;
    }
    store<u32>(block, next as u32);
    block = next;
    data = OTHER_DATA;
  }
}

/** Writes the headers it kept to `to`. */
export function copyHeaders(fragment: usize, to: usize): void {
  copyBytes(fragment, 0, load<u32>(fragment, FRAGMENT_SKIP), to);
}

/** How many fragments the datagram had that was copied last. */
export let pieces: u32 = 0;

/** Writes the datagram whose first fragment this is to `to`; how many bytes there are before the first that was not captured. */
export function copyDatagram(first: usize, to: usize): u32 {
  let there: u32 = 0;
  let cut = false;
  pieces = 0;
  for (let part = first; part !== 0; part = load<u32>(part, FRAGMENT_NEXT) as usize) {
    pieces++;
    const offset = load<u32>(part, FRAGMENT_OFFSET);
    const copied = copyPayload(part, to + offset);
    if (cut) continue;
    there = offset + copied;
    cut = there < load<u32>(part, FRAGMENT_END);
  }
  return there;
}

/** Writes its part of the datagram to `to`, END - OFFSET bytes at most; how many were captured. */
function copyPayload(fragment: usize, to: usize): u32 {
  const skip = load<u32>(fragment, FRAGMENT_SKIP);
  const length = load<u32>(fragment, FRAGMENT_END) - load<u32>(fragment, FRAGMENT_OFFSET);
  const present = load<u32>(fragment, FRAGMENT_PRESENT);
  const there = min<u32>(length, present > skip ? present - skip : 0);
  copyBytes(fragment, skip, there, to);
  return there;
}

function copyBytes(fragment: usize, from: u32, length: u32, to: usize): void {
  let block = fragment;
  let data = FIRST_DATA;
  let skip = from;
  let done: u32 = 0;
  while (done < length) {
    const room = (BLOCK_SIZE - data) as u32;
    if (skip < room) {
      const part = min<u32>(length - done, room - skip);
      memory.copy(to + done, block + data + skip, part);
      done += part;
      skip = 0;
    } else {
      skip -= room;
    }
    block = load<u32>(block) as usize;
    data = OTHER_DATA;
  }
}
