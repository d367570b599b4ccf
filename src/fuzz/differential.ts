/** The same case to two programs, and what differs. */
import type { IpSet } from '../model/ipset.ts';
import type { ConntrackEntry, ConntrackExpectation, PacketOutcome } from '../model/outcome.ts';
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import type { Job, ReplayResult } from '../model/witness.ts';
import type { Session } from '../replay/session.ts';
import { hashlimitLines, recentLines } from '../report/proc-tables.ts';
import { saveIpsets } from '../syntax/index.ts';
import type { FuzzCase } from './case.ts';
import { setsOf } from './sets.ts';
import type { Witness } from './witness.ts';

export interface Answer {
  name: string;
  /** Empty when it is silent. */
  packets: PacketOutcome[];
  /** It tells of no packet: there is nothing to compare in them. */
  silent?: true;
  result: ReplayResult;
  /** At a moment, else at the time of the last packet. */
  connections(at?: bigint): ConntrackEntry[];
  expectations(at?: bigint): ConntrackExpectation[];
  sets(at?: bigint): IpSet[];
  recent(): RecentTable[];
  hashlimit(at?: bigint): HashlimitTable[];
}

export const jobOf = ({ rules, ruleset, host, profile }: Pick<FuzzCase, 'rules' | 'ruleset' | 'host' | 'profile'>): Job => ({
  rules: { [ruleset.family]: ruleset },
  host,
  profile,
  sets: setsOf(rules),
  packets: { path: true, bytes: true, logs: true },
});

/** What a witness says of a job and a capture. */
export async function ask(witness: Witness, job: Job, capture: Uint8Array): Promise<Answer> {
  const packets: PacketOutcome[] = [];
  const session = await witness.start(job, (outcome) => packets.push(outcome));
  session.startCapture('capture.pcap');
  const step = witness.chunk ?? capture.length;
  for (let at = 0; at < capture.length; at += step) session.feed(capture.slice(at, at + step));
  session.endCapture();
  const answer = answerOf(witness.name, packets, session);
  return witness.silent ? { ...answer, silent: true } : answer;
}

/** What a session says, its captures over. */
export const answerOf = (
  name: string,
  packets: PacketOutcome[],
  session: Pick<Session, 'result' | 'connections' | 'expectations' | 'sets' | 'recent' | 'hashlimit'>,
): Answer => ({
  name,
  packets,
  result: session.result(),
  connections: (at) => session.connections(at),
  expectations: (at) => session.expectations(at),
  sets: (at) => session.sets(at),
  recent: () => session.recent(),
  hashlimit: (at) => session.hashlimit(at),
});

/** Keys in one order, undefined left out, bigint as text: equal texts mean equal answers. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'bigint') return `${inner}n`;
    if (inner instanceof Uint8Array) return Buffer.from(inner).toString('hex');
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

const sameList = (one: readonly string[] | undefined, two: readonly string[] | undefined): boolean =>
  one === two || (one?.length === two?.length && (one ?? []).every((word, index) => word === two?.[index]));

const sameBytes = (one: Uint8Array | undefined, two: Uint8Array | undefined): boolean =>
  one === two || (one?.length === two?.length && (one ?? []).every((byte, index) => byte === two?.[index]));

/** Field by field: a text of every packet would cost more than judging it. */
export const sameOutcome = (one: PacketOutcome, two: PacketOutcome): boolean =>
  one.packet === two.packet &&
  one.verdict === two.verdict &&
  one.rule === two.rule &&
  one.hook === two.hook &&
  one.bytes === two.bytes &&
  one.time === two.time &&
  one.ctstate === two.ctstate &&
  one.reason === two.reason &&
  one.unseen === two.unseen &&
  sameBytes(one.rewritten, two.rewritten) &&
  sameList(one.path, two.path) &&
  (one.logged === two.logged || canonical(one.logged) === canonical(two.logged));

/** What is compared of a result: all but notes (each witness words its own). */
const comparable = ({ notes: _notes, ...rest }: ReplayResult) => rest;

/** What is remembered at the end, in lines. */
const FILES: Readonly<Record<string, (answer: Answer) => string[]>> = {
  recent: (answer) => recentLines(sinceLatest(answer.recent())),
  hashlimit: (answer) => hashlimitLines(answer.hashlimit()),
};

/** Stamps as jiffies before the latest of all: the same capture at another time is told alike. */
function sinceLatest(tables: readonly RecentTable[]): RecentTable[] {
  const all = tables.flatMap(({ entries }) => entries.map(({ lastSeen }) => lastSeen));
  const latest = all.sort((a, b) => (a < b ? -1 : 1)).at(-1) ?? 0n;
  return tables.map(({ name, entries }) => ({
    name,
    entries: entries.map((entry) => ({
      ...entry,
      lastSeen: latest - entry.lastSeen,
      stamps: entry.stamps.map((stamp) => latest - stamp),
    })),
  }));
}

/** Differences between two answers, readable lines, the first packets first; empty when they agree. */
export function differences(one: Answer, two: Answer, most = 3): string[] {
  const lines: string[] = [];
  const told = one.silent || two.silent ? 0 : Math.max(one.packets.length, two.packets.length);
  for (let index = 0; index < told && lines.length < most; index++) {
    const [a, b] = [one.packets[index], two.packets[index]];
    if (a !== undefined && b !== undefined && sameOutcome(a, b)) continue;
    lines.push(`packet ${index + 1}\n  ${one.name}: ${canonical(a)}\n  ${two.name}: ${canonical(b)}`);
  }
  const lists = [canonical(one.connections()), canonical(two.connections())] as const;
  if (lists[0] !== lists[1]) lines.push(`conntrack entries\n  ${one.name}: ${lists[0]}\n  ${two.name}: ${lists[1]}`);
  const expected = [canonical(one.expectations()), canonical(two.expectations())] as const;
  if (expected[0] !== expected[1]) lines.push(`expectations\n  ${one.name}: ${expected[0]}\n  ${two.name}: ${expected[1]}`);
  const sets = [saveIpsets(one.sets()), saveIpsets(two.sets())] as const;
  if (sets[0] !== sets[1]) lines.push(`sets\n  ${one.name}: ${sets[0]}\n  ${two.name}: ${sets[1]}`);
  for (const [what, linesOf] of Object.entries(FILES)) {
    const [x, y] = [linesOf(one).join('\n'), linesOf(two).join('\n')];
    if (x !== y) lines.push(`${what}\n  ${one.name}: ${x}\n  ${two.name}: ${y}`);
  }
  const [a, b] = [comparable(one.result), comparable(two.result)];
  for (const key of Object.keys(a) as (keyof typeof a)[]) {
    const [x, y] = [canonical(a[key]), canonical(b[key])];
    if (x !== y && lines.length < most + 2) lines.push(`${key}\n  ${one.name}: ${x}\n  ${two.name}: ${y}`);
  }
  return lines;
}
