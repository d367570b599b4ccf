/** Captures that are too short to be measured, several times over. */
import type { WrittenFrame } from '../src/capture/writer.ts';

/** Between two repetitions lies longer than any connection but an established one lives. */
const PAUSE = 700_000_000_000n;

/** At least `packets` frames: those given, in whole rounds, with their clocks moved on. */
export function repeat(frames: readonly WrittenFrame[], packets: number): WrittenFrame[] {
  const times = frames.map(({ time }) => time).sort((one, other) => Number(one - other));
  const span = times.at(-1)! - times[0]! + PAUSE;
  const out: WrittenFrame[] = [];
  for (let round = 0n; out.length < packets; round++)
    for (const frame of frames) out.push({ ...frame, time: frame.time + round * span });
  return out;
}
