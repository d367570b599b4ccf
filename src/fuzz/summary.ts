/** What a run tells people: a line of progress, and a summary. */
import { count } from '../report/style.ts';
import type { Lane } from './lanes.ts';
import { blind, type Reach } from './reach.ts';
import type { Totals } from './run.ts';

const percent = (part: number, whole: number): string => `${Math.round((100 * part) / Math.max(1, whole))}%`;

function sums({ lanes }: Totals): { cases: number; packets: number; rules: number; rulesHit: number } {
  const out = { cases: 0, packets: 0, rules: 0, rulesHit: 0 };
  for (const { cases, packets, reach } of Object.values(lanes)) {
    out.cases += cases;
    out.packets += packets;
    out.rules += reach.rules;
    out.rulesHit += reach.rulesHit;
  }
  return out;
}

/** `1,234 cases (56.7/s), 74,040 packets, 31% of rules hit, 0 mismatches`. */
export function progressLine(totals: Totals, seconds: number): string {
  const { cases, packets, rules, rulesHit } = sums(totals);
  const speed = seconds > 0 ? (cases / seconds).toFixed(1) : '-';
  const { length } = totals.found;
  const mismatches = `${count(length)} mismatch${length === 1 ? '' : 'es'}`;
  const hit = rules === 0 ? '' : `${percent(rulesHit, rules)} of rules hit, `;
  return `${count(cases)} cases (${speed}/s), ${count(packets)} packets, ${hit}${mismatches}`;
}

/** What the generators of the lanes should have met and did not: `lane: kind: word`. Lanes without the reference are not measured. */
export function blindLanes(lanes: readonly Lane[], totals: Totals): string[] {
  return lanes.flatMap(({ name, options, programs }) => {
    const lane = totals.lanes[name];
    if (lane === undefined || programs[0] !== 'reference') return [];
    return blind(lane.reach, options).map((what) => `${name}: ${what}`);
  });
}

const WIDTH = 120;

/** `  kind        word 1, word 2`, in lines of WIDTH at most. */
function wrapped(kind: string, items: readonly string[]): string[] {
  const lines: string[] = [];
  let line = `  ${kind.padEnd(11)} `;
  const indent = line.length;
  for (const [index, item] of items.entries()) {
    const text = index === items.length - 1 ? item : `${item}, `;
    if (line.length > indent && line.length + text.trimEnd().length > WIDTH) {
      lines.push(line.trimEnd());
      line = ' '.repeat(indent);
    }
    line += text;
  }
  return [...lines, line];
}

const words = (counts: Record<string, number>): string[] =>
  Object.entries(counts)
    .sort(([left, a], [right, b]) => b - a || (left < right ? -1 : 1))
    .map(([word, number]) => `${word} ${count(number)}`);

function reachLines({ rules, rulesHit, counts }: Reach): string[] {
  const lines = [`  rules hit   ${count(rulesHit)} of ${count(rules)} (${percent(rulesHit, rules)})`];
  for (const kind of [
    'verdict',
    'hook',
    'state',
    'flow',
    'target',
    'match',
    'invalid',
    'stack',
    'unseen',
    'headers',
    'expected by',
    'relation',
    'answer',
  ] as const)
    if (Object.keys(counts[kind]).length > 0) lines.push(...wrapped(kind, words(counts[kind])));
  return lines;
}

/** The whole run, lane by lane; mismatches with their folders last. */
export function summary(lanes: readonly Lane[], totals: Totals, seed: number, seconds: number): string {
  const lines = [`seed ${seed}: ${progressLine(totals, seconds)} in ${seconds.toFixed(1)} s`];
  for (const { name } of lanes) {
    const lane = totals.lanes[name];
    if (lane === undefined) continue;
    lines.push('', `${name}: ${count(lane.cases)} cases, ${count(lane.packets)} packets`);
    if (lane.reach.cases > 0) lines.push(...reachLines(lane.reach));
  }
  if (totals.trouble.length > 0) lines.push('', ...totals.trouble.map((what) => `not judged: ${what}`));
  for (const what of blindLanes(lanes, totals)) lines.push(`the generator is blind: ${what}`);
  if (totals.found.length > 0) lines.push('');
  for (const { folder, line } of totals.found) lines.push(`mismatch: ${line}`, `  ${folder}`);
  return `${lines.join('\n')}\n`;
}
