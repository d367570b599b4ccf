/** Numbers as iptables reads them: strtoul with base 0. */

const NUMBER = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/;

/** A number of at most `max`, at least `min`: decimal, 0octal or 0xhexadecimal, the whole text; undefined for anything else. */
export function parseUnsigned(text: string, max: number, min = 0): number | undefined {
  const big = parseBigUnsigned(text, BigInt(max), BigInt(min));
  return big === undefined ? undefined : Number(big);
}

/** The same for numbers beyond 2^53. Negative numbers wrap as strtoull does, and so are out of reach of any bound in use. */
export function parseBigUnsigned(text: string, max: bigint, min = 0n): bigint | undefined {
  const found = NUMBER.exec(text);
  if (found === null || text.length > 80) return undefined;
  const digits = found[2] ?? '';
  const octal = /^0[0-7]/.test(digits);
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  if (value > 0xffff_ffff_ffff_ffffn) return undefined;
  const signed = found[1] === '-' ? BigInt.asUintN(64, -value) : value;
  return signed >= min && signed <= max ? signed : undefined;
}
