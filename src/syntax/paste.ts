/**
 * Rules as they come out of a mail, a web page or a terminal: with quote marks, prompts, list numbers, HTML and prose around them, wrapped by a mail
 * program. Finds what is no part of the rules, and the text without it. Only asked where a text was refused, or held no rules.
 */
import { type CleanLine, CleanText, cut, joined, prefixed, rawLine, replaced, startOf, textOf } from './clean-text.ts';
import {
  commandLength,
  continues,
  hasNoRule,
  isSentence,
  isShell,
  numberLength,
  promptLength,
  quoteLength,
  type Start,
  startKind,
} from './paste-lines.ts';
import { holdsCommand } from './wrappers.ts';

/** One thing that was put right, maybe on many lines. */
export interface PasteFix {
  /** Where it is first. */
  line: number;
  column: number;
  /** What is wrong. */
  message: string;
  /** What to do about it. */
  hint: string;
  /** What the repair does. */
  done: string;
  /** Nothing is wrong and nothing is put right; but it may not be what was meant. */
  doubt?: boolean;
}

export interface Pasted {
  text: CleanText;
  fixes: PasteFix[];
}

type Kind = 'mark' | 'entity' | 'tag' | 'blank' | 'quote' | 'number' | 'prompt' | 'wrap' | 'extra' | 'bare';

const EXPLAINED: Record<Kind, { what: string; hint: string; done: string }> = {
  mark: { what: 'a byte order mark', hint: 'save the file without it', done: 'left out' },
  entity: { what: 'HTML entities', hint: 'write the characters they stand for', done: 'read as the characters they stand for' },
  tag: { what: 'HTML tags', hint: 'leave them out', done: 'left out' },
  blank: { what: 'non-breaking blanks in front of or behind the command', hint: 'write plain blanks', done: 'read as blanks' },
  quote: { what: 'quote marks of a mail', hint: 'leave them out', done: 'left out' },
  number: { what: 'list numbers or bullets', hint: 'leave them out', done: 'left out' },
  prompt: { what: 'shell prompts', hint: 'leave them out', done: 'left out' },
  wrap: { what: 'a rule that goes on on the next line', hint: 'write it on one line', done: 'joined' },
  extra: { what: 'commands inside of a dump', hint: 'leave the word "iptables" out there', done: 'read without "iptables"' },
  bare: { what: 'rules without "iptables" among commands', hint: 'write "iptables" in front', done: 'read with it' },
};

/** The text without what is no part of the rules; undefined when there is nothing of that kind, or nothing that looks like a rule. */
export function unpaste(text: string): Pasted | undefined {
  const paste = new Paste(text);
  const fixes = paste.clean();
  return fixes.length === 0 ? undefined : { text: new CleanText(paste.lines), fixes };
}

/** Lines one rule may be wrapped into. */
const WRAPS_MAX = 20;

/** What the text is once the marks are gone. */
type Whole = 'dump' | 'script' | 'bare';

class Paste {
  lines: CleanLine[];
  private readonly found = new Map<Kind, { line: number; column: number; lines: Set<number> }>();
  /** Lines with a "#" in front of a rule. */
  private readonly comments: CleanLine[] = [];
  private readonly prose: { line: number; column: number; count: number; first: string; last: number }[] = [];

  constructor(text: string) {
    this.lines = text.split('\n').map((line, i) => rawLine(line, i + 1));
  }

  clean(): PasteFix[] {
    this.lines = this.lines.map((line) => this.withoutMarks(this.plain(line)));
    if (!this.starts().some((kind) => kind !== undefined)) this.lines = this.lines.map((line) => this.withoutPrompt(line, true));
    const starts = this.starts();
    if (!starts.some((kind) => kind !== undefined && kind !== 'service')) return [];
    const whole: Whole = starts.includes('dump') ? 'dump' : starts.includes('command') ? 'script' : 'bare';
    this.sort(whole);
    if (whole !== 'bare') this.lines = this.lines.map((line, i) => this.matching(line, starts[i], whole));
    return this.fixes();
  }

  private starts(): (Start | undefined)[] {
    return this.lines.map((line) => startKind(textOf(line).trimStart()));
  }

  private note(kind: Kind, line: CleanLine, offset = 0): void {
    const known = this.found.get(kind);
    if (known?.lines.has(line[0]?.line ?? 0)) return;
    const start = startOf(cut(line, offset));
    if (start === undefined) return;
    if (known === undefined) this.found.set(kind, { ...start, lines: new Set([start.line]) });
    else known.lines.add(start.line);
  }

