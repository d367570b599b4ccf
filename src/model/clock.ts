/** The time in which packets are judged is the capture's, and never goes back: what is told of packets that come with an earlier time than one before them. */

/** Packets that were judged at a later time than their own, by a jiffy or more: with less no rule and no timeout sees a difference. */
export interface LatePackets {
  packets: number;
  /** The number of the first of them. */
  first: number;
  /** Nanoseconds at most. */
  by: bigint;
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
  return unit === undefined ? `${Number(nanoseconds) / 1e6} ms` : `${nanoseconds / unit[0]} ${unit[1]}`;
}

/** Notes of a result. */
export function clockNotes({ packets, first, by }: LatePackets): string[] {
  if (packets === 0) return [];
  const [they, were] = packets === 1 ? ['1 packet has', 'it was'] : [`${packets} packets have`, 'they were'];
  return [
    `${they} an earlier time than a packet before (the first: packet ${first}; by up to ${inWords(by)}): a kernel's clock does not go back, ${were} judged at the later time; if a timestamp is broken, take that packet out (editcap), if captures are out of order, merge them (mergecap)`,
  ];
}
