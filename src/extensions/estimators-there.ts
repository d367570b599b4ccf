/** The estimators that rules name must be there, as when iptables loads the rules: a RATEEST that was loaded before makes them. */
import { RuleError } from '../model/errors.ts';
import type { Profile } from '../model/profile.ts';
import { inLoadOrder, type RuleSet } from '../model/ruleset.ts';
import type { RateestOptions } from './rateest.ts';
import type { RateestTargetOptions } from './rateest-target.ts';

/**
 * `rulesets`: of one host, in the order they are loaded in; all share the names. Throws RuleError at the first `rateest` that asks an estimator nobody made, or RATEEST that is not as the one
 * before it of that name.
 */
export function checkEstimators(rulesets: readonly RuleSet[], backend: Profile['backend']): void {
  const made = new Map<string, RateestTargetOptions>();
  for (const { matches, target } of rulesets.flatMap((rules) => inLoadOrder(rules, backend))) {
    for (const { name, options, position, assumed } of matches) {
      if (name !== 'rateest' || assumed !== undefined) continue;
      const { name: one, other = one } = options as RateestOptions;
      const missing = [one, other].find((each) => !made.has(each));
      if (missing !== undefined)
        throw new RuleError(position, `rateest: there is no estimator "${missing}" yet`, {
          kind: 'illegal',
          hint: `a rule with -j RATEEST --rateest-name ${missing} must be loaded before it`,
        });
    }
    if (target?.kind !== 'extension' || target.name !== 'RATEEST' || target.assumed !== undefined) continue;
    const { name, interval, ewma } = target.options as RateestTargetOptions;
    const before = made.get(name) ?? { name, interval, ewma };
    if (before.interval !== interval || before.ewma !== ewma)
      throw new RuleError(target.position, `RATEEST: "${name}" is there already, with another interval or time constant`, {
        kind: 'illegal',
        hint: 'rules of one name must agree in both',
      });
    made.set(name, before);
  }
}
