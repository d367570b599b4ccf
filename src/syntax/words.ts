/** iptables-restore's own argument splitter: blanks, tabs and newlines part words, double quotes hold them together, a backslash escapes inside quotes only. */
import { errorAt, type Line, placeOn, type Source, type Word } from './source.ts';

/** Bytes of a line and of an argument that iptables-restore has room for. */
const LINE_MAX = 10239;
const WORD_MAX = 1023;

const [BLANK, TAB, NEWLINE, QUOTE] = [32, 9, 10, 34];

const encoder = new TextEncoder();

/**
 * The words of a line from `start` (0-based) on. A closing quote ends the word; a quote left open runs to the end of the line, newline
 * included, as iptables-restore 1.8.9 takes it.
 */
export function splitWords(source: Source, line: Line, start = 0): Word[] {
  if (line.text.length * 3 > LINE_MAX && encoder.encode(line.text).length > LINE_MAX) {
    throw errorAt(source, placeOn(source, line, 1), `line of more than ${LINE_MAX} bytes`, { kind: 'illegal' });
  }
  const text = line.terminated ? `${line.text}\n` : line.text;
  const words: Word[] = [];
  let at = start;
  while (at < text.length) {
    const blank = text[at];
    if (blank === ' ' || blank === '\t' || blank === '\n') {
      at++;
      continue;
    }
    const word = readWord(text, at);
    const position = placeOn(source, line, at + 1);
    if (word.text.length * 3 > WORD_MAX && encoder.encode(word.text).length > WORD_MAX) {
      throw errorAt(source, position, `argument of more than ${WORD_MAX} bytes`, {
        kind: 'illegal',
        hint: 'iptables-restore says: Parameter too long',
      });
    }
    words.push({ text: word.text, position, quoted: word.quoted });
    at = word.end;
  }
  return words;
}

function readWord(text: string, start: number): { text: string; end: number; quoted: boolean } {
  let bare = start;
  while (bare < text.length && !isSpecial(text.charCodeAt(bare))) bare++;
  let out = text.slice(start, bare);
  let open = false;
  let quoted = false;
  for (let i = bare; i < text.length; i++) {
    const char = text[i] ?? '';
    if (open) {
      if (char === '\\') out += text[++i] ?? '';
      else if (char === '"') return { text: out, end: i + 1, quoted: true };
      else out += char;
    } else if (char === '"') {
      open = true;
      quoted = true;
    } else if (char === ' ' || char === '\t' || char === '\n') {
      return { text: out, end: i, quoted };
    } else {
      out += char;
    }
  }
  return { text: out, end: text.length, quoted };
}

/** What ends a word, or begins a part in quotes. */
const isSpecial = (code: number): boolean => code === BLANK || code === TAB || code === NEWLINE || code === QUOTE;

/** A word as iptables-save quotes it: bare when it is safe, else in double quotes with `"`, `'` and `\` escaped. */
export function quoteWord(text: string): string {
  return /^[A-Za-z0-9_/:.,+=@%^~!#-]+$/.test(text) ? text : `"${text.replace(/["'\\]/g, (char) => `\\${char}`)}"`;
}
