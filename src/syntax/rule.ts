/** The parts of one rule while its words are read: extensions with what was given to them, built-in options, and the rules they make. */
import type { Extension, GivenOption, MatchExtension, ParseContext, TargetExtension } from '../extensions/extension.ts';
import { type Position, RuleError } from '../model/errors.ts';
import type { Builtin, Match, Rule, TableName, Target } from '../model/ruleset.ts';
import type { Network } from './addresses.ts';
import { type Context, fail } from './context.ts';
import { errorAt, type Note, type Word } from './source.ts';
import { quoteWord } from './words.ts';

/** One extension in use. Without `extension` it is assumed, and `words` is what it was given. */
export interface Loaded {
  name: string;
  extension: Extension | undefined;
  word: Word;
  given: GivenOption[];
  words: Word[];
}

/** A rule under way. */
export interface Draft {
  builtin: Builtin;
  sources: Network[];
  sourceInverted: boolean;
  destinations: Network[];
  destinationInverted: boolean;
  protocolName?: string;
  matches: Loaded[];
  target?: Loaded;
  jump?: { word: Word; goto: boolean };
  counters?: { packets: number; bytes: number };
  /** What the report says of it. */
  notes: Note[];
}

/** What to do about an extension or an option that is not there yet. */
export const ASSUME_HINT = '--unsupported assume-miss or assume-hit goes on without it';

export function newDraft(): Draft {
  return {
    builtin: {},
    sources: [],
    sourceInverted: false,
    destinations: [],
    destinationInverted: false,
    matches: [],
    notes: [],
  };
}

const VERDICTS = new Set(['ACCEPT', 'DROP', 'RETURN', 'QUEUE']);

/** Whether a name is one of the verdicts every table has. */
export function isVerdict(name: string): name is 'ACCEPT' | 'DROP' | 'RETURN' | 'QUEUE' {
  return VERDICTS.has(name);
}

/** Makes the rules of a finished draft: one for each pair of addresses. Extensions parse their options here, when -p and the rest are known. */
export function finishRules(
  draft: Draft,
  context: Context,
  table: TableName,
  chain: string,
  position: Position,
  text: string,
): Rule[] {
  const { builtin } = draft;
  const parse: ParseLoaded = (loaded, extension) => parseExtension(loaded, extension, { draft, context, table, chain });
  const matches: Match[] = draft.matches.map((loaded) => ({
    name: loaded.name,
    options: loaded.extension === undefined ? undefined : parse(loaded, loaded.extension),
    position: loaded.word.position,
    ...assumption(loaded, context),
  }));
  const target = finishTarget(draft, context, table, parse);
  const rules: Rule[] = [];
  for (const source of addressPart('source', draft.sources, draft.sourceInverted)) {
    for (const destination of addressPart('destination', draft.destinations, draft.destinationInverted)) {
      rules.push({
        position,
        text,
        builtin: { ...source, ...destination, ...builtin },
        matches,
        target,
        ...(draft.counters === undefined ? {} : { counters: draft.counters }),
      });
    }
  }
  return rules;
}

type ParseLoaded = (loaded: Loaded, extension: MatchExtension | TargetExtension) => unknown;

/** An extension's own parse. Options that are not there yet make it an assumed one, where that is asked for. */
function parseExtension(
  loaded: Loaded,
  extension: MatchExtension | TargetExtension,
  { draft, context, table, chain }: { draft: Draft; context: Context; table: TableName; chain: string },
): unknown {
  const position = loaded.word.position;
  const error: ParseContext['error'] = (message, { at = position, kind = 'illegal', hint } = {}) =>
    errorAt(context.source, at, message, { kind, hint: hint ?? (kind === 'unsupported' ? ASSUME_HINT : undefined) });
  try {
    return extension.parse(loaded.given, {
      family: context.family,
      table,
      chain,
      builtin: draft.builtin,
      backend: context.backend,
      kernel: context.kernel,
      position,
      error,
      note: (message, at) => draft.notes.push({ position: at, message }),
    });
  } catch (problem) {
    if (!(problem instanceof RuleError) || problem.kind !== 'unsupported' || context.unsupported === 'refuse') throw problem;
    loaded.extension = undefined;
    loaded.words = loaded.given.flatMap((option) => givenWords(option, loaded.word));
    draft.notes.push({ position: problem.position, message: `${problem.message}: taken for a ${assumedAs(context)}` });
    return undefined;
  }
}

function addressPart(
  key: 'source' | 'destination',
  networks: readonly Network[],
  invert: boolean,
): Pick<Builtin, 'source' | 'destination'>[] {
  if (networks.length === 0) return [{}];
  return networks.map((network) => {
    const anything = !invert && network.mask.every((word) => word === 0);
    return anything ? {} : { [key]: { ...network, invert } };
  });
}

function assumption(loaded: Loaded, context: Context): Pick<Match, 'assumed'> {
  if (loaded.extension !== undefined) return {};
  const text = loaded.words.map((word) => quoteWord(word.text)).join(' ');
  return { assumed: { as: assumedAs(context), text } };
}

/** What --unsupported says of an extension. */
export function assumedAs(context: Context): 'hit' | 'miss' {
  return context.unsupported === 'assume-hit' ? 'hit' : 'miss';
}

function givenWords({ name, values, invert }: GivenOption, at: Word): Word[] {
  return [...(invert ? ['!'] : []), `--${name}`, ...values].map((text) => ({ ...at, text }));
}

function finishTarget(draft: Draft, context: Context, table: TableName, parse: ParseLoaded): Target | null {
  const { jump, target } = draft;
  if (jump === undefined) return null;
  const name = jump.word.text;
  const position = jump.word.position;
  if (isVerdict(name)) return { kind: 'verdict', verdict: name, position };
  if (context.isChain(table, name)) return { kind: 'chain', chain: name, goto: jump.goto, position };
  if (target === undefined)
    throw fail(context, jump.word, `no chain or target named "${name}"`, { kind: context.dump ? 'illegal' : 'state' });
  const options = target.extension?.kind === 'target' ? parse(target, target.extension) : undefined;
  return { kind: 'extension', name, options, position, ...assumption(target, context) };
}
