/** Positions and errors that can point at their place in a file. */

/** 1-based line and column in `file`. */
export interface Position {
  file: string;
  line: number;
  column: number;
}

/** What is wrong in a rule file: `rules.v4:14:23: tcp: --sport wants LOW:HIGH, got 4:3`. */
export class RuleError extends Error {
  readonly position: Position;
  /** The line it stands in, for the caret; undefined when the text is not at hand. */
  readonly source: string | undefined;
  /** What to write instead: `en dash; write --state`. */
  readonly hint: string | undefined;
  /** A machine-readable kind: `syntax`, `unsupported` (an extension we do not have yet), `illegal` (what iptables refuses), `misplaced` (what it refuses for the chains that lead there)... */
  readonly kind: string;

  constructor(position: Position, message: string, more: { source?: string; hint?: string; kind?: string } = {}) {
    super(message);
    this.name = 'RuleError';
    this.position = position;
    this.source = more.source;
    this.hint = more.hint;
    this.kind = more.kind ?? 'syntax';
  }

  /** `file:line:column: message`, then the source line and a caret, then the hint. */
  format(): string {
    return formatted(this);
  }
}

interface Placed {
  message: string;
  position?: Position | undefined;
  source?: string | undefined;
  hint?: string | undefined;
}

function formatted({ message, position, source, hint }: Placed): string {
  const out = [position === undefined ? message : `${position.file}:${position.line}:${position.column}: ${message}`];
  if (position !== undefined && source !== undefined) {
    const { text, caret } = excerpt(source, position.column - 1);
    out.push(`  ${text}`, `  ${' '.repeat(caret)}^`);
  }
  if (hint !== undefined) out.push(`  hint: ${hint}`);
  return out.join('\n');
}

/** What is wrong with a host flag or file: the message names it. */
export class HostError extends Error {
  /** Where, if it is known: of files whose text is at hand. */
  readonly position: Position | undefined;
  readonly source: string | undefined;
  readonly hint: string | undefined;

  constructor(message: string, { position, source, hint }: Omit<Placed, 'message'> = {}) {
    super(message);
    this.name = 'HostError';
    this.position = position;
    this.source = source;
    this.hint = hint;
  }

  /** As RuleError; without a place the message alone, and the hint. */
  format(): string {
    return formatted(this);
  }
}

/** Characters of a line that are shown, and how many of them in front of the place when the line is longer. */
const SHOWN = 200;
const SHOWN_BEFORE = 120;

/** The part of a line around offset `at`, and where that is in it. */
function excerpt(line: string, at: number): { text: string; caret: number } {
  const place = Math.max(0, at);
  if (line.length <= SHOWN) return { text: line, caret: place };
  const from = Math.min(Math.max(0, place - SHOWN_BEFORE), Math.max(0, line.length - SHOWN));
  const [head, tail] = [from > 0 ? '... ' : '', from + SHOWN < line.length ? ' ...' : ''];
  return { text: `${head}${line.slice(from, from + SHOWN)}${tail}`, caret: head.length + place - from };
}
