/** An estimator of rates as the reference keeps it. Kernel: net/core/gen_estimator.c. */
import { jiffiesAt } from '../model/profile.ts';

/** Bytes or packets a second. */
export interface Rates {
  bytes: bigint;
  packets: bigint;
}

/** Rates are kept as so many 256ths. */
const SCALE = 8n;

/** An average that is mended at every tick: by what came since the one before. */
class Average {
  since = 0n;
  #value = 0n;

  get rate(): bigint {
    return this.#value >> SCALE;
  }

  /** `shift`: what a tick's number is multiplied by, as a power of two, to be a rate. */
  tick(shift: bigint, ewma: bigint): void {
    this.#value += ((this.since << shift) >> ewma) - (this.#value >> ewma);
    this.since = 0n;
  }

  /** Ticks at which nothing had come. As long as the same is taken away, all at once. */
  idle(ticks: bigint, ewma: bigint): void {
    for (let left = ticks; left > 0n; ) {
      const lost = this.#value >> ewma;
      if (lost === 0n) return;
      const same = (this.#value - (lost << ewma)) / lost + 1n;
      const now = same < left ? same : left;
      this.#value -= now * lost;
      left -= now;
    }
  }
}

/** Made when its first rule is loaded, which is taken to be the moment of the first packet: its ticks are counted from there. */
export class RateEstimator {
  readonly #hz: number;
  readonly #ewma: bigint;
  readonly #shift: bigint;
  /** Jiffies between two ticks. */
  readonly #period: bigint;
  #ticks = 0n;
  readonly #bytes = new Average();
  readonly #packets = new Average();

  /** `interval`, `ewma`: of RateestTargetOptions. */
  constructor(interval: number, ewma: number, hz: number) {
    this.#hz = hz;
    this.#ewma = BigInt(ewma);
    this.#shift = BigInt(8 - interval);
    this.#period = BigInt(Math.floor(hz / 4)) << BigInt(interval + 2);
  }

  /** `began`: jiffies of the first packet. */
  count({ time, length }: { time: bigint; length: number }, began: bigint): void {
    this.#advance(time, began);
    this.#bytes.since += BigInt(length);
    this.#packets.since += 1n;
  }

  read(time: bigint, began: bigint): Rates {
    this.#advance(time, began);
    return { bytes: this.#bytes.rate, packets: this.#packets.rate };
  }

  /** A timer goes off in the jiffy behind the one it was set to. */
  #advance(time: bigint, began: bigint): void {
    const due = (jiffiesAt(time, this.#hz) - began - 1n) / this.#period;
    const missed = due - this.#ticks;
    if (missed <= 0n) return;
    this.#ticks = due;
    for (const average of [this.#bytes, this.#packets]) {
      average.tick(this.#shift, this.#ewma);
      average.idle(missed - 1n, this.#ewma);
    }
  }
}
