/** One JSON line a packet, for `--verdicts FILE` (docs/schema/verdict-1.json). */
import type { PacketOutcome } from '../model/outcome.ts';

/** `2026-11-22T17:03:00.123456789Z`: nanoseconds since the epoch as ISO 8601 with nine digits. */
export function formatTime(time: bigint): string {
  const seconds = time / 1_000_000_000n;
  const fraction = (time % 1_000_000_000n).toString().padStart(9, '0');
  const milliseconds = Number(seconds) * 1000;
  // Date ends at the year 275760; a capture with a broken clock may not.
  if (!(Math.abs(milliseconds) <= 8.64e15)) return `${seconds}.${fraction}`;
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, `.${fraction}Z`);
}

/** A packet's outcome as documents have it: its time in words, without the counted bytes. */
export interface VerdictLine extends Omit<PacketOutcome, 'time' | 'bytes'> {
  time: string;
}

export function verdictObject({ time, bytes: _, ...outcome }: PacketOutcome): VerdictLine {
  const { packet, hook, verdict, ...known } = outcome;
  return { packet, time: formatTime(time), hook, verdict, ...known };
}

/** The line without its newline. Absent things are left out; `hook` and `verdict` are null for packets that never reached netfilter. */
export function verdictLine(outcome: PacketOutcome): string {
  const { packet, time, hook, verdict, rule, ctstate, unseen, reason, path, drawn } = outcome;
  return JSON.stringify({ packet, time: formatTime(time), hook, verdict, rule, ctstate, unseen, reason, path, drawn });
}
