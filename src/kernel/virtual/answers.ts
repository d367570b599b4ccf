/** What the guest wrote down: its answers by job, and a job's outcome from them. */
import { parseConntrack, parseExpectations } from '../conntrack.ts';
import { KernelError, type KernelIdentity, type KernelOutcome, type KernelPacket } from '../job.ts';
import { frameFamily } from '../plan.ts';
import { collect, LostRecords, type RawPacket, tracedPackets } from '../records.ts';
import { parseSaved } from '../saved.ts';
import { ruleNumbers } from '../trace.ts';
import type { Machine } from './kernels.ts';
import { tracedByMarks, withoutOwnRules, withoutOwnTables } from './legacy-marks.ts';
import type { Asked } from './plan-file.ts';
import type { Look, PlacedJob, PrintedLine, VirtualOutcome } from './virtual-job.ts';

/** One answer of the guest: see guest/main.c. */
interface Answer {
  kind: string;
  payload: Buffer;
}

/** The answers of each job. Throws LostRecords when the guest did not come to the end of its plan. */
export function readAnswers(bytes: Uint8Array, jobs: number): Answer[][] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const answers: Answer[][] = Array.from({ length: jobs }, () => []);
  let ended = false;
  for (let at = 0; at + 9 <= view.length; ) {
    const job = view.readUInt32LE(at);
    const kind = String.fromCharCode(view.readUInt8(at + 4));
    const end = at + 9 + view.readUInt32LE(at + 5);
    if (end > view.length) break;
    answers[job]?.push({ kind, payload: view.subarray(at + 9, end) });
    ended ||= kind === 'Z' && job === jobs;
    at = end;
  }
  if (!ended) throw new LostRecords('the virtual machine did not come to the end of its plan');
  return answers;
}

interface Ran {
  exit: number;
  stdout: string;
  stderr: string;
}

function ran(payload: Buffer): Ran {
  const outEnd = 8 + payload.readUInt32LE(4);
  return {
    exit: payload.readUInt32LE(0),
    stdout: payload.toString('utf8', 8, outEnd),
    stderr: payload.toString('utf8', outEnd + 4),
  };
}

/** A job's answers sorted by what they answer. */
interface Told {
  refused?: KernelOutcome['refused'];
  /** Outputs by what was asked, in order. */
  texts: Partial<Record<Asked, string[]>>;
  times: bigint[];
  /** The dump of all nf_tables rules. */
  rules?: Buffer;
  records: Buffer;
}

function sort(answers: readonly Answer[], asked: readonly Asked[]): Told {
  const told: Told = { texts: {}, times: [], records: Buffer.alloc(0) };
  const records: Buffer[] = [];
  let next = 0;
  for (const { kind, payload } of answers) {
    if (kind === 'X') throw new LostRecords(`the guest: ${payload.toString('utf8')}`);
    if (kind === 'E') break;
    const what = asked[next++] ?? 'must';
    if (kind === 'F') records.push(payload);
    else if (kind === 'S') {
      if (what === 'time') told.times.push(payload.readBigUInt64LE(0));
    } else if (kind === 'Q') told.rules = payload;
    else {
      const { exit, stdout, stderr } = ran(payload);
      if (exit !== 0 && what === 'restore') return { ...told, refused: { exit, stderr } };
      if (exit !== 0) throw new KernelError(`virtual kernel: step ${next} (${what}): exit ${exit}: ${stderr.trim()}`);
      told.texts[what] = [...(told.texts[what] ?? []), stdout];
    }
  }
  if (next < asked.length) throw new LostRecords(`the job ended at step ${next} of ${asked.length}`);
  return { ...told, records: Buffer.concat(records) };
}

/** A packet that was sent in another jiffy than it should have been is no answer to what was asked. */
function checkTimes(job: PlacedJob, packets: readonly RawPacket[], hz: number): void {
  const jiffy = (time: bigint) => (time * BigInt(hz)) / 1_000_000_000n;
  for (const [i, { injected }] of packets.entries()) {
    const wanted = job.frames[i]?.time ?? 0n;
    if (jiffy(injected) !== jiffy(wanted)) throw new LostRecords(`frame ${i} was sent at ${injected}, wanted ${wanted}`);
  }
}

