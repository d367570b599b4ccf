/** TCP options as connection tracking reads them (nf_conntrack_proto_tcp.c, tcp_options and tcp_sack). */

export const TCP_HEADER_SIZE: u32 = 20;
const OPTION_END: u32 = 0;
const OPTION_NOP: u32 = 1;
const OPTION_WINDOW: u32 = 3;
const OPTION_SACK_PERMITTED: u32 = 4;
const OPTION_SACK: u32 = 5;
const WINDOW_SIZE: u32 = 3;
const SACK_PERMITTED_SIZE: u32 = 2;
const SACK_BLOCK_SIZE: u32 = 8;
const MOST_SCALE: u32 = 14;
/** NOP NOP timestamp 10, little-endian. */
export const TIMESTAMP_ONLY: u32 = 0x0a080101;
export const TIMESTAMP_ONLY_SIZE: u32 = 12;

/** How many bytes of options conntrack reads behind a header of `size` bytes, of which `present` were captured: all or none of them (skb_header_pointer). */
export function optionsThere(size: u32, present: u32): u32 {
  return present < size ? 0 : size - TCP_HEADER_SIZE;
}

/** What `readOptions` found. */
export let optionScale: u32 = 0;
export let optionHasScale: bool = false;
export let optionHasSack: bool = false;

/** Reads window scale and SACK permitted of the header at `header`, whose options are `length` bytes. Silly or cut options end it. */
export function readOptions(header: usize, length: u32): void {
  optionScale = 0;
  optionHasScale = false;
  optionHasSack = false;
  let at = header + TCP_HEADER_SIZE;
  let rest = length;
  while (rest > 0) {
    const kind = load<u8>(at) as u32;
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      at++;
      rest--;
      continue;
    }
    if (rest < 2) return;
    const size = load<u8>(at, 1) as u32;
    if (size < 2 || size > rest) return;
    if (kind === OPTION_SACK_PERMITTED && size === SACK_PERMITTED_SIZE) {
      optionHasSack = true;
    } else if (kind === OPTION_WINDOW && size === WINDOW_SIZE) {
      optionScale = min(load<u8>(at, 2) as u32, MOST_SCALE);
      optionHasScale = true;
    }
    at += size;
    rest -= size;
  }
}

/** The highest right edge of the SACK blocks behind `ack`, `ack` itself without such. */
export function highestSack(header: usize, length: u32, ack: u32): u32 {
  let at = header + TCP_HEADER_SIZE;
  let rest = length;
  if (rest === TIMESTAMP_ONLY_SIZE && load<u32>(at) === TIMESTAMP_ONLY) return ack;
  while (rest > 0) {
    const kind = load<u8>(at) as u32;
    if (kind === OPTION_END) return ack;
    if (kind === OPTION_NOP) {
      at++;
      rest--;
      continue;
    }
    if (rest < 2) return ack;
    const size = load<u8>(at, 1) as u32;
    if (size < 2 || size > rest) return ack;
    if (kind === OPTION_SACK && size >= 2 + SACK_BLOCK_SIZE && (size - 2) % SACK_BLOCK_SIZE === 0) {
      let highest = ack;
      for (let block: u32 = 2; block < size; block += SACK_BLOCK_SIZE) {
        const edge = bswap(load<u32>(at + block, 4));
        if (((edge - highest) as i32) > 0) highest = edge;
      }
      return highest;
    }
    at += size;
    rest -= size;
  }
  return ack;
}
