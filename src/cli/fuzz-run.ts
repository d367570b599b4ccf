/** The work of `wasmtables fuzz`: random rules and packets to several witnesses; what differs is shrunk and written down. */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { Corpus } from '../fuzz/corpus.ts';
import { type Lane, lanesOf, openLane, WITNESS_NAMES, WitnessMissing } from '../fuzz/lanes.ts';
import { addNews, emptyTotals, type News, type RunOptions, run, type Totals } from '../fuzz/run.ts';
import { saveFound } from '../fuzz/save.ts';
import { panelJudge, shrink, Vanished } from '../fuzz/search.ts';
import { blindLanes, progressLine, summary } from '../fuzz/summary.ts';
import { isWorker, runWorkers, tell, WorkerFailed, whenStopped } from '../fuzz/workers.ts';
import { KernelError } from '../kernel/index.ts';
import { EXIT, UsageError } from './exit.ts';
import { DEFAULT_CASES, type FuzzOptions, SEEDS } from './fuzz.ts';
import { hearSignals, interruptible } from './interrupts.ts';
import { StatusLine, say, writeOut } from './terminal.ts';

/** Where mismatches go when there is no corpus. */
const FOUND = 'fuzz-found';

/** Runs the command; the exit code. */
export async function fuzz(options: FuzzOptions): Promise<number> {
  const { packets, family, only } = options;
  for (const name of options.against)
    if (!WITNESS_NAMES.includes(name)) throw new UsageError(`--against knows ${WITNESS_NAMES.join(', ')}, not "${name}"`);
  try {
    const lanes = lanesOf(options.against, {
      ...(packets === undefined ? {} : { packets }),
      ...(family === undefined ? {} : { family }),
      ...(only === undefined ? {} : { only }),
    });
    if (lanes.length === 0) throw new UsageError('--against wants a program, or two kernels at least');
    if (options.path !== undefined) return await replayPath(lanes, options, options.path);
    return await fuzzLanes(lanes, options);
  } catch (error) {
    if (!(error instanceof WitnessMissing || error instanceof KernelError || error instanceof WorkerFailed)) throw error;
    if (isWorker()) tell({ failed: error.message, code: EXIT.environment });
    else say(`wasmtables: ${error.message}`);
    return error instanceof WorkerFailed ? error.code : EXIT.environment;
  }
}

/** One case again, and smaller if it goes. */
async function replayPath(lanes: readonly Lane[], { seed, corpus }: FuzzOptions, path: string): Promise<number> {
  const [lane, ...others] = lanes;
  if (seed === undefined || lane === undefined || others.length > 0)
    throw new UsageError('--path goes with --seed, and with two witnesses or with one kernel and programs');
  const open = openLane(lane);
  try {
    const found = await shrink({ seed, options: lane.options }, path, panelJudge(open.panel));
    const folder = await saveFound(corpus ?? FOUND, found, lane.options);
    await writeOut(
      `seed ${seed} path ${found.path}: ${found.mismatch.between.join(' and ')}\n${found.mismatch.lines.join('\n')}\n${folder}\n`,
    );
    return EXIT.differs;
  } catch (error) {
    // fast-check's own words for a path that another generator made, or somebody by hand.
    if (error instanceof Error && error.message.startsWith('Unable to replay')) {
      throw new UsageError(
        `--path ${path}: the cases of seed ${seed} have no such path; another version of wasmtables draws other cases`,
      );
    }
    if (!(error instanceof Vanished)) throw error;
    await writeOut(`seed ${seed} path ${path}: all agree\n`);
    return EXIT.ok;
  } finally {
    await open.close();
  }
}

/** The options that change what the cases of a seed are, as one word. */
const kindOf = ({ packets, family, only }: FuzzOptions): string =>
  [packets ?? 'usual', family ?? 'any', [...(only ?? ['all'])].sort().join('+')].join('/');

