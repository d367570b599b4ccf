/** Rules of any kind: told apart, read as they are, and where that fails, read without what a mail or a web page put around them. */
import type { RuleError } from '../model/errors.ts';
import type { Family } from '../model/ruleset.ts';
import type { Registry } from './context.ts';
import { splitFamilies } from './dual.ts';
import { guessFamily } from './family.ts';
import { foreignFormat } from './foreign.ts';
import type { ParseOptions } from './options.ts';
import { type PasteFix, unpaste } from './paste.ts';
import { isShell } from './paste-lines.ts';
import { relocateError, relocateRules } from './relocate.ts';
import { readSave } from './save.ts';
import { IGNORED, readScript, type ScriptResult } from './script.ts';
import { errorAt, readSource } from './source.ts';

/** What a text of rules is. */
export type RulesKind = 'save' | 'script' | 'bare';

export interface RulesResult {
  result?: ScriptResult & { kind: RulesKind };
  errors: RuleError[];
}

/** Tells a dump from a script of commands from lines of rules pasted without their table, by the first line that is one of these. */
export function rulesKind(text: string): RulesKind {
  let words = false;
  for (const line of text.split('\n')) {
    const bare = line.replace(/^[\s\u00a0\ufeff]+/, '');
    if (bare.startsWith('#!')) return 'script';
    if (bare === '' || bare.startsWith('#')) continue;
    if (bare.startsWith('*') || bare.startsWith(':')) return 'save';
    if (/^(\[\d*:\d*\]\s*)?[-\u2010-\u2015\u2212]/.test(bare)) return 'bare';
    if (isShell(bare)) return 'script';
    words = true;
  }
  return words ? 'script' : 'save';
}

/** Reads rules of any kind. Never throws for what the text holds. */
export function readRules(text: string, registry: Registry, options: ParseOptions): RulesResult {
  const plain = readPlain(text, registry, options);
  if (!doubtful(plain, options)) return plain;
  const foreign = foreignFormat(text);
  if (foreign !== undefined) {
    const at = { file: options.file, line: foreign.line, column: 1 };
    return { errors: [errorAt(readSource(text, options.file), at, foreign.message, { hint: foreign.hint, kind: 'syntax' })] };
  }
  const pasted = unpaste(text);
  if (pasted === undefined) return plain;
  const clean = moved(readPlain(pasted.text.text, registry, options), text, pasted.text.locate.bind(pasted.text));
  if (!better(clean, plain)) return plain;
  return options.repair ? noted(clean, pasted.fixes, options.file) : explained(clean, pasted.fixes, text, options.file);
}

function readPlain(text: string, registry: Registry, options: ParseOptions): RulesResult {
  const kind = rulesKind(text);
  if (kind === 'script') {
    const { result, errors } = readScript(text, registry, options);
    return result === undefined ? { errors } : { result: { ...result, kind }, errors };
  }
  const halves = kind === 'save' && options.family === undefined ? splitFamilies(text) : undefined;
  if (halves !== undefined) return readHalves(halves, registry, options);
  const family = options.family ?? guessFamily(text) ?? 4;
  const { ruleset, errors } = readSave(text, family, registry, options, kind === 'bare');
  return ruleset === undefined ? { errors } : { result: { [family]: ruleset, saves: [], kind }, errors };
}

/** Dumps of both families that came in one text. */
function readHalves(halves: Record<Family, string>, registry: Registry, options: ParseOptions): RulesResult {
  const read = (family: Family) => readSave(halves[family], family, registry, options, false);
  const [four, six] = [read(4), read(6)];
  const errors = [...four.errors, ...six.errors].sort((a, b) => a.position.line - b.position.line);
  if (four.ruleset === undefined || six.ruleset === undefined) return { errors };
  return { result: { 4: four.ruleset, 6: six.ruleset, saves: [], kind: 'save' }, errors };
}

const setsOf = ({ result }: RulesResult) => [result?.[4], result?.[6]].filter((ruleset) => ruleset !== undefined);
const tablesOf = (read: RulesResult): number => setsOf(read).reduce((total, { tables }) => total + tables.length, 0);

/** Refused, without a table, or (where repairs are asked for) with lines that a shell would not know. */
function doubtful(read: RulesResult, options: ParseOptions): boolean {
  if (read.errors.length > 0 || tablesOf(read) === 0) return true;
  return options.repair === true && setsOf(read).some(({ notes }) => notes.some(({ message }) => message.startsWith(IGNORED)));
}

/** Whether the cleaned text explains more: rules where there were none, or fewer errors, or none where there were none. */
function better(clean: RulesResult, plain: RulesResult): boolean {
  if (plain.errors.length > 0) return clean.errors.length < plain.errors.length || repairable(clean);
  return tablesOf(plain) === 0 ? clean.errors.length > 0 || tablesOf(clean) > 0 : clean.errors.length === 0;
}

const repairable = ({ errors }: RulesResult): boolean => errors.every(({ kind }) => kind === 'repairable');

function moved(read: RulesResult, text: string, locate: Parameters<typeof relocateError>[1]): RulesResult {
  const lines = text.split('\n');
  const errors = read.errors.map((error) => relocateError(error, locate, lines));
  const { result } = read;
  if (result === undefined) return { errors };
  const saves = result.saves.map((save) => ({ ...save, position: locate(save.position) }));
  const rules = Object.fromEntries(setsOf(read).map((ruleset) => [ruleset.family, relocateRules(ruleset, locate)]));
  return { result: { ...result, ...rules, saves }, errors };
}

function noted(read: RulesResult, fixes: readonly PasteFix[], file: string): RulesResult {
  const [first] = setsOf(read);
  first?.notes.unshift(
    ...fixes.map(({ line, column, message, done, doubt }) => ({
      position: { file, line, column },
      message:
        done === 'skipped' ? `skipped: ${message}` : `${doubt === true ? 'not repaired' : 'repaired'}: ${message}, ${done}`,
    })),
  );
  return read;
}

function explained({ errors }: RulesResult, fixes: readonly PasteFix[], text: string, file: string): RulesResult {
  const source = readSource(text, file);
  const all = fixes
    .filter(({ doubt }) => doubt !== true)
    .map(({ line, column, message, hint }) =>
      errorAt(source, { file, line, column }, message, { hint: `${hint} (--repair does it)`, kind: 'repairable' }),
    );
  return {
    errors: [...all, ...errors].sort((a, b) => a.position.line - b.position.line || a.position.column - b.position.column),
  };
}
