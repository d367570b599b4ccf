/** The same case to several witnesses, and what differs. */
import type { ConntrackEntry, PacketOutcome } from '../model/outcome.ts';
import type { Job, OnPacket, ReplayResult } from '../model/witness.ts';
import type { Session } from '../replay/session.ts';
import { captureOf, type FuzzCase } from './case.ts';

/** A witness by name, and how to start it. */
export interface Witness {
  name: string;
  start(job: Job, onPacket: OnPacket): Session | Promise<Session>;
  /** Bytes fed at a time; all at once when not given. */
  chunk?: number;
}

export interface Answer {
  name: string;
  packets: PacketOutcome[];
  result: ReplayResult;
  /** At a moment, else at the time of the last packet. */
  connections(at?: bigint): ConntrackEntry[];
}

export const jobOf = ({ ruleset, host, profile }: Pick<FuzzCase, 'ruleset' | 'host' | 'profile'>): Job => ({
  rules: { [ruleset.family]: ruleset },
  host,
  profile,
  packets: { path: true },
});

/** What a witness says of a case. */
export async function ask(witness: Witness, fuzzCase: FuzzCase): Promise<Answer> {
  const packets: PacketOutcome[] = [];
  const session = await witness.start(jobOf(fuzzCase), (outcome) => packets.push(outcome));
  session.startCapture(`seed-${fuzzCase.seed}`);
  const capture = captureOf(fuzzCase.packets);
  const step = witness.chunk ?? capture.length;
  for (let at = 0; at < capture.length; at += step) session.feed(capture.slice(at, at + step));
  session.endCapture();
  return { name: witness.name, packets, result: session.result(), connections: (at) => session.connections(at) };
}

/** Keys in one order, undefined left out, bigint as text: equal texts mean equal answers. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'bigint') return `${inner}n`;
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** What is compared of a result: all but notes (each witness words its own) and captures' names. */
const comparable = ({ notes: _notes, captures, ...rest }: ReplayResult) => ({
  ...rest,
  captures: captures.map(({ file: _file, ...capture }) => capture),
});

/** Differences between two answers, readable lines, the first packets first; empty when they agree. */
export function differences(one: Answer, two: Answer, most = 3): string[] {
  const lines: string[] = [];
  for (let index = 0; index < Math.max(one.packets.length, two.packets.length) && lines.length < most; index++) {
    const [a, b] = [canonical(one.packets[index]), canonical(two.packets[index])];
    if (a !== b) lines.push(`packet ${index + 1}\n  ${one.name}: ${a}\n  ${two.name}: ${b}`);
  }
  const lists = [canonical(one.connections()), canonical(two.connections())] as const;
  if (lists[0] !== lists[1]) lines.push(`conntrack entries\n  ${one.name}: ${lists[0]}\n  ${two.name}: ${lists[1]}`);
  const [a, b] = [comparable(one.result), comparable(two.result)];
  for (const key of Object.keys(a) as (keyof typeof a)[]) {
    const [x, y] = [canonical(a[key]), canonical(b[key])];
    if (x !== y && lines.length < most + 2) lines.push(`${key}\n  ${one.name}: ${x}\n  ${two.name}: ${y}`);
  }
  return lines;
}
