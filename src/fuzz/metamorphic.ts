/** Metamorphic checks: one witness against itself, on cases that must be answered alike. */
import type { Draw } from '../extensions/extension.ts';
import { captureOf, type FuzzCase } from './case.ts';
import { type Answer, ask, jobOf } from './differential.ts';
import { captureRelations } from './relations/of-captures.ts';
import { ruleRelations } from './relations/of-rules.ts';
import type { Relation } from './relations/relation.ts';
import type { Witness } from './witness.ts';

export const RELATIONS: readonly Relation[] = [...ruleRelations, ...captureRelations];

/** A relation that does not hold. */
export interface Broken {
  relation: string;
  lines: string[];
}

/** Told of every relation that was tried, and whether it applied. */
export type OnRelation = (relation: string, applied: boolean) => void;

/** The first relation that does not hold for a witness. `answer`: what it says of the case itself, if that is known. */
export async function metamorphic(
  fuzzCase: FuzzCase,
  witness: Witness,
  options: { answer?: Answer; relations?: readonly Relation[]; onRelation?: OnRelation } = {},
): Promise<Broken | undefined> {
  const before = options.answer ?? (await ask(witness, jobOf(fuzzCase), captureOf(fuzzCase)));
  for (const relation of options.relations ?? RELATIONS) {
    const changed = relation.change(fuzzCase, drawOf(fuzzCase));
    options.onRelation?.(relation.name, changed !== undefined);
    if (changed === undefined) continue;
    const { chunk = witness.chunk } = changed;
    const asked = chunk === undefined ? witness : { ...witness, chunk };
    const after = await ask(asked, jobOf(changed.fuzzCase), captureOf(changed.fuzzCase));
    const lines = changed.compare(before, { ...after, name: relation.name });
    if (lines.length > 0) return { relation: relation.name, lines };
  }
  return undefined;
}

/** Choices that follow from the case itself: the same case is changed in the same way whoever asks, also while it is shrunk. */
function drawOf({ rules, packets }: FuzzCase): Draw {
  let state = packets.length;
  for (let at = 0; at < rules.length; at++) state = (Math.imul(state, 31) + rules.charCodeAt(at)) >>> 0;
  const word = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
  const integer = (low: number, high: number): number => low + (word() % (high - low + 1));
  return {
    integer,
    pick: (choices) => choices[integer(0, choices.length - 1)]!,
    chance: (probability = 0.5) => word() < probability * 2 ** 24,
  };
}