async function fuzzLanes(lanes: readonly Lane[], options: FuzzOptions): Promise<number> {
  const corpus = options.corpus === undefined ? undefined : new Corpus(options.corpus, kindOf(options));
  const fresh = options.seed ?? randomInt(SEEDS);
  const seed = options.seed === undefined ? (corpus?.seed(fresh) ?? fresh) : fresh;
  const cases = options.cases ?? (options.time === undefined ? DEFAULT_CASES : undefined);
  const plan: Omit<RunOptions, 'stopped' | 'report'> = {
    seed,
    ...(cases === undefined ? {} : { cases }),
    ...(options.time === undefined ? {} : { deadline: Date.now() + options.time }),
    share: options.share ?? { index: 0, of: 1 },
    done: (lane, one) => corpus?.done(lane.name, one) ?? false,
    first: corpus?.first ?? [],
    save: (found, caseOptions) =>
      saveFound(options.corpus === undefined ? FOUND : join(options.corpus, 'mismatches'), found, caseOptions),
  };
  return isWorker() ? work(lanes, plan) : supervise(lanes, plan, options, corpus);
}

/** A worker tells its parent. */
async function work(lanes: readonly Lane[], plan: Omit<RunOptions, 'stopped' | 'report'>): Promise<number> {
  let stopped = false;
  whenStopped(() => {
    stopped = true;
  });
  // Ctrl-C reaches all processes of a terminal; the parent says what to do.
  hearSignals(() => {});
  await run(lanes, { ...plan, stopped: () => stopped, report: (news) => tell({ news }) });
  return EXIT.ok;
}

async function supervise(
  lanes: readonly Lane[],
  plan: Omit<RunOptions, 'stopped' | 'report'>,
  options: FuzzOptions,
  corpus: Corpus | undefined,
): Promise<number> {
  const { seed } = plan;
  say(`seed ${seed} (--seed ${seed} repeats this run)`);
  const totals = emptyTotals();
  const start = Date.now();
  const seconds = (): number => (Date.now() - start) / 1000;
  const status = new StatusLine();
  const report = (news: News): void => {
    corpus?.add(news);
    addNews(totals, news);
    for (const { line, folder } of news.found) status.say(`mismatch: ${line}\n  ${folder}`);
    if (news.trouble !== undefined) status.say(`not judged: ${news.lane} seed ${news.seed}: ${news.trouble}`);
    status.draw(progressLine(totals, seconds()));
  };
  const { interrupted } = await interruptible((signal) => {
    signal.addEventListener('abort', () => status.say('stopping behind the batch in hand (Ctrl-C again: at once)'));
    return options.jobs > 1
      ? runWorkers(wordsOf(options, plan), options.jobs, report, signal)
      : run(lanes, { ...plan, stopped: () => signal.aborted, report });
  });
  status.clear();
  await writeOut(summary(lanes, totals, seed, seconds()));
  return interrupted ? EXIT.interrupted : verdict(lanes, totals);
}

function verdict(lanes: readonly Lane[], totals: Totals): number {
  if (totals.found.length > 0 || blindLanes(lanes, totals).length > 0) return EXIT.differs;
  return totals.trouble.length > 0 ? EXIT.environment : EXIT.ok;
}

/** The command line of a worker. */
function wordsOf(options: FuzzOptions, { seed, cases, deadline }: Omit<RunOptions, 'stopped' | 'report'>): string[] {
  const words = ['fuzz', '--seed', String(seed), '--against', options.against.join(',')];
  if (cases !== undefined) words.push('--cases', String(cases));
  if (deadline !== undefined) words.push('--time', `${Math.max(1, Math.ceil((deadline - Date.now()) / 1000))}s`);
  if (options.only !== undefined) words.push('--only', options.only.join(','));
  if (options.packets !== undefined) words.push('--packets', String(options.packets));
  if (options.family !== undefined) words.push('--family', String(options.family));
  if (options.corpus !== undefined) words.push('--corpus', options.corpus);
  return words;
}
