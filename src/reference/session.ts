/** The reference as a witness: frames in, counters and outcomes out. */

import type { IpSet } from '../model/ipset.ts';
import { jiffyEdgesNote } from '../model/jiffy-edges.ts';
import { NAT_NOTES } from '../model/nat.ts';
import type { ConntrackEntry, ConntrackExpectation, PacketOutcome } from '../model/outcome.ts';
import { partsNotes } from '../model/own-parts.ts';
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import { jiffiesAt } from '../model/profile.ts';
import { INVALID_WORDS, STACK_WORDS, UNSEEN_WORDS } from '../model/reasons.ts';
import type { CaptureInfo, Frame, Job, OnPacket, ReplayResult } from '../model/witness.ts';
import { entriesAt, expectationsAt } from './conntrack/entries.ts';
import { Interpreter, type Listener, type Processed } from './interpreter.ts';
import type { Judged } from './journey.ts';
import { countersOf } from './tables.ts';

export interface ReferenceSession {
  startCapture(file: string): void;
  /** Frames in the order of the capture, between startCapture and endCapture. */
  frame(frame: Frame): void;
  /** `damage`: the file is broken from there on; what came before counts. */
  endCapture(damage?: CaptureInfo['damage']): void;
  /** All so far; may be asked at any time. */
  result(): ReplayResult;
  /** Confirmed connections whose time is not over at `at` (nanoseconds; the latest time of all frames when not given), sorted (model/connections.ts). */
  connections(at?: bigint): ConntrackEntry[];
  /** What helpers expect at `at`, as for connections. */
  expectations(at?: bigint): ConntrackExpectation[];
  /** The sets of ipset as they are at `at`, in their order. */
  sets(at?: bigint): IpSet[];
  /** The lists of recent; the tables of hashlimit as they are at `at`. */
  recent(): RecentTable[];
  hashlimit(at?: bigint): HashlimitTable[];
}

/**
 * A replay by the interpreter. `onPacket` is told every outcome when `job.packets` asks for them, `listener` all that happens on the way. Throws RuleError for rules it cannot know.
 */
export function createReference(job: Job, onPacket?: OnPacket, listener: Listener | null = null): ReferenceSession {
  return new Session(job, onPacket, listener);
}

class Session implements ReferenceSession {
  readonly #job: Job;
  readonly #onPacket: OnPacket | undefined;
  readonly #listener: Listener | null;
  readonly #interpreter: Interpreter;
  readonly #captures: CaptureInfo[] = [];
  #capture: CaptureInfo | undefined;
  readonly #totals: Omit<
    ReplayResult,
    | 'captures'
    | 'counters'
    | 'connections'
    | 'pickedUp'
    | 'strays'
    | 'unjudged'
    | 'unfinished'
    | 'notFollowed'
    | 'nfacct'
    | 'notes'
  > = {
    packets: 0,
    bytes: 0,
    verdicts: { ACCEPT: 0, DROP: 0, REJECT: 0, STACK: 0 },
    hooks: { INPUT: 0, OUTPUT: 0, FORWARD: 0 },
    unseen: {},
    stack: {},
    invalid: {},
    ctstates: { INVALID: 0, NEW: 0, ESTABLISHED: 0, RELATED: 0, UNTRACKED: 0 },
    answers: 0,
    evaluations: 0,
  };

  constructor(job: Job, onPacket: OnPacket | undefined, listener: Listener | null) {
    this.#job = job;
    this.#onPacket = onPacket;
    this.#listener = listener;
    this.#interpreter = new Interpreter(job);
  }

  startCapture(file: string): void {
    this.#capture = { file, packets: 0, bytes: 0, linktypes: [] };
    this.#captures.push(this.#capture);
  }

