/** The parts of one rule while its words are read: extensions with what was given to them, built-in options, and the rules they make. */
import type { Extension, GivenOption, MatchExtension, TargetExtension } from '../extensions/extension.ts';
import type { Position } from '../model/errors.ts';
import type { Builtin, Match, Rule, TableName, Target } from '../model/ruleset.ts';
import type { Network } from './addresses.ts';
import { type Context, fail } from './context.ts';
import { errorAt, type Word } from './source.ts';
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
}

export function newDraft(): Draft {
  return { builtin: {}, sources: [], sourceInverted: false, destinations: [], destinationInverted: false, matches: [] };
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
  const builtin = draft.builtin;
  const parse = (loaded: Loaded, extension: MatchExtension | TargetExtension): unknown =>
    extension.parse(loaded.given, {
      family: context.family,
      table,
      chain,
      builtin,
      position: loaded.word.position,
      error: (message, more = {}) =>
        errorAt(context.source, more.at ?? loaded.word.position, message, { kind: more.kind ?? 'illegal', hint: more.hint }),
    });
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
  return { assumed: { as: context.unsupported === 'assume-hit' ? 'hit' : 'miss', text } };
}

function finishTarget(
  draft: Draft,
  context: Context,
  table: TableName,
  parse: (loaded: Loaded, extension: TargetExtension) => unknown,
): Target | null {
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
