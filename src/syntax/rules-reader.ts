/** Reading one line of words as a command, strictly first, repaired where that was refused and repairs are to be had. */
import { RuleError } from '../model/errors.ts';
import { parseCommand } from './command.ts';
import type { Command, Context } from './context.ts';
import { type Fix, repairWords } from './repair.ts';
import { errorAt, type Note, type Word } from './source.ts';

export interface ReadResult {
  command?: Command;
  notes: Note[];
  /** Why there is no command; without `repair` one for each thing that could be put right. */
  errors: RuleError[];
}

/** Reads a command. With `repair`, notes tell what was put right; without, the errors say what could be. */
export function readCommand(words: readonly Word[], text: string, context: Context, repair: boolean): ReadResult {
  const strict = attempt(words, text, context);
  const [error] = strict.errors;
  if (error === undefined) return strict;
  const { words: repaired, fixes } = repairWords(words);
  if (fixes.length === 0) return strict;
  const second = attempt(repaired, text, context);
  if (repair) return { ...second, notes: [...fixes.map(fixNote), ...second.notes] };
  if (second.errors.some((other) => sameError(other, error))) return strict;
  return { notes: [], errors: fixes.map((fix) => explain(fix, context)) };
}

function attempt(words: readonly Word[], text: string, context: Context): ReadResult {
  try {
    const command = parseCommand(words, text, context);
    return command === undefined ? { notes: [], errors: [] } : { command, notes: command.notes, errors: [] };
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    return { notes: [], errors: [error] };
  }
}

function sameError(a: RuleError, b: RuleError): boolean {
  return a.message === b.message && a.position.line === b.position.line && a.position.column === b.position.column;
}

function fixNote(fix: Fix): Note {
  return { position: fix.word.position, message: `repaired: ${fix.message}, ${fix.done}` };
}

function explain(fix: Fix, context: Context): RuleError {
  return errorAt(context.source, fix.word.position, fix.message, { hint: `${fix.hint} (--repair does it)`, kind: 'repairable' });
}
