/** The clock of the reference: that of the capture, which never goes back. */
import { clockNotes } from '../model/clock.ts';
import { jiffiesAt } from '../model/profile.ts';

export class Clock {
  /** Nanoseconds since the epoch, of the latest frame so far. */
  now = 0n;
  readonly #hz: number;
  /** The frame that has the time `now`. */
  #ahead = 0;
  readonly #late = { packets: 0, first: 0, by: 0n, ahead: 0 };
  readonly #timeless = { packets: 0, first: 0 };

  constructor(hz: number) {
    this.#hz = hz;
  }

  get jiffies(): bigint {
    return jiffiesAt(this.now, this.#hz);
  }

  /** Frame `number` came at `time`. */
  advance(time: bigint, number: number): void {
    if (time === 0n && this.#timeless.packets++ === 0) this.#timeless.first = number;
    if (time >= this.now) {
      this.now = time;
      this.#ahead = number;
      return;
    }
    if (jiffiesAt(time, this.#hz) === this.jiffies) return;
    const late = this.#late;
    if (late.packets++ === 0) late.first = number;
    if (this.now - time > late.by) Object.assign(late, { by: this.now - time, ahead: this.#ahead });
  }

  notes(): string[] {
    return clockNotes(this.#late, this.#timeless);
  }
}
