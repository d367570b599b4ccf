/** The text being read: its lines, and errors that point into it. */
import { type Position, RuleError } from '../model/errors.ts';
import type { RuleSet } from '../model/ruleset.ts';

export type Note = RuleSet['notes'][number];

/** One line without its newline. `terminated` is false for a last line that has none. */
export interface Line {
  number: number;
  text: string;
  terminated: boolean;
}

export interface Source {
  file: string;
  lines: readonly Line[];
}

/** One word of a line: an argument as the tool would see it. */
export interface Word {
  text: string;
  position: Position;
  /** It was written in quotes (wholly or in part), so typing errors inside are meant. */
  quoted: boolean;
}

/** Lines as fgets would give them: only a newline ends a line, a carriage return is a character. */
export function readSource(text: string, file: string): Source {
  const parts = text.split('\n');
  const lines = parts.map((line, i) => ({ number: i + 1, text: line, terminated: i < parts.length - 1 }));
  if (lines.at(-1)?.text === '') lines.pop();
  return { file, lines };
}

/** An error at a place of the source, with its line for the caret. */
export function errorAt(
  source: Source,
  position: Position,
  message: string,
  more: { hint?: string | undefined; kind?: string | undefined } = {},
): RuleError {
  const line = source.lines[position.line - 1];
  return new RuleError(position, message, {
    ...(line === undefined ? {} : { source: line.text }),
    ...(more.hint === undefined ? {} : { hint: more.hint }),
    kind: more.kind ?? 'syntax',
  });
}

/** A position on a line, counted in UTF-16 units from 1. */
export function placeOn(source: Source, line: Line, column: number): Position {
  return { file: source.file, line: line.number, column };
}
