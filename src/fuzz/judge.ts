/** One case before a panel of witnesses: who differs from whom, and in what. */
import { type Compared, compareOutcomes, KernelError } from '../kernel/index.ts';
import type { Job } from '../model/witness.ts';
import { captureOf, type FuzzCase } from './case.ts';
import { type Answer, ask, differences, jobOf } from './differential.ts';
import { askKernel, type Kernel, type KernelAnswer, kernelDifferences } from './kernels.ts';
import { metamorphic, type OnRelation } from './metamorphic.ts';
import type { Witness } from './witness.ts';

/** Programs are held against the first of them; where there are kernels, everything is held against each kernel, or kernel against kernel. */
export interface Panel {
  programs: readonly Witness[];
  kernels: readonly Kernel[];
  /** Told of metamorphic checks, for the reach report. */
  onRelation?: OnRelation;
}

export interface Mismatch {
  /** differs: two answers; breaks: a relation does not hold for a program; refused: a kernel does not load what our parser took; failed: a program threw. */
  kind: 'differs' | 'breaks' | 'refused' | 'failed';
  /** The one that is believed, and the other. */
  between: readonly [string, string];
  lines: string[];
}

/** A mismatch in one line: what kind, between whom. */
export const signature = ({ kind, between }: Mismatch): string => `${kind} ${between.join(' ')}`;

/** Told of every answer of the first program, for the reach report. */
export type OnAnswer = (fuzzCase: FuzzCase, answer: Answer) => void;

/** Judges cases; the n-th result is that of the n-th case, undefined when all agree. `relations`: programs are held against themselves, too, now and then. Throws KernelError when an oracle cannot work. */
export async function judgeCases(
  cases: readonly FuzzCase[],
  panel: Panel,
  onAnswer: OnAnswer = () => {},
  relations = true,
): Promise<(Mismatch | undefined)[]> {
  if (panel.kernels.length === 0) {
    const found: (Mismatch | undefined)[] = [];
    for (const [index, one] of cases.entries()) {
      // Programs keep the process to themselves: signals are heard between cases.
      await new Promise((resolve) => setImmediate(resolve));
      const mismatch = await amongPrograms(one, panel.programs, onAnswer);
      const itself = relations && mismatch === undefined && index % AGAINST_ITSELF === 0;
      found.push(itself ? await againstThemselves(one, panel) : mismatch);
    }
    return found;
  }
  const answers = await Promise.all(panel.kernels.map((kernel) => askKernel(kernel, cases)));
  const found: (Mismatch | undefined)[] = [];
  for (const [index, one] of cases.entries()) {
    const said = answers.map((each) => each[index]!);
    const mismatch = await besideKernels(said, panel, onAnswer);
    found.push(mismatch === undefined ? undefined : await again(one, panel));
  }
  return found;
}

/** A difference to a kernel is believed when a kernel that was used for nothing before says the same. */
async function again(fuzzCase: FuzzCase, panel: Panel): Promise<Mismatch | undefined> {
  const said: KernelAnswer[] = [];
  for (const kernel of panel.kernels) said.push((await askKernel(kernel, [fuzzCase], true))[0]!);
  return besideKernels(said, panel, () => {});
}

async function besideKernels(said: readonly KernelAnswer[], panel: Panel, onAnswer: OnAnswer): Promise<Mismatch | undefined> {
  for (const one of said) {
    const { refused } = one.outcome;
    if (refused !== undefined) return { kind: 'refused', between: [one.kernel.name, 'parser'], lines: [refused.stderr.trim()] };
    const [job, capture] = [jobOf(one.sent), captureOf(one.sent)];
    for (const [index, witness] of panel.programs.entries()) {
      const answer = await asked(witness, job, capture);
      if (!('result' in answer)) return answer;
      if (index === 0) onAnswer(one.sent, answer);
      const lines = kernelDifferences(one, answer);
      if (lines.length > 0) return { kind: 'differs', between: [one.kernel.name, witness.name], lines };
    }
  }
  if (panel.programs.length > 0) return undefined;
  const [first, ...others] = said;
  for (const other of others) {
    const lines = compareOutcomes(withoutPaths(first!.compared), withoutPaths(other.compared));
    if (lines.length > 0) return { kind: 'differs', between: [first!.kernel.name, other.kernel.name], lines };
  }
  return undefined;
}

/**
 * Between kernels counters, hooks and verdicts count. The ways in TRACE's words are known to differ where a match drops a packet (docs/kernel-differences.md), and every such packet
 * would hide what differs in truth.
 */
const withoutPaths = (compared: Compared): Compared => ({
  ...compared,
  packets: (compared.packets ?? []).map(({ path: _path, ...packet }) => packet),
});

async function amongPrograms(
  fuzzCase: FuzzCase,
  [first, ...others]: readonly Witness[],
  onAnswer: OnAnswer,
): Promise<Mismatch | undefined> {
  if (first === undefined) return undefined;
  const capture = captureOf(fuzzCase);
  const job = jobOf(fuzzCase);
  const believed = await asked(first, job, capture);
  if (!('result' in believed)) return believed;
  onAnswer(fuzzCase, believed);
  for (const witness of others) {
    const answer = await asked(witness, job, capture);
    if (!('result' in answer)) return answer;
    const lines = differences(believed, answer);
    if (lines.length > 0) return { kind: 'differs', between: [first.name, witness.name], lines };
  }
  return undefined;
}

/** Each program is held against itself on the first case of every so many: these checks ask it two times as often as there are relations. */
const AGAINST_ITSELF = 20;

async function againstThemselves(fuzzCase: FuzzCase, { programs, onRelation }: Panel): Promise<Mismatch | undefined> {
  for (const witness of programs) {
    try {
      const broken = await metamorphic(fuzzCase, witness, { ...(onRelation !== undefined && { onRelation }) });
      if (broken !== undefined)
        return { kind: 'breaks', between: [witness.name, witness.name], lines: [broken.relation, ...broken.lines] };
    } catch (error) {
      return failed(witness, error);
    }
  }
  return undefined;
}

/** The answer; a mismatch when the program fails, which no case may make it do. */
async function asked(witness: Witness, job: Job, capture: Uint8Array): Promise<Answer | Mismatch> {
  try {
    return await ask(witness, job, capture);
  } catch (error) {
    return failed(witness, error);
  }
}

/** Throws what is no fault of a program. */
function failed({ name }: Witness, error: unknown): Mismatch {
  if (error instanceof KernelError) throw error;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'failed', between: [name, name], lines: [text] };
}
