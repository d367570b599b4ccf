/** `--hex-string`: text with bytes in hexadecimal between bars, as iptables 1.8.9 reads it. */

const SPACE = 0x20;
const BAR = 0x7c;
const BACKSLASH = 0x5c;

/**
 * The bytes of the pattern, or what is wrong. A backslash makes the next byte an ordinary one. What follows a closing bar is taken as it is, even a bar; a bar at the very end is left out.
 */
export function readHexString(text: readonly number[]): number[] | string {
  const out: number[] = [];
  let inside = false;
  let at = 0;
  while (at < text.length) {
    let literal = false;
    if (text[at] === BACKSLASH) {
      if (inside) return 'no backslash between bars';
      literal = true;
    } else if (text[at] === BAR) {
      inside = !inside;
      if (inside) while (text[at + 1] === SPACE) at++;
      if (++at >= text.length) break;
    }
    if (literal) {
      if (at + 1 >= text.length) return 'a backslash at the end';
      out.push(text[at + 1]!);
      at += 2;
    } else if (inside) {
      if (at + 2 >= text.length) return 'the bytes do not end with a bar';
      const byte = hexByte(text[at]!, text[at + 1]!);
      if (byte === undefined) return 'two hexadecimal digits a byte';
      out.push(byte);
      at += text[at + 2] === SPACE ? 3 : 2;
    } else out.push(text[at++]!);
  }
  return out;
}

function hexByte(high: number, low: number): number | undefined {
  const digits = String.fromCharCode(high, low);
  return /^[0-9a-fA-F]{2}$/.test(digits) ? Number.parseInt(digits, 16) : undefined;
}
