/** The searches of lib/ts_kmp.c and lib/ts_bm.c, for the reference: which texts they find, not how fast. */

/** The kernel's toupper: letters are those of Latin-1, and 0xdf and 0xff count as small ones. */
export function upperCase(byte: number): number {
  const small = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0xdf && byte !== 0xf7);
  return small ? byte - 0x20 : byte;
}

function lowerCase(byte: number): number {
  const capital = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0xc0 && byte <= 0xde && byte !== 0xd7);
  return capital ? byte + 0x20 : byte;
}

/** What KMP finds: every occurrence. Pattern and text are made upper case when case is ignored. */
export function plainFinds(text: Uint8Array, pattern: readonly number[], ignoreCase: boolean): boolean {
  const fold = ignoreCase ? upperCase : (byte: number): number => byte;
  const wanted = pattern.map(fold);
  for (let start = 0; start + wanted.length <= text.length; start++) {
    if (wanted.every((byte, i) => fold(text[start + i]!) === byte)) return true;
  }
  return false;
}

/**
 * What Boyer and Moore's search of the kernel finds. The shift for a byte that does not fit is looked up by the byte as it stands in the text, which for some letters beyond ASCII is too
 * far when case is ignored: then an occurrence is passed over.
 */
export function boyerMooreFinds(text: Uint8Array, pattern: readonly number[], ignoreCase: boolean): boolean {
  const fold = ignoreCase ? upperCase : (byte: number): number => byte;
  const wanted = pattern.map(fold);
  const last = wanted.length - 1;
  let end = last;
  while (end < text.length) {
    let fitting = 0;
    while (fitting <= last && fold(text[end - fitting]!) === wanted[last - fitting]) fitting++;
    if (fitting > last) return true;
    const forByte = shiftForByte(text[end - fitting]!, wanted, ignoreCase) - fitting;
    end += Math.max(forByte, shiftForSuffix(fitting, wanted));
  }
  return false;
}

/** From the last place of that byte in the pattern, its end not counted, to the end. */
function shiftForByte(byte: number, wanted: readonly number[], ignoreCase: boolean): number {
  for (let at = wanted.length - 2; at >= 0; at--) {
    if (wanted[at] === byte || (ignoreCase && lowerCase(wanted[at]!) === byte)) return wanted.length - 1 - at;
  }
  return wanted.length;
}

/** How far the pattern moves until what fitted fits again and what did not fit is another byte. */
function shiftForSuffix(fitting: number, wanted: readonly number[]): number {
  if (fitting === 0) return 1;
  const suffix = wanted.length - fitting;
  for (let shift = 1; shift < wanted.length; shift++) {
    const again = wanted.every((byte, at) => at < suffix || at < shift || wanted[at - shift] === byte);
    const other = suffix <= shift || wanted[suffix - 1] !== wanted[suffix - 1 - shift];
    if (again && other) return shift;
  }
  return wanted.length;
}
