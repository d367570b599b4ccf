/**
 * What the kernel charges for fragments that wait (skb->truesize), measured on 6.18. Drivers differ in how they allocate: these are packets that came over
 * a veth pair from a packet socket, or that a raw socket sent.
 */

/** A queue without its fragments. */
export const QUEUE_MEMORY = { 4: 200, 6: 184 } as const;

const SK_BUFF = 256;
const SHARED_INFO = 320;
const CACHE_LINE = 64;
const PAGE = 4096;
/** Serves everything with up to 256 bytes of data. */
const SMALL_HEAD = 576;
const ETHERNET = 14;
/** The link header, and what is left free before it. */
const LINK_ROOM = ETHERNET + 16;

/** Bytes for a fragment whose IP packet has this length. */
export function fragmentMemory(length: number): number {
  if (ETHERNET + length + 16 >= PAGE) return SK_BUFF + SMALL_HEAD + PAGE * Math.ceil(length / PAGE);
  const head = Math.ceil((LINK_ROOM + length) / CACHE_LINE) * CACHE_LINE + SHARED_INFO;
  return SK_BUFF + (head <= SMALL_HEAD ? SMALL_HEAD : 2 ** Math.ceil(Math.log2(head)));
}
