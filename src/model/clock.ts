/** The time in which packets are judged is the capture's, and never goes back: what is told of packets that come with an earlier time than one before them. */
import { count } from './count.ts';

/** Packets that were judged at a later time than their own, by a jiffy or more: with less no rule and no timeout sees a difference. */
export interface LatePackets {
  packets: number;
  /** The number of the first of them. */
  first: number;
  /** Nanoseconds at most, and the packet before, at whose time the one that was so late was judged. */
  by: bigint;
  ahead: number;
}

/** Packets without a time. */
export interface TimelessPackets {
  packets: number;
  first: number;
}

const UNITS: readonly (readonly [nanoseconds: bigint, name: string])[] = [
  [86_400_000_000_000n, 'days'],
  [3_600_000_000_000n, 'hours'],
  [60_000_000_000n, 'minutes'],
  [1_000_000_000n, 'seconds'],
];

/** In the largest unit that makes two or more, rounded down. */
function inWords(nanoseconds: bigint): string {
  const unit = UNITS.find(([one]) => nanoseconds >= 2n * one);
  return unit === undefined ? `${Number(nanoseconds) / 1e6} ms` : `${count(nanoseconds / unit[0])} ${unit[1]}`;
}

/** Notes of a result. */
export function clockNotes(late: LatePackets, timeless: TimelessPackets): string[] {
  return [...lateNotes(late), ...timelessNotes(timeless)];
}

/** Which of the two timestamps is wrong nobody knows: both packets are named. */
function lateNotes({ packets, first, by, ahead }: LatePackets): string[] {
  if (packets === 0) return [];
  const [they, were] = packets === 1 ? ['1 packet has', 'it was'] : [`${count(packets)} packets have`, 'they were'];
  return [
    `${they} an earlier time than a packet before (the first: packet ${count(first)}; by up to ${inWords(by)}, behind packet ${count(ahead)}): a kernel's clock does not go back, ${were} judged at the later time; if the timestamp of packet ${count(ahead)} is broken, or that of the ones behind it, take them out (editcap); a capture that is out of order in itself, as dumpcap with several -i writes it, reordercap puts in order; several that overlap, mergecap merges`,
  ];
}

function timelessNotes({ packets, first }: TimelessPackets): string[] {
  if (packets === 0) return [];
  const they = packets === 1 ? `packet ${count(first)} has` : `${count(packets)} packets (the first: ${count(first)}) have`;
  return [`${they} the timestamp 0, as programs write that know none: limits, timeouts and -m time see no time go by`];
}
