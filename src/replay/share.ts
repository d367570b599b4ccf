/** One share of a replay that several threads do together (parallel.ts): what the thread that started it and the others do alike. */
import type { EngineReplay } from './engine-replay.ts';
import { type RunOptions, type RunOutcome, run } from './run.ts';

/** Stops all threads behind the same packet. */
export interface Stop {
  /** Whether it is asked for. */
  asked(): boolean;
  /** This thread has read so many packets, and reads no more until it is told behind which packet all stop. */
  agree(packets: number): Promise<number>;
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
  given: Pick<RunOptions, 'connections' | 'limit' | 'onProgress' | 'signal'>,
): Promise<ShareOutcome> {
  const options: RunOptions = { ...given };
  let agreed = false;
  options.onTurn = async () => {
    if (agreed || !stop.asked()) return;
    agreed = true;
    options.limit = await stop.agree(session.packets());
    session.setLimit(options.limit);
  };
  await options.onTurn();
  const outcome = await run(captures, session, options);
  return { outcome, exact: session.shareIsExact() };
}
