/** One witness at work: captures in, a result out. The engine and the reference are driven alike. */
import type { Damage } from '../capture/frames.ts';
import type { IpSet } from '../model/ipset.ts';
import type { ConntrackEntry, ConntrackExpectation } from '../model/outcome.ts';
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import type { CaptureInfo, ReplayResult } from '../model/witness.ts';

/** How a capture ended, other than by its last byte. */
export interface Ending {
  /** What the packing met (a cut gzip stream), at an offset of the uncompressed bytes. Damage of the capture met before comes first; a record that is cut there is its doing. */
  damage?: Damage;
  /** Reading was given up on purpose (-c, interrupted): a record that is cut here is no damage. */
  stopped?: boolean;
}

export interface Session {
  startCapture(file: string): void;
  /** The next bytes of the current capture, uncompressed. */
  feed(chunk: Uint8Array): void;
  /**
   * Where the witness wants file bytes read straight into its memory: a view of free room (never empty); `advance(n)` then tells that n bytes were put there. Absent: use feed.
   */
  inputBuffer?(): Uint8Array;
  advance?(bytes: number): void;
  /** True when `limit` packets were seen or the capture is damaged: nothing more need be read of this capture. */
  done(): boolean;
  endCapture(ending?: Ending): CaptureInfo;
  result(): ReplayResult;
  /**
   * The confirmed connections whose time is not over at a moment, as `conntrack -L -o extended` tells them, in the order of model/connections.ts. `at`: nanoseconds since the epoch, the
   * time of the last packet when not given; not before it, for what expired by then is gone.
   */
  connections(at?: bigint): ConntrackEntry[];
  /** What helpers expect at that moment, as `conntrack -L expect` tells it, in the order of model/connections.ts. */
  expectations(at?: bigint): ConntrackExpectation[];
  /** The sets of ipset at a moment, as it is given for `connections`: elements whose time is over are in them no more. */
  sets(at?: bigint): IpSet[];
  /** The lists of recent. */
  recent(): RecentTable[];
  /** The tables of hashlimit at a moment, as it is given for `connections`. */
  hashlimit(at?: bigint): HashlimitTable[];
}
