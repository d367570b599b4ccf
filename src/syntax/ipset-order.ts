/**
 * The order of elements in `ipset -sorted save` (7.17), which compares their text piece by piece: numbers, read as hexadecimal whatever they are, by value, of prefix lengths the longer first and none
 * before any; names up to a colon or comma by length first, then by their letters.
 */

/** As strtol(3) reads hexadecimal. */
const NUMBER = /\s*[+-]?(?:0x(?=[0-9a-f]))?[0-9a-f]+/iy;
const NAME = /[^:,]*/y;
/** Digits that a double holds for sure. */
const SAFE = 12;

/** Where a piece begins and ends in each of two texts. */
interface Piece {
  text: string;
  end: number;
}

function piece(pattern: RegExp, text: string, at: number): Piece | undefined {
  pattern.lastIndex = at;
  const found = pattern.exec(text);
  return found === null ? undefined : { text: found[0], end: pattern.lastIndex };
}

/** Below, at or above 0. */
export function compareSaved(left: string, right: string): number {
  // Each is a line of its own.
  const [a, b] = [`${left}\n`, `${right}\n`];
  let [at, bt] = [0, 0];
  let descending = false;
  while (at < a.length && bt < b.length) {
    const [one, other] = [piece(NUMBER, a, at), piece(NUMBER, b, bt)];
    if (one === undefined || other === undefined) {
      const [name, otherName] = [piece(NAME, a, at)!, piece(NAME, b, bt)!];
      const longer = name.text.length - otherName.text.length;
      if (longer !== 0) return longer;
      if (name.text === '') return compareText(a.slice(at), b.slice(bt));
      if (name.text !== otherName.text) return compareText(name.text, otherName.text);
      [at, bt, descending] = [name.end + 1, otherName.end + 1, false];
      continue;
    }
    const apart = difference(one.text, other.text);
    if (apart !== 0) return descending ? -apart : apart;
    const [isPrefix, otherIsPrefix] = [a[one.end] === '/', b[other.end] === '/'];
    if (isPrefix !== otherIsPrefix) return isPrefix ? 1 : -1;
    if (isPrefix) descending = true;
    [at, bt] = [one.end + 1, other.end + 1];
    // The :: of IPv6.
    const [skips, otherSkips] = [a[at] === ':', b[bt] === ':'];
    if (skips !== otherSkips) return skips ? -1 : 1;
    if (skips) [at, bt] = [at + 1, bt + 1];
  }
  return Math.sign(a.length - at) - Math.sign(b.length - bt);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Of two numbers, as the tool has room for it: an int. */
function difference(a: string, b: string): number {
  const plain = (text: string): string =>
    text
      .trim()
      .replace(/^\+/, '')
      .replace(/^-?0x/i, (head) => head.replace(/0x/i, ''));
  const [one, other] = [plain(a), plain(b)];
  if (one.length <= SAFE && other.length <= SAFE) return (Number.parseInt(one, 16) - Number.parseInt(other, 16)) | 0;
  const big = (text: string): bigint => (text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`));
  return Number(BigInt.asIntN(32, big(one) - big(other)));
}