  endCapture(damage?: CaptureInfo['damage']): void {
    if (damage !== undefined && this.#capture !== undefined) this.#capture.damage = damage;
    this.#capture = undefined;
  }

  frame(frame: Frame): void {
    const totals = this.#totals;
    totals.packets++;
    if (this.#capture !== undefined) countFrame(this.#capture, frame);
    const processed = this.#interpreter.process(frame, this.#listener);
    this.#count(processed);
    if (this.#job.packets !== undefined) this.#onPacket?.(outcomeOf(processed, frame, totals.packets, this.#job.packets));
  }

  #count(processed: Processed): void {
    const totals = this.#totals;
    if ('unseen' in processed) {
      increment(totals.unseen, UNSEEN_WORDS[processed.unseen]!);
      return;
    }
    const { packet, hook, verdict, stack, passage } = processed;
    totals.bytes += packet.length;
    totals.verdicts[verdict]++;
    totals.hooks[hook]++;
    if (packet.answersRefused) totals.answers++;
    totals.evaluations += passage.evaluations;
    if (verdict === 'STACK') increment(totals.stack, STACK_WORDS[stack]!);
    if (!passage.looked) return;
    totals.ctstates[packet.ctstate]++;
    if (packet.invalidReason !== INVALID_WORDS[0]) increment(totals.invalid, packet.invalidReason);
  }

  connections(at = this.#interpreter.clock.now): ConntrackEntry[] {
    const { hz } = this.#job.profile;
    return entriesAt(this.#interpreter.conntrack.table, Number(jiffiesAt(at, hz)), hz);
  }

  expectations(at = this.#interpreter.clock.now): ConntrackExpectation[] {
    const { profile } = this.#job;
    return expectationsAt(this.#interpreter.conntrack.expectations, Number(jiffiesAt(at, profile.hz)), profile);
  }

  sets(at = this.#interpreter.clock.now): IpSet[] {
    return this.#interpreter.setsAt(at);
  }

  recent(): RecentTable[] {
    return this.#interpreter.shared.recent();
  }

  hashlimit(at = this.#interpreter.clock.now): HashlimitTable[] {
    return this.#interpreter.shared.hashlimit(jiffiesAt(at, this.#job.profile.hz));
  }

  result(): ReplayResult {
    const counters: ReplayResult['counters'] = {};
    for (const [family, { tables }] of this.#interpreter.families) counters[family] = countersOf(tables);
    const { conntrack, clock, devices, jiffyEdges, notFollowed, ruleNotes, notes, parts, shared } = this.#interpreter;
    const nfacct = shared.nfacct();
    return structuredClone({
      captures: this.#captures,
      ...this.#totals,
      counters,
      connections: conntrack.table.confirmed,
      pickedUp: conntrack.pickedUp,
      strays: conntrack.vantage.strays,
      unjudged: conntrack.vantage.unjudged,
      unfinished: conntrack.unfinished,
      notFollowed: { ...notFollowed, dccp: conntrack.sawDccp },
      ...(nfacct && { nfacct }),
      // In the order of model/witness.ts, whatever was met first.
      notes: [
        ...ruleNotes,
        ...Object.values(NAT_NOTES).filter((note) => notes.has(note)),
        ...partsNotes(parts),
        ...conntrack.vantage.notes(),
        ...conntrack.limit.notes(),
        ...clock.notes(),
        ...devices.notes(),
        ...jiffyEdgesNote(jiffyEdges, this.#job.profile.hz),
      ],
    });
  }
}

function increment(counts: Record<string, number>, word: string): void {
  counts[word] = (counts[word] ?? 0) + 1;
}

function countFrame(capture: CaptureInfo, frame: Frame): void {
  capture.packets++;
  capture.bytes += frame.wire;
  if (!capture.linktypes.includes(frame.linktype)) capture.linktypes.push(frame.linktype);
}

/** `number`: 1-based over all captures. `asked`: whether with the packet as rules left it, and with what LOG rules wrote down. */
export function outcomeOf(
  processed: Processed,
  frame: Frame,
  number: number,
  asked: Partial<NonNullable<Job['packets']>> = {},
): PacketOutcome {
  if ('unseen' in processed) {
    const unseen = UNSEEN_WORDS[processed.unseen]!;
    return { packet: number, time: frame.time, bytes: 0, hook: null, verdict: null, unseen };
  }
  const { packet, hook, verdict, rule, passage } = processed;
  const out: PacketOutcome = { packet: number, time: frame.time, bytes: packet.length, hook, verdict };
  if (rule !== null && verdict !== 'STACK') out.rule = rule;
  if (passage.looked) out.ctstate = packet.ctstate;
  const reason = reasonOf(processed);
  if (reason !== '') out.reason = reason;
  if (passage.path !== null) out.path = passage.path;
  if (asked.bytes === true) out.rewritten = packet.rewritten;
  if (asked.logs === true && packet.logged.length > 0) out.logged = packet.logged;
  if (packet.drawn.length > 0) out.drawn = packet.drawn;
  return out;
}

function reasonOf({ packet, verdict, stack }: Judged): string {
  return verdict === 'STACK' ? STACK_WORDS[stack]! : packet.invalidReason;
}
