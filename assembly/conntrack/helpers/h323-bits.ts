/** A message of H.323 in aligned PER, bit by bit (nf_conntrack_h323_asn1.c, struct bitstr). Behind its end bytes are 0. */

/** Where the next bit is, and where the message ends. */
let at: usize = 0;
let bit: u32 = 0;
let end: usize = 0;

/** What takeLength took. */
export let lengthTaken: u32 = 0;

export function startBits(from: usize, to: usize): void {
  at = from;
  bit = 0;
  end = to;
}

/** The byte in which the next bit is. */
export function bitPlace(): usize {
  return at;
}

/** The next bit is the first of that byte. */
export function goTo(place: usize): void {
  at = place;
  bit = 0;
}

/** Whether so many bytes and bits are there, whole bytes; the message has not ended, for none of either. */
export function isThere(bytes: u32, bits: u32): bool {
  return at + ((bytes + ((bits + bit + 7) >> 3)) as usize) <= end;
}

function byteAt(place: usize): u32 {
  return place < end ? (load<u8>(place) as u32) : 0;
}

export function align(): void {
  if (bit !== 0) at++;
  bit = 0;
}

export function skipBits(count: u32): void {
  const behind = bit + count;
  at += (behind >> 3) as usize;
  bit = behind & 7;
}

/** Bits of the byte that were read stay read. */
export function skipBytes(count: u32): void {
  at += count as usize;
}

export function takeByte(): u32 {
  const byte = byteAt(at);
  at++;
  return byte;
}

/** A number of up to eight bits. */
export function takeBits(count: u32): u32 {
  const two = (byteAt(at) << 8) | byteAt(at + 1);
  const value = ((two << (16 + bit)) >>> 24) >>> (8 - count);
  skipBits(count);
  return value;
}

/** Up to 32 bits, the first one in bit 31. That they begin within a byte is forgotten when they end with the fourth (get_bitmap). */
export function takeMap(count: u32): u32 {
  if (count === 0) return 0;
  let map: u32 = 0;
  for (let byte: usize = 0; byte < 4; byte++) map = (map << 8) | byteAt(at + byte);
  if (bit !== 0 && bit + count !== 32) map = (map << bit) | (byteAt(at + 4) >> (8 - bit));
  skipBits(count);
  return map & (0xffffffff << (32 - count));
}

/** A length of one byte or two, aligned; false: not both are there. */
export function takeLength(): bool {
  if (!isThere(2, 0)) return false;
  const first = takeByte();
  lengthTaken = (first & 0x80) === 0 ? first : ((first & 0x3f) << 8) | takeByte();
  return true;
}
