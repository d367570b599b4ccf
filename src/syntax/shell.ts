/**
 * As much of the shell as administrators' firewall scripts need: words with quotes, escapes and simple variables, comments, continuation lines,
 * `;` `&&` `||` `|` and redirections. What decides at run time (loops, conditions, substitutions, functions) is an error with its place.
 */
import type { RuleError } from '../model/errors.ts';
import { KEYWORDS } from './commands.ts';
import { errorAt, type Source, type Word } from './source.ts';

/** A word; `unknown` when only running the script could tell what it is. */
export interface ShellWord extends Word {
  unknown?: RuleError;
}

/** A simple command. */
export interface ShellCommand {
  words: ShellWord[];
  /** How it hangs on the one before. */
  joined: 'start' | ';' | '&&' | '||' | '|';
  /** Something may follow that makes a failure harmless: `|| true`, `2>/dev/null`. */
  tolerant: boolean;
  /** `< file` and its place; `> file`. */
  input?: ShellWord;
  output?: ShellWord;
  /** Delimiters of here-documents, whose lines are skipped. */
  documents: string[];
  /** The line or lines as written. */
  text: string;
}

/** Values of variables; an error says why one is not known here. */
export type Variables = Map<string, string | RuleError>;

/** Called for each command as it is read, before the next is: assignments must be in force for the words that follow. */
export type OnCommand = (command: ShellCommand) => void;

export const FOLLOW_HINT = 'run the script where it belongs and give the output of iptables-save, or write the commands out';

interface Logical {
  text: string;
  /** Offsets in text where a new physical line starts, with its number. */
  starts: { offset: number; line: number }[];
  end: number;
}

/** Reads a script. Errors go to `onError`; reading goes on with the next line. */
export class ShellReader {
  readonly variables: Variables = new Map();
  private readonly source: Source;

  constructor(source: Source) {
    this.source = source;
  }

  /** Calls back for each command in order. `onError` gets what cannot be followed; a block that cannot is one error. */
  read(onCommand: OnCommand, onError: (error: RuleError) => void): void {
    let depth = 0;
    for (let i = 0; i < this.source.lines.length; ) {
      const logical = this.logicalLine(i);
      i = logical.end;
      const opens = blockDepth(logical.text);
      if (depth > 0) {
        depth = Math.max(0, depth + opens);
        continue;
      }
      try {
        const documents = new LineReader(this.source, logical, this.variables).commands(onCommand);
        for (const delimiter of documents) i = this.skipDocument(i, delimiter);
      } catch (error) {
        onError(error as RuleError);
        depth = Math.max(0, opens);
      }
    }
  }

  /** Index of the line behind a here-document. */
  private skipDocument(first: number, delimiter: string): number {
    const end = this.source.lines.findIndex((line, i) => i >= first && line.text.replace(/^\t+/, '') === delimiter);
    return end < 0 ? this.source.lines.length : end + 1;
  }

  /** Joins lines that end with a backslash, or inside quotes. */
  private logicalLine(first: number): Logical {
    let text = '';
    let quote = '';
    const starts: Logical['starts'] = [];
    let i = first;
    for (; i < this.source.lines.length; i++) {
      const line = this.source.lines[i];
      if (line === undefined) break;
      starts.push({ offset: text.length, line: line.number });
      const piece = line.text;
      const { continued, open } = scan(piece, quote);
      text += continued ? piece.slice(0, -1) : piece;
      quote = open;
      if (!continued && quote === '') return { text, starts, end: i + 1 };
      if (!continued) text += '\n';
    }
    return { text, starts, end: i };
  }
}

