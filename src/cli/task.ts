/** What a replay is asked for, and what one or several rule sets have in common. */
import { annotationNotes } from '../model/annotations.ts';
import type { Profile } from '../model/profile.ts';
import type { Job, ReplayResult } from '../model/witness.ts';
import { elsewhereNotes } from '../replay/elsewhere.ts';
import type { Threads } from '../replay/parallel.ts';
import type { Pipeline } from '../replay/pipeline.ts';
import type { Prepared } from '../replay/replay.ts';
import type { RunOutcome } from '../replay/run.ts';
import type { ReportInput } from '../report/report.ts';
import { PLAIN } from '../report/style.ts';
import type { HostOptions, ProfileOptions, RuleOptions } from './options.ts';
import { isAside, type OutputOptions } from './outputs.ts';
import type { DualRules } from './rules.ts';
import { outputStyle, say } from './terminal.ts';
import { emptyNotes, interruptedNote, whyUnjudged } from './unread.ts';

export interface ReplayOptions extends RuleOptions, HostOptions, ProfileOptions, OutputOptions {
  read: string[];
  count?: number;
  engine: 'wasm' | 'reference';
  tree: boolean;
  sample: boolean;
  jobs: number;
  timing: boolean;
}

/** What a replay of one or several rule sets is about. */
export interface Task {
  options: ReplayOptions;
  prepared: Prepared;
  profile: Profile;
  /** What --annotate, --osf and --ipset tell. */
  told: Pick<Job, 'annotations' | 'fingerprints' | 'sets'>;
  signal: AbortSignal;
  /** Called when the signal came before all was judged. */
  onCut: () => void;
  /** Where --jobs wants several. */
  threads?: Threads | Pipeline;
}

export const rulesOf = (rules: DualRules) => [rules[4], rules[6]].filter((ruleset) => ruleset !== undefined);

/** Notes about what was read, and where it was captured. */
export async function endNotes(
  { options, prepared, told }: Pick<Task, 'options' | 'prepared' | 'told'>,
  { result, interrupted = false }: RunOutcome,
): Promise<string[]> {
  const read = interrupted ? [interruptedNote(result, prepared.captures.length)] : emptyNotes(result);
  // Of packets that were not read on purpose nobody knows.
  const isWhole = options.count === undefined && !interrupted;
  const elsewhere = await elsewhereNotes(prepared.captures, prepared.host, result);
  return [
    ...read,
    ...(prepared.notes ?? []),
    ...elsewhere,
    ...(isWhole ? annotationNotes(told.annotations, result.packets) : []),
  ];
}

/** Says so where nothing could be judged; of packets that were not read on purpose nobody knows. */
export function saysUnjudged(options: ReplayOptions, result: ReplayResult, interrupted: boolean): boolean {
  const unjudged = options.count === undefined && !interrupted ? whyUnjudged(result) : undefined;
  if (unjudged !== undefined) say(unjudged);
  return unjudged !== undefined;
}

export const timing = (options: ReplayOptions, { seconds, sampled }: RunOutcome): Pick<ReportInput, 'seconds' | 'sampled'> =>
  options.timing ? { seconds, ...(sampled !== undefined && { sampled }) } : {};

export const witness = (options: ReplayOptions) => ({
  engine: options.engine,
  tree: options.tree,
  ...(options.count === undefined ? {} : { limit: options.count }),
});

export const textOptions = (options: ReplayOptions) => ({
  style: isAside(options) ? PLAIN : outputStyle(),
  quiet: options.quiet === true,
  verbose: options.verbose === true,
});
