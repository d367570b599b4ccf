/** Two or more rule sets side by side, for people. */
import type { RuleSet } from '../model/ruleset.ts';
import type { Comparison } from './comparison.ts';
import type { Report } from './report.ts';
import { count, PLAIN, plural, type Style } from './style.ts';
import { renderText, type TextOptions } from './text.ts';

/** Each report in full (unless quiet), then a table with one column a rule set and a line that says what changed. */
export function renderComparison(
  comparison: Comparison,
  rules: readonly (readonly RuleSet[])[],
  options: TextOptions = {},
): string {
  const style = options.style ?? PLAIN;
  const out: string[] = [];
  if (options.quiet !== true) {
    for (const [index, report] of comparison.reports.entries()) out.push(renderText(report, rules[index]!, options), '');
  }
  // Quiet leaves the reports out, not what they rest on.
  else
    for (const note of new Set(comparison.reports.flatMap((report) => report.host.notes))) out.push(style.warn(`host: ${note}`));
  out.push(style.bold('Side by side'), ...table(comparison.reports, style), '', verdictOf(comparison, style), '');
  return out.join('\n');
}

function table(reports: readonly Report[], style: Style): string[] {
  const rows: string[][] = [['', ...reports.map((report) => report.rules.join(' + '))]];
  const verdicts = [...new Set(reports.flatMap((report) => Object.keys(report.verdicts)))];
  for (const verdict of verdicts) rows.push([verdict, ...reports.map((report) => count(report.verdicts[verdict] ?? 0))]);
  rows.push(['evaluations', ...reports.map((report) => count(report.evaluations))]);
  const average = (report: Report): string =>
    report.netfilter.packets === 0 ? '0' : (report.evaluations / report.netfilter.packets).toFixed(2);
  rows.push(['a packet', ...reports.map(average)]);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row, index) => {
    const line = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ');
    return index === 0 ? style.dim(line) : line;
  });
}

function verdictOf(comparison: Comparison, style: Style): string {
  const { packets, flows } = comparison.changed;
  const evaluations = comparison.reports.map((report) => report.evaluations);
  const [least, most] = [Math.min(...evaluations), Math.max(...evaluations)];
  const best = comparison.reports[evaluations.indexOf(least)]!.rules.join(' + ');
  const same =
    packets === 0
      ? style.good('Every packet gets the same verdict.')
      : style.bad(
          `${plural(packets, 'packet')} of ${plural(flows, 'flow')} ${packets === 1 ? 'changes its' : 'change their'} verdict.`,
        );
  if (least === most) return `${same} ${evaluations.length === 2 ? 'Both' : 'All'} cost the same number of evaluations.`;
  const times = least === 0 ? '' : ` (${(most / least).toFixed(2)} times fewer)`;
  return `${same} ${best} needs ${count(least)} evaluations instead of ${count(most)}${times}.`;
}
