/** Numbers in the text of protocols; what is too large for 32 bits wraps. Places are addresses of memory. */

/** What readNumbers read. */
export const NUMBERS: usize = memory.data(8 * 4, 4);
/** No byte: a number list may end at any other character. */
export const ANYTHING: u32 = 0xffff;

export function isDigit(byte: u32): bool {
  return byte - 48 < 10;
}

/** `count` numbers with `separator` between them up to the byte `stop`. Out: how long their text is; 0 when something else is there or the text ends before. */
export function readNumbers(from: usize, end: usize, count: u32, separator: u32, stop: u32): u32 {
  let index: u32 = 0;
  let value: u32 = 0;
  for (let at = from; at < end; at++) {
    const byte = load<u8>(at) as u32;
    if (isDigit(byte)) {
      value = value * 10 + (byte - 48);
    } else if (byte === separator) {
      store<u32>(NUMBERS + ((index as usize) << 2), value);
      value = 0;
      index++;
      if (index === count) return 0;
    } else {
      if (index !== count - 1 || (stop !== ANYTHING && byte !== stop)) return 0;
      store<u32>(NUMBERS + ((index as usize) << 2), value);
      return (at - from) as u32;
    }
  }
  return 0;
}

export function number(index: usize): u32 {
  return load<u32>(NUMBERS + (index << 2));
}

/** Four numbers as an address: what is above 255 runs into its neighbour. */
export function addressOfNumbers(): u32 {
  return (number(0) << 24) | (number(1) << 16) | (number(2) << 8) | number(3);
}

/** A port of 16 bits up to the byte `stop`; 0: none, or something else is there. */
export function readPort(from: usize, end: usize, stop: u32): u32 {
  let port: u32 = 0;
  for (let at = from; at < end; at++) {
    const byte = load<u8>(at) as u32;
    if (byte === stop) return port;
    if (!isDigit(byte)) return 0;
    port = (port * 10 + (byte - 48)) & 0xffff;
  }
  return 0;
}
