/** One share of a replay that several threads do together (parallel.ts): what the thread that started it and the others do alike. */
import type { EngineReplay } from './engine-replay.ts';
import type { Pace } from './pace.ts';
import { type RunOptions, type RunOutcome, run } from './run.ts';

/** Pieces between two looks at how far the others are. */
const PIECES = 16;

/** Stops all threads behind the same packet. */
export interface Stop {
  /** Whether it is asked for. */
  asked(): boolean;
  /** This thread has read so many packets, and reads no more until it is told behind which packet all stop. undefined: one of them has come to the end of all, so that the others do, too. */
  agree(packets: number): Promise<number | undefined>;
}

export interface ShareOutcome {
  outcome: RunOutcome;
  /** False: a packet was met that one pair of addresses does not decide. */
  exact: boolean;
}

/** Judges the session's share of the captures. */
export async function runShare(
  captures: readonly string[],
  session: EngineReplay,
  stop: Stop,
  pace: Pace,
  given: Pick<RunOptions, 'connections' | 'limit' | 'onProgress' | 'signal'>,
): Promise<ShareOutcome> {
  const options: RunOptions = { ...given };
  let agreed = false;
  options.onTurn = async () => {
    // Who has judged all that is asked for says so at its end.
    if (agreed || !stop.asked() || session.packets() >= (given.limit ?? Number.POSITIVE_INFINITY)) return;
    agreed = true;
    const behind = await stop.agree(session.packets());
    if (behind === undefined) return;
    options.limit = behind;
    session.setLimit(behind);
  };
  const wait = async (): Promise<void> => {
    await pace.wait(session.packets(), () => stop.asked() || given.signal?.aborted === true);
    await options.onTurn!();
  };
  let pieces = 0;
  options.onPiece = () => {
    if (++pieces % PIECES !== 0) return undefined;
    return !stop.asked() && pace.isAhead(session.packets()) ? wait() : undefined;
  };
  try {
    await options.onTurn();
    const outcome = await run(captures, session, options);
    return { outcome, exact: session.shareIsExact() };
  } finally {
    pace.end();
  }
}
