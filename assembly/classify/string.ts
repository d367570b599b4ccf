/** string: a pattern between two offsets of the packet (xt_string.c), found as the kernel's two searches find it. */
import { PACKET_IP } from '../../src/abi/packet.ts';
import { STRING_BM } from '../../src/abi/special.ts';
import { present } from './payload.ts';

const PATTERN: usize = 24;

/** Parameters: algorithm, from, to, ignore case, invert, length, then bytes: the pattern, shifts by byte, shifts by bytes that fit. */
export function stringFound(parameters: usize, slot: usize): bool {
  const end = min<u32>(present(slot), load<u32>(parameters, 8));
  const from = load<u32>(parameters, 4);
  const length = load<u32>(parameters, 20);
  let found = false;
  if (from + length <= end) {
    const text: usize = load<u32>(slot, PACKET_IP) + from;
    const fold = load<u32>(parameters, 12) !== 0;
    const jumps = load<u32>(parameters) === STRING_BM;
    found = search(text, end - from, parameters + PATTERN, length, fold, jumps);
  }
  return found !== (load<u32>(parameters, 16) !== 0);
}

/** Compares from the pattern's end; without `jumps` it moves on by one byte, and misses nothing. */
function search(text: usize, size: u32, pattern: usize, length: u32, fold: bool, jumps: bool): bool {
  const shifts = pattern + length;
  let end = length - 1;
  while (end < size) {
    let fitting: u32 = 0;
    while (fitting < length && folded(text + (end - fitting), fold) === load<u8>(pattern + (length - 1 - fitting))) fitting++;
    if (fitting === length) return true;
    end += jumps ? jump(shifts, load<u8>(text + (end - fitting)), fitting) : 1;
  }
  return false;
}

/** By the byte that did not fit, as it stands in the text, or by the bytes behind it that did: the farther one. */
function jump(shifts: usize, byte: u8, fitting: u32): u32 {
  const byByte = (load<u8>(shifts + (byte as usize)) as i32) - (fitting as i32);
  return max<i32>(byByte, load<u8>(shifts + (fitting as usize), 256) as i32) as u32;
}

/** The kernel's toupper, whose letters are those of Latin-1. */
function folded(at: usize, fold: bool): u8 {
  const byte = load<u8>(at);
  if (!fold) return byte;
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x20;
  return byte >= 0xdf && byte !== 0xf7 ? byte - 0x20 : byte;
}