/** Whether a line ends in a continuation, and which quote is open at its end; `quote` is the one open at its start. */
function scan(line: string, quote: string): { continued: boolean; open: string } {
  let open = quote;
  let wordStart = true;
  for (let i = 0; i < line.length; i++) {
    const char = line[i] ?? '';
    if (open === "'") {
      if (char === "'") open = '';
    } else if (char === '\\') {
      if (i === line.length - 1) return { continued: true, open };
      i++;
    } else if (open === '"') {
      if (char === '"') open = '';
    } else if (char === '#' && wordStart) return { continued: false, open };
    else if (char === '"' || char === "'") open = char;
    wordStart = open === '' && /[\s;&|(]/.test(char);
  }
  return { continued: false, open };
}

/** How many blocks a line opens more than it closes. */
function blockDepth(text: string): number {
  const bare = text.replace(/"[^"]*"|'[^']*'|(^|\s)#.*/g, ' ');
  const count = (words: RegExp) => bare.match(words)?.length ?? 0;
  const opened =
    count(/(^|[;&|]|\b(then|do|else)\b)\s*(if|case|for|while|until|select)\s/g) + count(/\(\)\s*\{|(^|[;&|\s])\{(\s|$)/g);
  return opened - count(/(^|[;&|\s])(fi|done|esac)(?=$|[;&|)\s])/g) - count(/(^|[;\s])\}(\s|;|$)/g);
}

/** The commands of one logical line. */
class LineReader {
  private readonly source: Source;
  private readonly logical: Logical;
  private readonly variables: Variables;
  private at = 0;
  /** Why the word being read is not known. */
  private unknown: RuleError | undefined;

  constructor(source: Source, logical: Logical, variables: Variables) {
    this.source = source;
    this.logical = logical;
    this.variables = variables;
  }

  commands(onCommand: OnCommand): string[] {
    const documents: string[] = [];
    let joined: ShellCommand['joined'] = 'start';
    for (;;) {
      const command: ShellCommand = { words: [], joined, tolerant: false, documents, text: this.logical.text.trim() };
      const operator = this.command(command);
      if (operator === '||') command.tolerant = true;
      if (command.words.length > 0 || command.output !== undefined) onCommand(command);
      if (operator === undefined) return documents;
      joined = operator;
    }
  }

  private place(offset: number) {
    const start = this.logical.starts.findLast((candidate) => candidate.offset <= offset);
    return { file: this.source.file, line: start?.line ?? 1, column: offset - (start?.offset ?? 0) + 1 };
  }

  private error(offset: number, message: string, hint = FOLLOW_HINT): RuleError {
    return errorAt(this.source, this.place(offset), message, { hint, kind: 'script' });
  }

  /** Reads one simple command; gives the operator behind it, undefined at the end of the line. */
  private command(command: ShellCommand): Exclude<ShellCommand['joined'], 'start'> | undefined {
    const { text } = this.logical;
    for (;;) {
      while (/[ \t\r\n]/.test(text[this.at] ?? '')) this.at++;
      const char = text[this.at];
      if (char === undefined || char === '#') return undefined;
      const operator = /^(&&|\|\||;;?|\||&(?!>))/.exec(text.slice(this.at, this.at + 2))?.[0];
      if (operator !== undefined) {
        this.at += operator.length;
        if (operator === ';;') throw this.error(this.at - 2, 'a condition cannot be followed');
        return operator === '&' ? ';' : (operator as ';' | '&&' | '||' | '|');
      }
      if (/^([0-9]*|&)[<>]/.test(text.slice(this.at, this.at + 4))) this.redirection(command);
      else this.word(command);
    }
  }

  private redirection(command: ShellCommand): void {
    const { text } = this.logical;
    const found = /^([0-9]*|&)(<<<?|<|>>|>\||>)(&?)/.exec(text.slice(this.at, this.at + 6));
    if (found === null) throw this.error(this.at, 'a redirection that cannot be read');
    this.at += found[0].length;
    const document = found[2] === '<<';
    if (document && text[this.at] === '-') this.at++;
    while (/[ \t]/.test(text[this.at] ?? '')) this.at++;
    const target = this.readWord();
    if (found[3] === '&') return;
    if (document) command.documents.push(target.text);
    else if (found[2]?.startsWith('<')) command.input = target;
    else if (found[1] === '2' || found[1] === '&') command.tolerant ||= target.text === '/dev/null';
    else command.output = target;
  }

  private word(command: ShellCommand): void {
    const { text } = this.logical;
    const start = this.at;
    const raw = /^[^\s;&|<>"'`$()]*/.exec(text.slice(start))?.[0] ?? '';
    if (command.words.length === 0) {
      const keyword = KEYWORDS.get(raw);
      if (keyword !== undefined) throw this.error(start, `${keyword} ("${raw}") cannot be followed`);
      if (text[start] === '(' || text[start] === ')') throw this.error(start, 'a subshell cannot be followed');
      if (text[start + raw.length] === '(') throw this.error(start, `a function ("${raw}") cannot be followed`);
    } else if (text[start] === '(' || text[start] === ')') throw this.error(start, 'parentheses cannot be followed');
    this.readWords(command);
  }

  private readWord(): ShellWord {
    const holder: ShellCommand = { words: [], joined: ';', tolerant: false, documents: [], text: '' };
    const start = this.at;
    this.readWords(holder);
    return holder.words[0] ?? { text: '', position: this.place(start), quoted: false };
  }

  /** One word of the text, which an unquoted variable may split into several or none. */
  private readWords(command: ShellCommand): void {
    const { text } = this.logical;
    const position = this.place(this.at);
    let word = '';
    let begun = false;
    let quoted = false;
    this.unknown = undefined;
    const flush = () => {
      if (begun) command.words.push({ text: word, position, quoted, ...(this.unknown ? { unknown: this.unknown } : {}) });
      word = '';
      begun = false;
    };
    for (let char = text[this.at]; char !== undefined && !/[ \t\r\n;&|<>()]/.test(char); char = text[this.at]) {
      if (char === "'" || char === '"') {
        word += char === "'" ? this.single() : this.double();
        begun = quoted = true;
      } else if (char === '$' || char === '`') {
        const fields = this.variable().split(/[ \t\n]+/);
        for (const [i, field] of fields.entries()) {
          if (i > 0) flush();
          word += field;
          begun ||= field !== '' || this.unknown !== undefined;
        }
      } else {
        if (char === '\\') this.at++;
        word += text[this.at] ?? '';
        this.at++;
        begun = true;
      }
    }
    flush();
  }

  private single(): string {
    const end = this.logical.text.indexOf("'", this.at + 1);
    if (end < 0) throw this.error(this.at, 'a quote that is never closed', 'close the quote');
    const inside = this.logical.text.slice(this.at + 1, end);
    this.at = end + 1;
    return inside;
  }

  private double(): string {
    const { text } = this.logical;
    const start = this.at++;
    let out = '';
    for (let char = text[this.at]; char !== '"'; char = text[this.at]) {
      if (char === undefined) throw this.error(start, 'a quote that is never closed', 'close the quote');
      if (char === '$' || char === '`') {
        out += this.variable();
        continue;
      }
      if (char === '\\' && /["\\$`]/.test(text[this.at + 1] ?? '')) this.at++;
      out += text[this.at] ?? '';
      this.at++;
    }
    this.at++;
    return out;
  }

  /** The value behind `$` or a backquote; what is not known makes the word unknown. */
  private variable(): string {
    const { text } = this.logical;
    const start = this.at;
    if (text[start] === '`' || text.startsWith('$(', start)) return this.substitution(start);
    const found = /^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\}|\{[^}]*\}|[0-9#?@*!$-])/.exec(
      text.slice(start, start + 200),
    );
    this.at += found?.[0].length ?? 1;
    if (found === null) return '$';
    const name = found[1] ?? found[2];
    if (name === undefined) return this.notKnown(this.error(start, `${found[0]} cannot be followed, only $NAME`));
    const value = this.variables.get(name);
    if (typeof value === 'string') return value;
    const set = `set it above: ${name}=...`;
    if (value === undefined) return this.notKnown(this.error(start, `the variable ${name} is not set in this script`, set));
    return this.notKnown(this.error(start, `the variable ${name} is only known when the script runs`, set));
  }

  private notKnown(error: RuleError): string {
    this.unknown ??= error;
    return '';
  }

  /** `$(which iptables)` is iptables; any other substitution is not known. */
  private substitution(start: number): string {
    const { text } = this.logical;
    const dollar = text[start] === '$';
    let end = start + (dollar ? 2 : 1);
    for (let depth = 1; end < text.length; end++) {
      const char = text[end];
      if (char === '\\') end++;
      else if (dollar ? char === ')' && --depth === 0 : char === '`') break;
      else if (dollar && char === '(') depth++;
    }
    if (end >= text.length) throw this.error(start, 'a command substitution that never ends', 'close it');
    this.at = end + 1;
    const inside = text.slice(start + (dollar ? 2 : 1), end);
    const tool = /^\s*(?:which|command\s+-v|type\s+-p)\s+([\w./-]+)\s*(?:2>\s*\/dev\/null\s*)?$/.exec(inside)?.[1];
    return tool ?? this.notKnown(this.error(start, 'a command substitution cannot be followed'));
  }
}
