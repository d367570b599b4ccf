/** The sets that rules name must be there, as when iptables loads the rules. */
import { RuleError } from '../model/errors.ts';
import type { IpSet, SetUse } from '../model/ipset.ts';
import type { Match, RuleSet } from '../model/ruleset.ts';

/** Throws RuleError at the first match that names a set nobody gave, or one of the other family. */
export function checkSets(rules: RuleSet, sets: readonly IpSet[]): void {
  for (const { name, options, position, assumed } of matchesOf(rules)) {
    if (name !== 'set' || assumed !== undefined) continue;
    const { set } = options as SetUse;
    const found = sets.find((one) => one.name === set);
    if (found === undefined)
      throw new RuleError(position, `set: there is no set "${set}"`, {
        kind: 'unsupported',
        hint: 'give the sets with --ipset FILE; make the file with "ipset save"',
      });
    if (found.family !== null && found.family !== rules.family)
      throw new RuleError(position, `set: "${set}" is a set of IPv${found.family}, the rule is of IPv${rules.family}`, {
        kind: 'illegal',
      });
  }
}

const matchesOf = ({ tables }: RuleSet): Match[] =>
  tables.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules.flatMap(({ matches }) => matches)));
