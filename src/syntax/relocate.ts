/** What was read from a cleaned text, with the places of the text as it was. */
import { type Position, RuleError } from '../model/errors.ts';
import type { Chain, Rule, RuleSet } from '../model/ruleset.ts';

export type Locate = (position: Position) => Position;

/** The error at its place in the original, with the line that stands there. */
export function relocateError(error: RuleError, locate: Locate, lines: readonly string[]): RuleError {
  const position = locate(error.position);
  const source = lines[position.line - 1];
  return new RuleError(position, error.message, {
    kind: error.kind,
    ...(source === undefined ? {} : { source }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** The rule set with every place moved. */
export function relocateRules(ruleset: RuleSet, locate: Locate): RuleSet {
  const moved = <T extends { position: Position }>(thing: T): T => ({ ...thing, position: locate(thing.position) });
  const rule = (one: Rule): Rule => ({
    ...moved(one),
    matches: one.matches.map(moved),
    target: one.target === null ? null : moved(one.target),
  });
  const chain = (one: Chain): Chain => ({ ...moved(one), rules: one.rules.map(rule) });
  return {
    ...ruleset,
    tables: ruleset.tables.map((table) => ({ ...moved(table), chains: table.chains.map(chain) })),
    notes: ruleset.notes.map(moved),
  };
}
