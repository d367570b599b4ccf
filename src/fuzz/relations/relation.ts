/** What a relation is: a change of a case after which one and the same witness must answer in a way that follows from its first answer. No other witness is needed. */
import type { Draw } from '../../extensions/extension.ts';
import { parseSaveAll } from '../../syntax/index.ts';
import type { FuzzCase } from '../case.ts';
import type { Answer } from '../differential.ts';

/** A changed case, and what must hold. */
export interface Changed {
  fuzzCase: FuzzCase;
  /** Bytes fed at a time, when that is what changed. */
  chunk?: number;
  /** What does not follow, readable; empty when all is well. */
  compare(before: Answer, after: Answer): string[];
}

export interface Relation {
  name: string;
  /** When it applies, and what must be the same. */
  says: string;
  /** undefined where it does not apply. `draw`: where in the case, when there is a choice. */
  change(fuzzCase: FuzzCase, draw: Draw): Changed | undefined;
}

/** The case with other rules; undefined when they are refused. */
export function withRules(fuzzCase: FuzzCase, rules: string): FuzzCase | undefined {
  const { family } = fuzzCase;
  const { ruleset } = parseSaveAll(rules, { file: `rules.v${family}`, family });
  return ruleset === undefined ? undefined : { ...fuzzCase, rules, ruleset };
}
