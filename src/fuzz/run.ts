/** A run: batch after batch in every lane, until cases or time are used up. One process; workers.ts makes several of them. */
import { KernelError } from '../kernel/index.ts';
import type { CaseOptions } from './case.ts';
import { type Lane, type OpenLane, openLane } from './lanes.ts';
import { addReach, emptyReach, type Reach } from './reach.ts';
import { type Found, panelJudge, search, Vanished } from './search.ts';

export interface RunOptions {
  seed: number;
  /** Cases of every lane; without end when not given. */
  cases?: number;
  /** Milliseconds since the epoch at which no new batch begins. */
  deadline?: number;
  /** This process does the batches whose number leaves `index` when divided by `of`. */
  share: { index: number; of: number };
  /** Batches that are done already. */
  done(lane: Lane, seed: number): boolean;
  /** Batches to begin with: those that were interesting before. */
  first: readonly { lane: string; seed: number }[];
  stopped(): boolean;
  /** Writes a mismatch down; returns where. */
  save(found: Found, options: CaseOptions): Promise<string>;
  report(news: News): void;
}

/** What one batch brought. */
export interface News {
  lane: string;
  seed: number;
  cases: number;
  packets: number;
  /** Folders of mismatches. */
  found: { folder: string; line: string }[];
  reach: Reach;
  /** The oracle could not work, or a mismatch did not come again. */
  trouble?: string;
}

/** The oracle failed this often in a row: it will not get better. */
const HOPELESS = 3;

/** Runs all batches of this share. Throws KernelError when an oracle failed again and again. */
export async function run(lanes: readonly Lane[], options: RunOptions): Promise<void> {
  const open = new Map<string, OpenLane>();
  let failures = 0;
  try {
    for (const { lane, seed, cases } of batches(lanes, options)) {
      if (options.stopped() || Date.now() >= (options.deadline ?? Number.POSITIVE_INFINITY)) break;
      if (!open.has(lane.name)) open.set(lane.name, openLane(lane));
      const news = await oneBatch(lane, open.get(lane.name)!, seed, cases, options);
      failures = news.trouble === undefined ? 0 : failures + 1;
      options.report(news);
      if (failures >= HOPELESS) throw new KernelError(news.trouble ?? '');
    }
  } finally {
    for (const each of open.values()) await each.close();
  }
}

interface BatchOf {
  lane: Lane;
  seed: number;
  cases: number;
}

function* batches(lanes: readonly Lane[], options: RunOptions): Generator<BatchOf> {
  const { share } = options;
  for (const [number, { lane: name, seed }] of options.first.entries()) {
    const lane = lanes.find((each) => each.name === name);
    if (lane !== undefined && number % share.of === share.index) yield { lane, seed, cases: lane.batch };
  }
  const wanted = options.cases ?? Number.POSITIVE_INFINITY;
  let number = 0;
  for (let turn = 0; lanes.some(({ batch }) => turn * batch < wanted); turn++)
    for (const lane of lanes) {
      const cases = Math.min(lane.batch, wanted - turn * lane.batch);
      const seed = (options.seed + turn) | 0;
      if (cases > 0 && number++ % share.of === share.index && !options.done(lane, seed)) yield { lane, seed, cases };
    }
}

async function oneBatch(lane: Lane, { panel, meter }: OpenLane, seed: number, cases: number, options: RunOptions): Promise<News> {
  const news: News = { lane: lane.name, seed, cases, packets: 0, found: [], reach: emptyReach() };
  meter.reach = news.reach;
  try {
    const found = await search({ seed, cases, options: lane.options }, panelJudge(panel), {
      onAnswer: (fuzzCase, answer) => meter.answer(fuzzCase, answer),
    });
    for (const one of found) {
      const { path, mismatch } = one;
      const line = `seed ${seed} path ${path}: ${mismatch.between.join(' and ')}: ${mismatch.lines[0] ?? mismatch.kind}`;
      news.found.push({ folder: await options.save(one, lane.options), line });
    }
  } catch (error) {
    if (!(error instanceof KernelError || error instanceof Vanished)) throw error;
    news.trouble = error.message;
  }
  news.packets = cases * lane.options.packets;
  return news;
}

/** Sums of a run, by lane. */
export interface Totals {
  lanes: Record<string, { cases: number; packets: number; reach: Reach }>;
  found: News['found'];
  trouble: string[];
}

export const emptyTotals = (): Totals => ({ lanes: {}, found: [], trouble: [] });

export function addNews(totals: Totals, news: News): void {
  totals.lanes[news.lane] ??= { cases: 0, packets: 0, reach: emptyReach() };
  const lane = totals.lanes[news.lane]!;
  lane.cases += news.cases;
  lane.packets += news.packets;
  addReach(lane.reach, news.reach);
  totals.found.push(...news.found);
  if (news.trouble !== undefined) totals.trouble.push(`${news.lane} seed ${news.seed}: ${news.trouble}`);
}
