/** The sets that rules name must be there, as when iptables loads the rules; and which of them rules change. */
import { type Position, RuleError } from '../model/errors.ts';
import { type IpSet, LIST_TYPE, type SetUse } from '../model/ipset.ts';
import type { RuleSet } from '../model/ruleset.ts';
import type { SetTargetOptions } from './set-target.ts';

interface Named {
  /** The match or the target. */
  by: 'set' | 'SET';
  use: SetUse;
  position: Position;
  adds: boolean;
  changes: boolean;
}

/** Throws RuleError at the first match or target that names a set nobody gave, or one of the other family. */
export function checkSets(rules: RuleSet, sets: readonly IpSet[]): void {
  for (const { by, use, position } of named(rules)) {
    const found = sets.find((one) => one.name === use.set);
    if (found === undefined)
      throw new RuleError(position, `${by}: there is no set "${use.set}"`, {
        kind: 'unsupported',
        hint: 'give the sets with --ipset FILE; make the file with "ipset save"',
      });
    if (found.family !== null && found.family !== rules.family)
      throw new RuleError(position, `${by}: "${use.set}" is a set of IPv${found.family}, the rule is of IPv${rules.family}`, {
        kind: 'illegal',
      });
  }
}

/** Names of the sets that rules change (`adds`: those they add to): with a list all that it has. */
export function changedSets(
  rulesets: readonly RuleSet[],
  sets: readonly IpSet[],
): { changed: ReadonlySet<string>; adds: ReadonlySet<string> } {
  const [changed, added] = [new Set<string>(), new Set<string>()];
  for (const { use, adds, changes } of rulesets.flatMap(named)) {
    const found = sets.find(({ name }) => name === use.set);
    for (const name of found?.type === LIST_TYPE ? found.members.map((member) => member.set) : [use.set]) {
      if (changes) changed.add(name);
      if (adds) added.add(name);
    }
  }
  return { changed, adds: added };
}

function named({ tables }: RuleSet): Named[] {
  return tables.flatMap(({ chains }) =>
    chains.flatMap(({ rules }) =>
      rules.flatMap(({ matches, target }) => [
        ...matches.flatMap(({ name, options, position, assumed }) =>
          name === 'set' && assumed === undefined
            ? [{ by: 'set' as const, use: options as SetUse, position, adds: false, changes: false }]
            : [],
        ),
        ...(target?.kind === 'extension' && target.name === 'SET' && target.assumed === undefined
          ? namedByTarget(target.options as SetTargetOptions, target.position)
          : []),
      ]),
    ),
  );
}

const namedByTarget = ({ add, del, map }: SetTargetOptions, position: Position): Named[] => [
  ...(add === undefined ? [] : [{ by: 'SET' as const, use: add, position, adds: true, changes: true }]),
  ...(del === undefined ? [] : [{ by: 'SET' as const, use: del, position, adds: false, changes: true }]),
  ...(map === undefined ? [] : [{ by: 'SET' as const, use: map, position, adds: false, changes: false }]),
];
