/**
 * What people have but iptables refuses: rules that went through a word processor, a web page or a mail, and the option style of old versions.
 * A repair is only looked for where a line was refused, so that nothing iptables accepts is ever changed.
 */
import { BUILTIN_OPTIONS } from './getopt.ts';
import type { Word } from './source.ts';

/** One thing that was put right. */
export interface Fix {
  word: Word;
  /** What is wrong. */
  message: string;
  /** What to write. */
  hint: string;
  /** What the repair makes of it. */
  done: string;
}

const DASH = /[\u2010-\u2015\u2212\ufe58\uff0d\u00ad]/;
const DASHES = /^[-\u2010-\u2015\u2212\ufe58\uff0d\u00ad]+/;
const BLANK = /[\u00a0\u2000-\u200a\u202f\u205f\u3000\u200b\ufeff]/g;
const DOUBLE_QUOTE = /[\u201c-\u201f\u2033\u00ab\u00bb]/;
const SINGLE_QUOTE = /[\u2018-\u201b\u2032]/;

const DASH_NAMES: Record<string, string> = {
  '\u2013': 'en dash',
  '\u2014': 'em dash',
  '\u2212': 'minus sign',
  '\u2011': 'non-breaking hyphen',
};

const LONG_OPTIONS = new Set([
  ...BUILTIN_OPTIONS.flatMap((option) => option.long),
  ...(
    'dport sport dports sports ports destination-port source-port state ctstate tcp-flags syn icmp-type icmpv6-type limit limit-burst comment ' +
    'mac-source reject-with log-prefix log-level set-mark mark src-range dst-range pkt-type'
  ).split(' '),
]);

/** The words put right, with every fix made; no fixes: nothing to repair was found. */
export function repairWords(words: readonly Word[]): { words: Word[]; fixes: Fix[] } {
  const fixes: Fix[] = [];
  const typed = joinQuotes(splitBlanks(words, fixes), fixes).map((word) => repairDash(word, fixes));
  const repaired = repairOrder(typed, fixes);
  fixes.sort((a, b) => a.word.position.line - b.word.position.line || a.word.position.column - b.word.position.column);
  return { words: repaired, fixes };
}

/** Non-breaking and other blanks that are not blanks to a program. */
function splitBlanks(words: readonly Word[], fixes: Fix[]): Word[] {
  return words.flatMap((word) => {
    if (word.quoted || word.text.search(BLANK) < 0) return [word];
    const first = word.text.search(BLANK);
    fixes.push({
      word: moved(word, first, word.text),
      message: 'a non-breaking or invisible blank',
      hint: 'write a plain blank',
      done: 'read as a blank',
    });
    const out: Word[] = [];
    let offset = 0;
    for (const part of word.text.split(BLANK)) {
      if (part !== '') out.push(moved(word, offset, part));
      offset += part.length + 1;
    }
    return out;
  });
}

function moved(word: Word, offset: number, text: string): Word {
  return { ...word, text, position: { ...word.position, column: word.position.column + offset } };
}

/** Curly quotes, and single quotes around several words, which a dump does not know. */
function joinQuotes(words: readonly Word[], fixes: Fix[]): Word[] {
  const out: Word[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === undefined) continue;
    const open = word.quoted ? undefined : quoteKind(word.text[0] ?? '');
    const end = open === undefined ? -1 : words.findIndex((other, j) => j >= i && closes(other, open, j === i));
    if (open === undefined || end < 0) {
      out.push(word);
      continue;
    }
    const text = words
      .slice(i, end + 1)
      .map((other) => other.text)
      .join(' ');
    const plain = open === "'";
    fixes.push({
      word,
      message: plain ? 'single quotes do not quote in a dump' : 'curly quotes',
      hint: 'write plain double quotes: "..."',
      done: 'read as double quotes',
    });
    out.push({ ...word, text: text.slice(1, -1), quoted: true });
    i = end;
  }
  return out;
}

type Quote = 'double' | 'single' | "'";

function quoteKind(char: string): Quote | undefined {
  if (char === "'") return "'";
  if (DOUBLE_QUOTE.test(char)) return 'double';
  return SINGLE_QUOTE.test(char) ? 'single' : undefined;
}

function closes(word: Word, open: Quote, same: boolean): boolean {
  if (word.quoted || (same && word.text.length < 2)) return false;
  return quoteKind(word.text.at(-1) ?? '') === open;
}

/** Typographic dashes at the head of an option or inside a value, and `-state` for `--state`. */
function repairDash(word: Word, fixes: Fix[]): Word {
  if (word.quoted) return word;
  const head = DASHES.exec(word.text)?.[0] ?? '';
  const rest = word.text.slice(head.length);
  if (DASH.test(head) && rest !== '') {
    const text = rest.length === 1 ? `-${rest}` : `--${rest}`;
    const found = DASH_NAMES[DASH.exec(head)?.[0] ?? ''] ?? 'typographic dash';
    fixes.push({
      word,
      message: `${found} in front of "${rest}"`,
      hint: `${found}; write ${text.split('=')[0]}`,
      done: `read as ${text}`,
    });
    return { ...word, text };
  }
  if (DASH.test(word.text)) {
    const at = word.text.search(DASH);
    const found = DASH_NAMES[word.text[at] ?? ''] ?? 'typographic dash';
    const text = word.text.replace(new RegExp(DASH, 'g'), '-');
    fixes.push({
      word: moved(word, at, word.text),
      message: `${found} in "${word.text}"`,
      hint: `${found}; write ${text}`,
      done: `read as ${text}`,
    });
    return { ...word, text };
  }
  if (head === '-' && LONG_OPTIONS.has(rest.split('=')[0] ?? '')) {
    fixes.push({ word, message: `one dash in front of "${rest}"`, hint: `write -${word.text}`, done: `read as -${word.text}` });
    return { ...word, text: `-${word.text}` };
  }
  return word;
}

const ADDRESS_OPTION = /^(-s|-d|--source|--src|--destination|--dst)$/;

/** `-s ! x` of old versions, and -s or -d with nothing behind. */
function repairOrder(words: readonly Word[], fixes: Fix[]): Word[] {
  const out: Word[] = [];
  for (let i = 0; i < words.length; i++) {
    const [word, next, after] = [words[i], words[i + 1], words[i + 2]];
    if (word === undefined) continue;
    const isOption =
      !word.quoted && /^--?[a-zA-Z]/.test(word.text) && !/^(-m|--match|-j|--jump|-A|--append|-I|--insert)$/.test(word.text);
    if (isOption && next?.text === '!' && !next.quoted && after !== undefined && !after.text.startsWith('-')) {
      fixes.push({
        word: next,
        message: `"!" behind ${word.text}`,
        hint: `the old style; write ! ${word.text} ${after.text}`,
        done: `read as ! ${word.text} ${after.text}`,
      });
      out.push(next, word);
      i++;
    } else if (!word.quoted && ADDRESS_OPTION.test(word.text) && (next === undefined || next.text.startsWith('-'))) {
      fixes.push({
        word,
        message: `${word.text} without an address`,
        hint: `write an address behind it, or leave ${word.text} out`,
        done: 'left out',
      });
    } else {
      out.push(word);
    }
  }
  return out;
}