interface SavedTexts {
  text: string;
  other?: string;
}

function tracedPacketsOf(job: PlacedJob, raw: RawPacket[], texts: SavedTexts, told: Told, machine: Machine): KernelPacket[] {
  if (machine.backends.includes('nft')) {
    const other = texts.other === undefined ? undefined : parseSaved(texts.other);
    return tracedPackets(job, raw, parseSaved(texts.text), other, told.rules && ruleNumbers(told.rules));
  }
  const own = { saved: parseSaved(texts.text), rules: job.rules };
  const other = { saved: parseSaved(texts.other ?? ''), rules: job.rulesOther ?? '' };
  return raw.map(({ logs, traces: _traces, ...packet }, i) => {
    const frame = job.frames[i];
    if (!job.trace || frame === undefined) return packet;
    const { saved, rules } = frameFamily(job, frame) === job.family ? own : other;
    return { ...packet, ...tracedByMarks(logs, frame.bytes, saved, rules, packet.left.length > 0) };
  });
}

/** What was seen at every checkpoint and at the end: two times and one listing a family each. */
function looksOf(job: PlacedJob, { times, texts }: Told): Look[] {
  const families = job.rulesOther === undefined ? 1 : 2;
  return [...job.checkpoints, job.end].map((moment, i) => {
    const conntrack = (texts.conntrack ?? []).slice(families * i, families * (i + 1)).join('');
    const [from = moment, to = moment] = times.slice(2 * i, 2 * i + 2);
    return { conntrack, entries: parseConntrack(conntrack), listed: { from, to } };
  });
}

/** What LOG rules wrote into the kernel's log, of lines `<4>IN=...`, with or without the time behind the level. */
function printedLines(text: string): PrintedLine[] {
  return text.split('\n').flatMap((line) => {
    const found = /^<(\d+)>(?:\[ *[\d.]+\] )?(.*IN=\S* OUT=.*)$/.exec(line);
    return found === null ? [] : [{ level: Number(found[1]), text: found[2]! }];
  });
}

/** The outcome of a job. Throws LostRecords when the run proves nothing, KernelError when it can never work. */
export function outcomeOf(
  job: PlacedJob,
  answers: readonly Answer[],
  asked: readonly Asked[],
  machine: Machine,
  kernel: KernelIdentity,
): VirtualOutcome {
  const told = sort(answers, asked);
  const nothing = { conntrack: '', entries: [], afterwards: told.texts.afterwards ?? [], listed: { from: job.end, to: job.end } };
  const none = { counters: {}, saved: '', packets: [], ...nothing, expectations: [], kernel, shift: job.shift, looks: [] };
  if (told.refused !== undefined) return { ...none, refused: told.refused };
  const raw = collect(job, told.records);
  checkTimes(job, raw, machine.hz);
  const plain = machine.backends.includes('nft');
  const without = (saved: string) => (plain ? saved : withoutOwnRules(saved, job.trace));
  const only = (saved: string, rules: string) => (plain ? saved : withoutOwnTables(saved, rules));
  const text = without(told.texts.save?.[0] ?? '');
  const texts: SavedTexts = { text };
  if (job.rulesOther !== undefined) texts.other = without(told.texts.saveOther?.[0] ?? '');
  const looks = looksOf(job, told);
  const last = looks.pop() ?? nothing;
  const saved = only(text, job.rules);
  const outcome: VirtualOutcome = {
    ...none,
    ...last,
    counters: parseSaved(saved).counters,
    saved,
    packets: tracedPacketsOf(job, raw, texts, told, machine),
    expectations: parseExpectations((told.texts.expect ?? []).join('')),
    looks,
    ...(job.log === true ? { log: printedLines(told.texts.log?.[0] ?? '') } : {}),
  };
  if (job.rulesOther === undefined || texts.other === undefined) return outcome;
  const savedOther = only(texts.other, job.rulesOther);
  return { ...outcome, savedOther, countersOther: parseSaved(savedOther).counters };
}
