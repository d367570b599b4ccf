/** The clock of the reference: that of the capture, which never goes back. */
import { clockNotes } from '../model/clock.ts';
import { jiffiesAt } from '../model/profile.ts';

export class Clock {
  /** Nanoseconds since the epoch, of the latest frame so far. */
  now = 0n;
  readonly #hz: number;
  readonly #late = { packets: 0, first: 0, by: 0n };

  constructor(hz: number) {
    this.#hz = hz;
  }

  get jiffies(): bigint {
    return jiffiesAt(this.now, this.#hz);
  }

  /** Frame `number` came at `time`. */
  advance(time: bigint, number: number): void {
    if (time >= this.now) {
      this.now = time;
      return;
    }
    if (jiffiesAt(time, this.#hz) === this.jiffies) return;
    const late = this.#late;
    if (late.packets++ === 0) late.first = number;
    if (this.now - time > late.by) late.by = this.now - time;
  }

  notes(): string[] {
    return clockNotes(this.#late);
  }
}
