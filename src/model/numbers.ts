/** Numbers as iptables reads them: strtoul with base 0. */

const NUMBER = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/;

/** As nearly all are written. */
const PLAIN = /^(?:0|[1-9][0-9]{0,14})$/;

/** A number of at most `max`, at least `min`: decimal, 0octal or 0xhexadecimal, the whole text; undefined for anything else. */
export function parseUnsigned(text: string, max: number, min = 0): number | undefined {
  if (PLAIN.test(text)) {
    const value = Number(text);
    return value >= min && value <= max ? value : undefined;
  }
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

const HEXADECIMAL = /^([+-]?)0[xX](?:([0-9a-fA-F]+)\.?([0-9a-fA-F]*)|\.([0-9a-fA-F]+))(?:[pP]([+-]?\d+))?/;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/;
const NO_NUMBER = /^([+-]?)(inf(?:inity)?|nan(?:\(\w*\))?)/i;

/** As strtod reads: the number a text begins with, and what stands behind it; undefined where it begins with none. */
export function readDouble(text: string): { value: number; rest: string } | undefined {
  const digits = text.replace(/^[ \t\n\v\f\r]+/, '');
  const hexadecimal = HEXADECIMAL.exec(digits);
  if (hexadecimal !== null) {
    const [all, sign, whole = '', part = hexadecimal[4] ?? '', , power = '0'] = hexadecimal;
    const value = Number.parseInt(`0${whole}${part}`, 16) * 2 ** (Number(power) - 4 * part.length);
    return { value: sign === '-' ? -value : value, rest: digits.slice(all.length) };
  }
  const decimal = DECIMAL.exec(digits);
  if (decimal !== null) return { value: Number(decimal[0]), rest: digits.slice(decimal[0].length) };
  const [all, sign, word] = NO_NUMBER.exec(digits) ?? [];
  if (all === undefined || word === undefined) return undefined;
  const value = /^n/i.test(word) ? Number.NaN : Number.POSITIVE_INFINITY;
  return { value: sign === '-' ? -value : value, rest: digits.slice(all.length) };
}
