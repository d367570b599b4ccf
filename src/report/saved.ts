/** The report as iptables-save -c prints it. */
import type { RuleSet } from '../model/ruleset.ts';
import { printSave } from '../syntax/index.ts';
import type { Report } from './report.ts';

/** One text a rule set, in the order of report.rules. */
export function renderSaved(report: Report, rules: readonly RuleSet[]): string {
  return rules
    .map((ruleset, index) => printSave(ruleset, { counters: true, values: (index === 0 ? report.tables : report.tables6) ?? {} }))
    .join('');
}
