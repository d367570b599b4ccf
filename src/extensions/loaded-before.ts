/** What the kernel refuses because of rules that were loaded before: state that rules share by name. */
import type { Profile } from '../model/profile.ts';
import type { RuleSet } from '../model/ruleset.ts';
import { checkEstimators } from './estimators-there.ts';
import { checkHashlimits } from './hashlimit-there.ts';

/** `rulesets`: of one host, in the order they are loaded in. Throws RuleError at the first rule that is refused. */
export function checkLoadedBefore(rulesets: readonly RuleSet[], backend: Profile['backend']): void {
  checkEstimators(rulesets, backend);
  checkHashlimits(rulesets, backend);
}
