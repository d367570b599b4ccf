/** Tables of hashlimit are shared by name: rules of one must all have --hashlimit-rate-match, or none. */
import { RuleError } from '../model/errors.ts';
import type { Profile } from '../model/profile.ts';
import { inLoadOrder, type RuleSet } from '../model/ruleset.ts';
import type { HashlimitOptions } from './hashlimit-options.ts';

/**
 * `rulesets`: of one host; each family has tables of its own. Throws RuleError at the first rule whose table was made by one that counts otherwise (hashlimit_mt_check_common).
 */
export function checkHashlimits(rulesets: readonly RuleSet[], backend: Profile['backend']): void {
  for (const rules of rulesets) {
    const windowed = new Map<string, boolean>();
    for (const { name, options, position, assumed } of inLoadOrder(rules, backend).flatMap(({ matches }) => matches)) {
      if (name !== 'hashlimit' || assumed !== undefined) continue;
      const { name: table, window } = options as HashlimitOptions;
      const before = windowed.get(table) ?? window !== undefined;
      if (before !== (window !== undefined))
        throw new RuleError(position, `hashlimit: "${table}" is a table ${before ? 'with' : 'without'} --hashlimit-rate-match`, {
          kind: 'illegal',
          hint: 'give this rule another --hashlimit-name, or the same way to count',
        });
      windowed.set(table, before);
    }
  }
}
