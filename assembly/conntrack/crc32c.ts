/** CRC32c (Castagnoli) of SCTP packets, eight bytes a step by eight tables. */

const POLYNOMIAL: u32 = 0x82f63b78;
const TABLES: usize = memory.data(8 * 256 * 4, 16);
let ready: bool = false;

/** Table k tells what a byte does to the register k bytes later. */
function makeTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (POLYNOMIAL & (0 - (value & 1)));
    store<u32>(TABLES + ((byte as usize) << 2), value);
  }
  for (let at: usize = 0; at < 7 * 1024; at += 4) {
    const value = load<u32>(TABLES + at);
    store<u32>(TABLES + at, (value >>> 8) ^ entry(0, value), 1024);
  }
  ready = true;
}

function entry(table: usize, value: u32): u32 {
  return load<u32>(TABLES + (table << 10) + (((value & 255) as usize) << 2));
}

function bytewise(register: u32, at: usize, length: u32): u32 {
  let crc = register;
  for (let end = at + (length as usize), here = at; here < end; here++) crc = (crc >>> 8) ^ entry(0, crc ^ load<u8>(here));
  return crc;
}

/** Whether the SCTP message of `length` bytes (at least 12) has its right checksum. */
export function crc32cHolds(message: usize, length: u32): bool {
  return crc32c(message, length) === load<u32>(message, 8);
}

/** The checksum of an SCTP message of `length` bytes (at least 12), which counts as zeros itself: as it is stored. */
export function crc32c(message: usize, length: u32): u32 {
  if (!ready) makeTables();
  let crc = bytewise(0xffffffff, message, 8);
  for (let zero = 0; zero < 4; zero++) crc = (crc >>> 8) ^ entry(0, crc);
  let at = message + 12;
  let rest = length - 12;
  while (rest >= 8) {
    const low = load<u32>(at) ^ crc;
    const high = load<u32>(at, 4);
    crc =
      entry(7, low) ^
      entry(6, low >>> 8) ^
      entry(5, low >>> 16) ^
      entry(4, low >>> 24) ^
      entry(3, high) ^
      entry(2, high >>> 8) ^
      entry(1, high >>> 16) ^
      entry(0, high >>> 24);
    at += 8;
    rest -= 8;
  }
  return ~bytewise(crc, at, rest);
}
