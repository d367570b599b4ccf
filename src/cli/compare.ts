/** Several rule sets over the same packets. */
import { rewrites, translates } from '../model/nat.ts';
import type { CaptureInfo } from '../model/witness.ts';
import { replayOne } from '../replay/replay.ts';
import type { RunOutcome } from '../replay/run.ts';
import { areMany } from '../replay/worthwhile.ts';
import { comparisonNotes } from '../report/comparable.ts';
import type { Comparison } from '../report/comparison.ts';
import { renderComparison } from '../report/comparison-text.ts';
import { damageLines } from '../report/damage.ts';
import { FateList } from '../report/fates.ts';
import { buildReport, type Report } from '../report/report.ts';
import { changesOf } from './changes.ts';
import { EXIT } from './exit.ts';
import { breakable } from './interrupts.ts';
import { isAside, tell } from './outputs.ts';
import type { DualRules } from './rules.ts';
import { endNotes, rulesOf, saysUnjudged, type Task, textOptions, timing, witness } from './task.ts';
import { ProgressBar, say } from './terminal.ts';
import { saysUnopened, saysUnread } from './unread.ts';

/** What one rule set says. */
interface Said {
  rules: DualRules;
  outcome: RunOutcome;
  fates: FateList;
}

/** The exit code. A capture that is not the same for all rule sets (it went away, or was put in the place of another, behind the first of them) is left out, and they are asked anew. */
export async function compare(task: Task, rules: readonly DualRules[]): Promise<number> {
  let { captures } = task.prepared;
  let leftOut = false;
  for (;;) {
    const said = await askAll({ ...task, prepared: { ...task.prepared, captures } }, rules);
    const first = said[0]!.outcome.result;
    const unread = saysUnread(first);
    if (unread !== undefined) return unread;
    const alike = captures.filter((_, index) => said.every(({ outcome }) => isAlike(first.captures, outcome, index)));
    if (alike.length === captures.length) {
      const code = await report({ ...task, prepared: { ...task.prepared, captures } }, said);
      return leftOut && (code === EXIT.ok || code === EXIT.differs || code === EXIT.damaged) ? EXIT.environment : code;
    }
    for (const path of captures.filter((one) => !alike.includes(one)))
      say(`wasmtables: ${path}: it changed between two rule sets, and is not part of the comparison`);
    if (alike.length === 0) return EXIT.environment;
    captures = alike;
    leftOut = true;
  }
}

/** Whether as many packets of a capture were judged as by the first rule set; what was not asked for is alike. */
const isAlike = (first: readonly CaptureInfo[], { result, interrupted = false }: RunOutcome, index: number): boolean =>
  interrupted || (result.captures[index]?.packets ?? 0) === (first[index]?.packets ?? 0);

async function askAll({ options, prepared, profile, told, signal, onCut }: Task, rules: readonly DualRules[]): Promise<Said[]> {
  const said: Said[] = [];
  const bar = new ProgressBar();
  const { host } = prepared;
  const translating = rules.some((dual) => rulesOf(dual).some((half) => translates(half) || rewrites(half)));
  for (const one of rules) {
    const fates = new FateList();
    const first = said[0]?.outcome;
    const wasCut = first?.interrupted === true && first.result.packets > 0;
    const ask = (): Promise<RunOutcome> =>
      replayOne(
        prepared,
        { rules: one, host, profile, ...told, packets: { path: false, bytes: translating } },
        {
          ...witness(options),
          ...(wasCut ? {} : { signal }),
          // What the first rule set was asked about, before an interrupt or before more was written to a capture, the others are asked about.
          ...(first !== undefined && { limit: first.result.packets }),
          onProgress: (...step) => bar.draw(...step),
          onPacket: (fate) => fates.push(fate),
        },
      );
    // Rules are compiled before there is anything to wait for. What others have said is not lost.
    const outcome = await (first === undefined ? breakable(ask, areMany(one)) : ask());
    if (outcome.interrupted === true) onCut();
    said.push({ rules: one, outcome, fates });
  }
  bar.clear();
  return said;
}

/** Behind the last packet nobody has looked at captures again: what they are the first rule set's outcome says. */
async function report({ options, prepared, profile, told }: Task, said: readonly Said[]): Promise<number> {
  const { host } = prepared;
  const [first, last] = [said[0]!.outcome, said.at(-1)!.outcome];
  const { captures } = first.result;
  const reports: Report[] = [];
  for (const { rules, outcome } of said) {
    const result = outcome.interrupted === true ? outcome.result : { ...outcome.result, captures };
    const notes = [
      ...(await endNotes({ options, prepared, told }, { ...outcome, result })),
      ...comparisonNotes(said.map((one) => one.rules)),
    ];
    reports.push(buildReport({ rules, host, profile, result, notes, ...timing(options, outcome) }));
  }
  let isRead = true;
  const { gone, ...changes } = await changesOf(
    prepared.captures,
    captures,
    said.map(({ fates }) => fates),
    options.verdicts,
    () => {
      isRead = false;
    },
  );
  if (!isRead && isAside(options)) return EXIT.unread;
  const comparison: Comparison = { schema: 'wasmtables/comparison/1', reports, ...changes };
  const text =
    options.format === 'json'
      ? `${JSON.stringify(comparison, null, 2)}\n`
      : renderComparison(
          comparison,
          said.map(({ rules }) => rulesOf(rules)),
          textOptions(options),
        );
  await tell(options, text, { damage: damageLines(captures), host: host.notes, notes: [] });
  if (!isRead) return EXIT.unread;
  for (const why of gone) say(`wasmtables: ${why}: packets of it that change are counted, and not listed`);
  if (saysUnopened(captures) || gone.length > 0) return EXIT.environment;
  if (
    saysUnjudged(
      options,
      last.result,
      said.some(({ outcome }) => outcome.interrupted === true),
    ) ||
    first.damaged
  )
    return EXIT.damaged;
  return comparison.changed.packets > 0 ? EXIT.differs : EXIT.ok;
}
