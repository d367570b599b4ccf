/** Numbers in the text of protocols, read as the kernel reads them: 32 bits, what is too large wraps. */

export const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57;

/** Digits as a number; none are 0. */
export function decimal(digits: Uint8Array): number {
  return digits.reduce((value, digit) => (Math.imul(value, 10) + (digit - 48)) >>> 0, 0);
}

/**
 * `count` numbers with `separator` between them, up to `end`; '' ends at any other character. null: something else stands there, or the text ends before.
 * `length`: of the numbers. Digits may be missing (0).
 */
export function readNumbers(
  text: Uint8Array,
  count: number,
  separator: string,
  end: string,
): { numbers: number[]; length: number } | null {
  const between = separator.charCodeAt(0);
  const length = text.findIndex((byte) => !isDigit(byte) && byte !== between);
  if (length <= 0 || (end !== '' && text[length] !== end.charCodeAt(0))) return null;
  const numbers: number[] = [];
  for (let from = 0; from <= length; ) {
    const found = text.subarray(0, length).indexOf(between, from);
    const to = found < 0 ? length : found;
    numbers.push(decimal(text.subarray(from, to)));
    from = to + 1;
  }
  return numbers.length === count ? { numbers, length } : null;
}