  /** HTML and invisible characters, wherever they stand. */
  private plain(line: CleanLine): CleanLine {
    const text = textOf(line);
    const quote = /["\u201c]/.exec(text)?.index ?? text.length;
    let out = line;
    const change = (kind: Kind, pattern: RegExp, make: (found: RegExpExecArray) => string | undefined) => {
      out = replaced(out, pattern, (found) => {
        const made = make(found);
        if (made !== undefined) this.note(kind, line, text.indexOf(found[0]));
        return made;
      });
    };
    if (text.startsWith('\ufeff')) change('mark', /^\ufeff/g, () => '');
    if (text.includes('<')) change('tag', TAG, () => '');
    if (text.includes('&')) change('entity', ENTITY, ([, name]) => entity(name ?? ''));
    if (BLANK_FIRST.test(text)) change('blank', BLANK, (blank) => (blank.index < quote ? ' ' : undefined));
    return out;
  }

  private withoutMarks(line: CleanLine): CleanLine {
    const without = (kind: Kind, from: CleanLine, length: number): CleanLine => {
      if (length > 0) this.note(kind, from);
      return length > 0 ? cut(from, length) : from;
    };
    const unquoted = without('quote', line, quoteLength(textOf(line)));
    return this.withoutPrompt(without('number', unquoted, numberLength(textOf(unquoted))), false);
  }

  private withoutPrompt(line: CleanLine, rootToo: boolean): CleanLine {
    const { length, root } = promptLength(textOf(line));
    if (length === 0 || (root && !rootToo)) return line;
    this.note('prompt', line);
    return cut(line, length);
  }

  /** Joins what was wrapped and takes out what is no rule. */
  private sort(whole: Whole): void {
    /** The line a rule began on, while it may go on. */
    let open: number | undefined;
    let wraps = 0;
    let escaped = false;
    for (const [i, line] of this.lines.entries()) {
      const text = textOf(line).trim();
      const before = open === undefined ? undefined : this.lines[open];
      if (escaped) escaped = text.endsWith('\\');
      else if (text === '' || text.startsWith('#')) {
        open = undefined;
        if (startKind(text.replace(/^#+\s*/, '')) !== undefined && text !== '') this.comments.push(line);
      } else if (isStart(text, whole)) {
        open = i;
        wraps = 0;
        escaped = whole === 'script' && text.endsWith('\\');
      } else if (open !== undefined && before !== undefined && wraps < WRAPS_MAX && goesOn(before, text)) {
        wraps++;
        this.note('wrap', line);
        this.lines[open] = joined(before, line);
        this.lines[i] = [];
      } else {
        open = undefined;
        if (isProse(text, whole)) this.skip(i, line, text);
      }
    }
  }

  private skip(index: number, line: CleanLine, text: string): void {
    const start = startOf(line);
    this.lines[index] = [];
    if (start === undefined) return;
    const last = this.prose.at(-1);
    const between = last === undefined ? [] : this.lines.slice(last.last + 1, index);
    if (last === undefined || between.some((other) => textOf(other).trim() !== '')) {
      this.prose.push({ ...start, count: 1, first: text, last: index });
      return;
    }
    last.count++;
    last.last = index;
  }

  /** In a dump no line names the command, in a script every one does. */
  private matching(line: CleanLine, start: Start | undefined, whole: Whole): CleanLine {
    const blanks = textOf(line).length - textOf(line).trimStart().length;
    if (whole === 'script' && start === 'rule') {
      this.note('bare', line);
      return prefixed(cut(line, blanks), 'iptables ');
    }
    if (whole !== 'dump' || start !== 'command' || textOf(line).trim() === '') return line;
    this.note('extra', line);
    return cut(line, commandLength(textOf(line)));
  }

  private fixes(): PasteFix[] {
    const fixes = [...this.found].map(([kind, { line, column, lines }]): PasteFix => {
      const { what, hint, done } = EXPLAINED[kind];
      return { line, column, message: lines.size > 1 ? `${what} (on ${lines.size} lines)` : what, hint, done };
    });
    for (const { line, column, count, first } of this.prose) {
      const short = first.length > 40 ? `${first.slice(0, 40).trimEnd()}...` : first;
      const more = count > 1 ? ` and ${count - 1} more ${count === 2 ? 'line' : 'lines'}` : '';
      fixes.push({ line, column, message: `no rule: "${short}"${more}`, hint: 'only rules can be read', done: 'skipped' });
    }
    // Alone they are no reason to doubt a text; among other marks of a terminal the "#" may have been root's prompt.
    const [comment] = this.comments;
    const start = comment && startOf(comment);
    if (fixes.length > 0 && start !== undefined) {
      const what = this.comments.length === 1 ? 'a rule' : `rules (on ${this.comments.length} lines)`;
      fixes.push({
        ...start,
        message: `${what} behind "#"`,
        hint: 'leave the "#" out if it is a prompt',
        done: 'read as a comment',
        doubt: true,
      });
    }
    return fixes.sort((a, b) => a.line - b.line || a.column - b.column);
  }
}

const goesOn = (before: CleanLine, text: string): boolean => !isSentence(text) && continues(textOf(before), text);

/** In a dump, the command that printed it is no part of it. */
function isStart(text: string, whole: Whole): boolean {
  const kind = startKind(text);
  return kind !== undefined && !(whole === 'dump' && kind === 'service');
}

/** In a script anything may be a command, so only a sentence is taken for one. What may hold a rule never is. */
function isProse(text: string, whole: Whole): boolean {
  if (holdsCommand(text)) return false;
  if (whole === 'script') return !isShell(text) && isSentence(text);
  if (/^[:*[]/.test(text) && !isSentence(text)) return false;
  return isSentence(text) || hasNoRule(text);
}

const TAG =
  /<\/?(?:a|b|blockquote|body|br|code|div|em|font|html|i|li|ol|p|pre|span|strong|table|tbody|td|tr|tt|ul)(?:\s[^<>]*)?\/?>/gi;
const ENTITY = /&(#\d{1,6}|#x[\da-f]{1,5}|[a-z]+);/gi;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  gt: '>',
  hyphen: '-',
  ldquo: '\u201c',
  lsquo: '\u2018',
  lt: '<',
  mdash: '\u2014',
  minus: '\u2212',
  nbsp: ' ',
  ndash: '\u2013',
  quot: '"',
  rdquo: '\u201d',
  rsquo: '\u2019',
  shy: '\u00ad',
};

function entity(name: string): string | undefined {
  if (!name.startsWith('#')) return ENTITIES[name.toLowerCase()];
  const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  return code > 31 && code < 0xd800 ? String.fromCharCode(code) : undefined;
}

const BLANK = /[\u00a0\u2000-\u200b\u202f\u205f\u3000]/g;
/** One in front of a line's first option: there the readers cannot see it. */
const BLANK_FIRST = /^[^-"'\u201c]*[\u00a0\u2000-\u200b\u202f\u205f\u3000]/;
