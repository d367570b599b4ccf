/** Reading one line of words as a command, strictly first, repaired where that was refused and repairs are to be had. */
import { RuleError } from '../model/errors.ts';
import { parseCommand } from './command.ts';
import type { Command, Context } from './context.ts';
import { type Fix, repairWords } from './repair.ts';
import { errorAt, type Note, type Word } from './source.ts';

export interface ReadResult {
  command: Command | undefined;
  notes: Note[];
}

/** Reads a command. With `repair`, notes tell what was put right; without, the error says what could be. */
export function readCommand(words: readonly Word[], text: string, context: Context, repair: boolean): ReadResult {
  try {
    const command = parseCommand(words, text, context);
    return { command, notes: command?.notes ?? [] };
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    const repaired = repairWords(words);
    if (repaired.fixes.length === 0) throw error;
    if (!repair) throw explain(repaired.fixes, context, error);
    const command = parseCommand(repaired.words, text, context);
    return { command, notes: [...repaired.fixes.map(fixNote), ...(command?.notes ?? [])] };
  }
}

function fixNote(fix: Fix): Note {
  return { position: fix.word.position, message: `repaired: ${fix.message} (${fix.hint})` };
}

/** The first fix that explains the refusal: the last one at or before the place where reading stopped, else the first. */
function explain(fixes: readonly Fix[], context: Context, error: RuleError): RuleError {
  const [first] = fixes;
  if (first === undefined) return error;
  return errorAt(context.source, first.word.position, first.message, {
    hint: `${first.hint} (--repair does it)`,
    kind: 'repairable',
  });
}
