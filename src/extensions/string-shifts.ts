/** Tables of Boyer and Moore's search for the engine, as the kernel prepares them (lib/ts_bm.c, compute_prefix_tbl). */

const LATIN_MULTIPLICATION = 0xd7;

/** 256 shifts by the byte that does not fit, then one for each number of bytes at the end that do. `pattern` is in upper case when case is ignored. */
export function boyerMooreShifts(pattern: readonly number[], ignoreCase: boolean): number[] {
  const { length } = pattern;
  const byByte = new Array<number>(256).fill(length);
  for (const [at, byte] of pattern.slice(0, -1).entries()) {
    byByte[byte] = length - 1 - at;
    if (ignoreCase) byByte[smallLetter(byte)] = length - 1 - at;
  }
  return [...byByte, ...pattern.map((_, fitting) => (fitting === 0 ? 1 : suffixShift(pattern, fitting)))];
}

function smallLetter(byte: number): number {
  if (byte >= 0x41 && byte <= 0x5a) return byte | 0x20;
  return byte >= 0xc0 && byte < 0xdf && byte !== LATIN_MULTIPLICATION ? byte | 0x20 : byte;
}

/** The nearest place to the left where the last `length` bytes stand again behind another byte, or where the pattern begins with their end. */
function suffixShift(pattern: readonly number[], length: number): number {
  const start = pattern.length - length;
  for (let place = start - 1; place > -length; place--) {
    let same = length;
    while (same > 0 && place + same - 1 >= 0 && pattern[place + same - 1] === pattern[start + same - 1]) same--;
    const inside = place > 0;
    if (inside ? same === 0 && pattern[place - 1] !== pattern[start - 1] : place + same - 1 < 0) return start - place;
  }
  return pattern.length;
}
