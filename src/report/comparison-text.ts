/** Two or more rule sets side by side, for people. */
import type { RuleSet } from '../model/ruleset.ts';
import type { Change, ChangedFlow, Comparison } from './comparison.ts';
import { damageLines } from './damage.ts';
import type { Fate } from './fates.ts';
import type { Report } from './report.ts';
import { count, PLAIN, plural, type Style } from './style.ts';
import { renderText, type TextOptions } from './text.ts';

/** Changed flows shown; the JSON document lists more, --verdicts all packets. */
const FLOWS_SHOWN = 10;

/** Each report in full (unless quiet), then a table with one column a rule set, the first flows that change, and a line that says how many do. */
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
  else {
    out.push(...damageLines(comparison.reports[0]?.captures ?? []).map((line) => style.bad(line)));
    out.push(...[...new Set(comparison.reports.flatMap(notesOf))].map((note) => style.warn(note)));
  }
  out.push(style.bold('Side by side'), ...table(comparison.reports, style), '');
  out.push(...changeLines(comparison, style), ...elsewhereLines(comparison, style), verdictOf(comparison, style), '');
  return out.join('\n');
}

const notesOf = ({ host, notes }: Report): string[] => [
  ...host.notes.map((note) => `host: ${note}`),
  ...notes.map((note) => `note: ${note}`),
];

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

function changeLines({ changes, changed }: Comparison, style: Style): string[] {
  const what = 'What changes (the first packet of each flow)';
  return flowLines(what, changes, changed.flows, ['verdict', fateText, ' (--verdicts FILE writes every packet)'], style);
}

function elsewhereLines({ elsewhere }: Comparison, style: Style): string[] {
  if (elsewhere === undefined) return [];
  const what = 'What goes elsewhere with the same verdict (the first packet of each flow)';
  return flowLines(what, elsewhere.changes, elsewhere.flows, ['way', wayText, ''], style);
}

function wayText({ hook, ends }: Fate): string {
  return ends === undefined ? `${hook}` : `${hook} as ${ends}`;
}

/** A table of flows: of each what became of its first packet under each rule set. */
function flowLines(
  title: string,
  changes: readonly ChangedFlow[],
  flows: number,
  [column, text, hint]: [column: string, text: (fate: Fate) => string, hint: string],
  style: Style,
): string[] {
  if (changes.length === 0) return [];
  const shown = changes.slice(0, FLOWS_SHOWN);
  const rows = [['packet', 'time', 'from, to', column], ...shown.map((flow) => changeCells(flow, text))];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map(([packet, time, ends, verdicts], index) => {
    const line = `${packet!.padStart(widths[0]!)}  ${time!.padEnd(widths[1]!)}  ${ends!.padEnd(widths[2]!)}  ${verdicts}`;
    return index === 0 ? style.dim(line) : line;
  });
  const more = flows - shown.length;
  if (more > 0) lines.push(style.dim(`... and ${count(more)} more ${more === 1 ? 'flow' : 'flows'}${hint}`));
  return [style.bold(title), ...lines, ''];
}

function changeCells({ packets, first }: ChangedFlow, text: (fate: Fate) => string): string[] {
  const more = packets > 1 ? ` (${count(packets - 1)} more of this flow)` : '';
  return [count(first.packet), first.time, endsText(first), `${first.outcomes.map(text).join(' -> ')}${more}`];
}

/** `192.0.2.1 > 198.51.100.2, tcp 40000 > 80`, as trace has it. */
function endsText({ source, destination, protocol, sourcePort, destinationPort }: Change): string {
  if (source === undefined) return 'no readable IP packet';
  const ports = sourcePort === undefined ? '' : ` ${sourcePort} > ${destinationPort}`;
  return `${source} > ${destination}, ${protocol ?? 'unparsable header chain'}${ports}`;
}

function fateText({ verdict, rule, reason, unseen }: Fate): string {
  if (verdict === null) return `never reached netfilter (${unseen})`;
  if (rule !== undefined) return `${verdict} by ${rule}`;
  return reason === undefined ? verdict : `${verdict} (${reason})`;
}

function verdictOf(comparison: Comparison, style: Style): string {
  const { packets, flows } = comparison.changed;
  const evaluations = comparison.reports.map((report) => report.evaluations);
  const [least, most] = [Math.min(...evaluations), Math.max(...evaluations)];
  const best = comparison.reports[evaluations.indexOf(least)]!.rules.join(' + ');
  const { elsewhere } = comparison;
  const where =
    elsewhere === undefined
      ? ''
      : ` ${style.warn(`${plural(elsewhere.packets, 'packet')} of ${plural(elsewhere.flows, 'flow')} with the same verdict ${elsewhere.packets === 1 ? 'goes' : 'go'} elsewhere.`)}`;
  const same =
    packets === 0
      ? style.good('Every packet gets the same verdict.')
      : style.bad(
          `${plural(packets, 'packet')} of ${plural(flows, 'flow')} ${packets === 1 ? 'changes its' : 'change their'} verdict.`,
        );
  if (least === most) return `${same}${where} ${evaluations.length === 2 ? 'Both' : 'All'} cost the same number of evaluations.`;
  const times = least === 0 ? '' : ` (${(most / least).toFixed(2)} times fewer)`;
  return `${same}${where} ${best} needs ${count(least)} evaluations instead of ${count(most)}${times}.`;
}
