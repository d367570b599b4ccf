/**
 * The engine's memory, in order of address:
 *
 *     static data of the module
 *     regions the host asks for once, before `start`: the image's header and code, the host block, the conntrack parameters, interface names,
 *       segment counters, match state, call stack, packet slots, capture state, control block, output ring, input buffer
 *     conntrack's region, the last: it alone grows later, between batches
 *
 * Nothing is freed: an engine is made for one job.
 */
const PAGE_SHIFT: u32 = 16;
const ALIGNMENT: usize = 63;

/** So much memory at once at most that is not wanted yet; a multiple of 3. */
const AMPLE: usize = 3 << 26;

let top: usize = 0;

/** A zeroed region, aligned to a cache line; 0 when memory cannot grow. */
export function allocate(bytes: u32): usize {
  if (top === 0) top = __heap_base;
  const at = (top + ALIGNMENT) & ~ALIGNMENT;
  const end = (at as u64) + (bytes as u64);
  const have = (memory.size() as u64) << PAGE_SHIFT;
  if (end > have) {
    const pages = ((end - have + 0xffff) >> PAGE_SHIFT) as i32;
    if (memory.grow(pages) < 0) return 0;
  }
  top = end as usize;
  return at;
}

/** Where the last region starts. */
export function heapStart(): usize {
  return (top + ALIGNMENT) & ~ALIGNMENT;
}

/** Where memory ends. */
export function memorySize(): usize {
  // 65536 pages wrap to 0 in 32 bits: the last page is left unused.
  return (min(memory.size(), 65535) as usize) << PAGE_SHIFT;
}

/** Memory up to `end`, which lies behind `used` unless it was too much for an address. False: there is not so much. */
export function ensureMemory(used: usize, end: usize): bool {
  const have = memorySize();
  if (end < used) return false;
  if (end <= have) return true;
  const pages = ((end - have + 0xffff) >>> PAGE_SHIFT) as i32;
  return memory.grow(pages) >= 0 && end <= memorySize();
}

/** The same, and more than is wanted as long as there is not much: memory that nobody touches costs nothing, but every growth costs the host a look at all it has (V8 collects garbage). */
export function ensureAmple(used: usize, end: usize): bool {
  const have = memorySize();
  if (end >= used && end <= have) return true;
  const ample = have + min(have, AMPLE / 3) * 3;
  return (end >= used && ample > end && ensureMemory(used, ample)) || ensureMemory(used, end);
}
