/** The fragments of one packet that have come so far: net/ipv4/inet_fragment.c of 6.18, which both families share. */
import type { Received } from '../packet.ts';

/** One fragment. Offsets are those of its data in the whole packet, in bytes. */
export interface Fragment {
  offset: number;
  end: number;
  /** The data between the two; shorter when the capture does not hold it all. */
  data: Uint8Array;
  received: Received;
}

/** The fragment in `received`, whose data begins at `from`. Its bytes are copied: the reader of the capture uses its buffer again. */
export function fragmentOf(received: Received, from: number, offset: number, end: number): Fragment {
  const bytes = new Uint8Array(received.bytes);
  return { offset, end, data: bytes.subarray(from, from + end - offset), received: { ...received, bytes } };
}

interface Run {
  offset: number;
  end: number;
}

/** What became of a queue. `complete`: a packet was made of it, or would have been, had its parts gone together. */
export type Fate = 'waiting' | 'complete' | 'discarded' | 'timed out';

/** Two of the four values of the ECN bits (RFC 3168), as bits of a set. */
const NOT_CAPABLE = 1 << 0;
const CONGESTED = 1 << 3;

export class FragmentQueue {
  readonly key: string;
  /** Jiffies. The timer is set by the fragment that made the queue, and not again by those that follow. */
  readonly started: number;
  fate: Fate = 'waiting';
  /** IPv4: how many fragments its sender had sent to anybody when the last one for this queue came. */
  position = 0;
  /** By offset. */
  readonly fragments: Fragment[] = [];
  #held = 0;
  #marks = 0;
  #end = 0;
  #endIsKnown = false;
  /**
   * Fragments that came one behind the other are one run, one that fills a hole is a run of its own. What lies within a run is a duplicate, what meets
   * two of them is an overlap: the kernel does not look closer.
   */
  readonly #runs: Run[] = [];

  constructor(key: string, started: number) {
    this.key = key;
    this.started = started;
  }

  /** Where the data ends: behind the last fragment, or as long as that has not come, behind the furthest. */
  get length(): number {
    return this.#end;
  }

  /** Takes in where a fragment ends. False: it contradicts what is known of the packet's length. A fragment that is refused later has been taken in all the same. */
  learnEnd(end: number, more: boolean): boolean {
    if (more && end <= this.#end) return true;
    if (this.#endIsKnown ? end !== this.#end : end < this.#end) return false;
    this.#end = end;
    this.#endIsKnown = !more;
    return true;
  }

  /** Puts a fragment of at least one byte in its place. `mark`: the ECN bits of its header. */
  insert(fragment: Fragment, mark: number): 'inserted' | 'duplicate' | 'overlap' {
    const { offset, end } = fragment;
    const met = this.#runs.filter((run) => offset < run.end && end > run.offset);
    if (met.length > 0) return met.some((run) => offset >= run.offset && end <= run.end) ? 'duplicate' : 'overlap';
    const last = this.#runs.at(-1);
    if (last !== undefined && offset === last.end) last.end = end;
    else insertByOffset(this.#runs, { offset, end });
    insertByOffset(this.fragments, fragment);
    this.#held += end - offset;
    this.#marks |= 1 << mark;
    return 'inserted';
  }

  get complete(): boolean {
    return this.#endIsKnown && this.fragments[0]?.offset === 0 && this.#held === this.#end;
  }

  /** What goes into the whole packet's ECN bits (0 or 3), null when those of the fragments do not go together (RFC 3168 5.3). */
  get congestion(): number | null {
    if ((this.#marks & NOT_CAPABLE) !== 0) return this.#marks === NOT_CAPABLE ? 0 : null;
    return (this.#marks & CONGESTED) !== 0 ? 3 : 0;
  }

  /** The header, and behind it the data, as far as the capture holds it without a hole. */
  joinedTo(header: Uint8Array): Uint8Array {
    const out = new Uint8Array(header.length + this.#end);
    out.set(header);
    for (const { offset, end, data } of this.fragments) {
      out.set(data, header.length + offset);
      if (data.length < end - offset) return out.subarray(0, header.length + offset + data.length);
    }
    return out;
  }
}

function insertByOffset<T extends { offset: number }>(list: T[], one: T): void {
  const at = list.findIndex((other) => other.offset > one.offset);
  list.splice(at < 0 ? list.length : at, 0, one);
}
