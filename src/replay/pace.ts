/**
 * Keeps the threads of a shared replay (parallel.ts) near each other. They stop behind the packet that the fastest has come to, so that is how long the others go on behind a signal. It costs
 * nothing that the fastest waits: the replay takes as long as the slowest does.
 */

/** Milliseconds of its own work that a thread may be ahead of the slowest. With 100 a replay took longer where cores have other work, too: who is ahead now is behind later. */
const LEAD = 500;
/** Milliseconds between two looks at the others. */
const LOOK = 2;
/** Packets are told in units: 32 bits are enough then. */
const UNIT = 1024;
const ENDED = 2 ** 31 - 1;

/** One for each thread, in memory that all see: units of packets it has read. */
export const placesOf = (threads: number): Int32Array =>
  new Int32Array(new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT));

/** The pace of one of the threads. */
export class Pace {
  readonly #places: Int32Array;
  readonly #index: number;
  readonly #now: () => number;
  readonly #start: number;

  /** `now`: milliseconds, from wherever. */
  constructor(places: Int32Array, index: number, now: () => number = () => performance.now()) {
    this.#places = places;
    this.#index = index;
    this.#now = now;
    this.#start = now();
  }

  /** This thread has read so many packets. Whether that is too far ahead: how fast it is says how many that is. */
  isAhead(packets: number): boolean {
    const own = Math.floor(packets / UNIT);
    Atomics.store(this.#places, this.#index, own);
    let slowest = ENDED;
    for (let other = 0; other < this.#places.length; other++) {
      const place = Atomics.load(this.#places, other);
      if (place < slowest) slowest = place;
    }
    const lead = (packets * LEAD) / Math.max(this.#now() - this.#start, LEAD);
    // In units on both sides: the slowest is never ahead, of itself neither, however few packets the lead is.
    return (own - slowest) * UNIT > lead;
  }

  /** Until it is no longer ahead, or `until` says so. */
  async wait(packets: number, until: () => boolean): Promise<void> {
    while (!until() && this.isAhead(packets)) await new Promise((resolve) => setTimeout(resolve, LOOK));
  }

  /** This thread reads no more: nobody waits for it. */
  end(): void {
    Atomics.store(this.#places, this.#index, ENDED);
  }
}
