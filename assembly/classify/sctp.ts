/** sctp --chunk-types (xt_sctp.c). */
import { FIELD_L4_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { TEST_HIT, TEST_MISS } from '../../src/abi/special.ts';

const HEADER: u32 = 12;
const CHUNK: u32 = 4;
/** Offsets of the parameters. */
const WAY: usize = 0;
const INVERT: usize = 4;
const MALFORMED: usize = 8;
const MAP: usize = 12;
const FLAGS: usize = 44;
const FLAGS_END: usize = 56;
const ANY: u32 = 0;
const ALL: u32 = 1;

/** Chunk types seen, of those that all must be there. */
const SEEN: usize = memory.data(32, 16);

/** TEST_*. The message has its common header. */
export function sctpChunks(parameters: usize, slot: usize): u32 {
  const message = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  const way = load<u32>(parameters, WAY);
  const hit: u32 = load<u32>(parameters, INVERT) !== 0 ? TEST_MISS : TEST_HIT;
  memory.fill(SEEN, 0, 32);
  let at = HEADER;
  do {
    if (at + CHUNK > present) return load<u32>(parameters, MALFORMED);
    const chunk = message + (at as usize);
    const length = bswap(load<u16>(chunk, 2)) as u32;
    if (length === 0) return load<u32>(parameters, MALFORMED);
    at += (length + 3) & ~3;
    const type = load<u8>(chunk) as u32;
    const word = ((type >>> 5) << 2) as usize;
    const bit: u32 = 1 << (type & 31);
    const asked = (load<u32>(parameters + word, MAP) & bit) !== 0 && flagsFit(parameters, type, load<u8>(chunk, 1) as u32);
    if (asked) {
      if (way === ANY) return hit;
      store<u32>(SEEN + word, load<u32>(SEEN + word) | bit);
    } else if (way > ALL) return TEST_HIT + TEST_MISS - hit;
  } while (at < present);
  const holds = way === ANY ? false : way !== ALL || allSeen(parameters);
  return holds ? hit : TEST_HIT + TEST_MISS - hit;
}

function flagsFit(parameters: usize, type: u32, flags: u32): bool {
  for (let at = FLAGS; at < FLAGS_END; at += 4) {
    const condition = load<u32>(parameters + at);
    if (condition >>> 16 === type) return (flags & (condition >>> 8) & 255) === (condition & 255);
  }
  return true;
}

function allSeen(parameters: usize): bool {
  for (let word: usize = 0; word < 32; word += 4) {
    if (load<u32>(SEEN + word) !== load<u32>(parameters + word, MAP)) return false;
  }
  return true;
}
