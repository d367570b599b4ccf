/** The program in memory, and what counts on it. */
import { SEGMENT_SIZE } from '../../src/abi/image.ts';

/** Start of the code section. */
export let code: usize = 0;
/** Segment counters: packets u64, bytes u64. */
export let segments: usize = 0;
/** Match state. */
export let states: usize = 0;
/** The call stack of linear programs, and where it ends. */
export let stackBase: usize = 0;
export let stackEnd: usize = 0;
export let creditsPerJiffy: u32 = 0;

/** Segments from 1 to here have events, which a path shows; the same while there is a path, otherwise 0. */
let visible: u32 = 0;
let noted: u32 = 0;
/** Where the path of the current packet goes; at the limit it is cut. */
let pathAt: usize = 0;
let pathLimit: usize = 0;
let pathCut: bool = false;

export function setProgram(
  codeAt: usize,
  segmentsAt: usize,
  statesAt: usize,
  stackAt: usize,
  depth: u32,
  credits: u32,
  shown: u32,
): void {
  code = codeAt;
  segments = segmentsAt;
  states = statesAt;
  stackBase = stackAt;
  stackEnd = stackAt + (depth as usize) * 4;
  creditsPerJiffy = credits;
  visible = shown;
}

/** One more packet on a segment. */
export function count(segment: u32, bytes: u64): void {
  const at = segments + (segment as usize) * SEGMENT_SIZE;
  store<u64>(at, load<u64>(at) + 1);
  store<u64>(at, load<u64>(at, 8) + bytes, 8);
  if (segment - 1 < noted) note(segment);
}

/** Packets that were counted elsewhere; no path shows them. */
export function countMany(segment: u32, packets: u64, bytes: u64): void {
  const at = segments + (segment as usize) * SEGMENT_SIZE;
  store<u64>(at, load<u64>(at) + packets);
  store<u64>(at, load<u64>(at, 8) + bytes, 8);
}

/** The address of a segment's counter: u64 packets, u64 bytes. */
export function counterOf(segment: u32): usize {
  return segments + (segment as usize) * SEGMENT_SIZE;
}

/** The number of the segment whose counter is at an address, which need not lie among those of the program. */
export function segmentAt(counter: usize): u32 {
  return ((counter - segments) / SEGMENT_SIZE) as u32;
}

/** The path of the packet under way is written down. */
export function noting(): bool {
  return noted !== 0;
}

function note(segment: u32): void {
  if (pathAt >= pathLimit) {
    pathCut = true;
    return;
  }
  store<u32>(pathAt, segment);
  pathAt += 4;
}

/** Writes segment 0, which says nothing, into the path: a copy of the packet begins or ends. */
export function markPath(): void {
  if (noted !== 0) note(0);
}

/** From here on segments are written down from `at` to before `limit`. */
export function startPath(at: usize, limit: usize): void {
  pathAt = at;
  pathLimit = limit;
  noted = limit !== 0 ? visible : 0;
  pathCut = false;
}

export function endPath(): usize {
  return pathAt;
}

export function pathWasCut(): bool {
  return pathCut;
}
