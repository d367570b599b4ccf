/** A text with parts cut out and put in, which still knows where everything stood. */
import type { Position } from '../model/errors.ts';

/** A stretch of a line. `made`: a repair wrote it, so all of it stands for the one place it was put in. */
interface Piece {
  text: string;
  line: number;
  column: number;
  made: boolean;
}

/** A line in pieces, in order. */
export type CleanLine = readonly Piece[];

/** A line as it was; `number` counts from 1. */
export function rawLine(text: string, number: number): CleanLine {
  return [{ text, line: number, column: 1, made: false }];
}

export function textOf(line: CleanLine): string {
  return line.map((piece) => piece.text).join('');
}

/** Where a line's first character stood; undefined for an empty line. */
export function startOf(line: CleanLine): { line: number; column: number } | undefined {
  return line.find((piece) => piece.text !== '');
}

/** The line without its first `length` characters. */
export function cut(line: CleanLine, length: number): CleanLine {
  let left = length;
  return line.flatMap((piece) => {
    const gone = Math.min(left, piece.text.length);
    left -= gone;
    if (gone === piece.text.length) return [];
    return [{ ...piece, text: piece.text.slice(gone), column: piece.made ? piece.column : piece.column + gone }];
  });
}

/** The line without blanks at its end. */
export function trimEnd(line: CleanLine): CleanLine {
  const end = line.findLastIndex((piece) => piece.text.trim() !== '');
  const last = line[end];
  return last === undefined ? [] : [...line.slice(0, end), { ...last, text: last.text.trimEnd() }];
}

/** `text` put in front of a line. */
export function prefixed(line: CleanLine, text: string): CleanLine {
  const at = line[0];
  return at === undefined ? line : [{ text, line: at.line, column: at.column, made: true }, ...line];
}

/** Two lines with a blank between them. */
export function joined(first: CleanLine, second: CleanLine): CleanLine {
  return [...trimEnd(first), ...prefixed(second, ' ')];
}

/** Every match of `pattern` (a global one) replaced; `make` answers undefined to leave a match alone. */
export function replaced(line: CleanLine, pattern: RegExp, make: (found: RegExpExecArray) => string | undefined): CleanLine {
  return line.flatMap((piece) => {
    if (piece.made) return [piece];
    const out: Piece[] = [];
    let done = 0;
    const upTo = (end: number) => {
      if (end > done) out.push({ ...piece, text: piece.text.slice(done, end), column: piece.column + done });
    };
    for (const found of piece.text.matchAll(pattern)) {
      const text = make(found);
      if (text === undefined) continue;
      upTo(found.index);
      out.push({ text, line: piece.line, column: piece.column + found.index, made: true });
      done = found.index + found[0].length;
    }
    upTo(piece.text.length);
    return out;
  });
}

/** Cleaned lines, one for each line there was (those that were joined to another are empty). */
export class CleanText {
  readonly text: string;
  private readonly lines: readonly CleanLine[];

  constructor(lines: readonly CleanLine[]) {
    this.lines = lines;
    this.text = lines.map(textOf).join('\n');
  }

  /** Where a place of the cleaned text stood before. */
  locate(position: Position): Position {
    const line = this.lines[position.line - 1] ?? [];
    let offset = position.column - 1;
    for (const [i, piece] of line.entries()) {
      if (offset < piece.text.length || i === line.length - 1)
        return { file: position.file, line: piece.line, column: piece.made ? piece.column : piece.column + offset };
      offset -= piece.text.length;
    }
    return position;
  }
}
