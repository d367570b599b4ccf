/**
 * Paths, not counters: what happens on an edge (rules counted, chains returned from, policies) is a rope of events, shared between all edges;
 * a rope with a number of evaluated rules is a segment, and the engine counts segments.
 */
import { ROPE_EVENT } from '../abi/image.ts';
import { Pairs } from './pairs.ts';

/** One line of TRACE. `chain` is a number over all tables of the image. */
export interface PathEvent {
  chain: number;
  /** 1-based, as TRACE prints it; the policy and the end of a chain are number of rules + 1. */
  number: number;
  /** EVENT_*. */
  word: number;
  /** COUNTS_*. */
  counts: number;
}

/** More than there are COUNTS_*, and times that more than EVENT_*. */
const COUNTS = 4;
const KINDS = 16;

/** Ropes of events. Rope 0 is empty. Joining is constant time, so edges can be glued together without copying. */
export class Ropes {
  readonly left: number[] = [0];
  readonly right: number[] = [0];
  readonly events: PathEvent[] = [];
  private readonly joined = new Pairs();
  /** By chain, and by number and kind. */
  private readonly known = new Pairs();

  event(event: PathEvent): number {
    const { chain } = event;
    const kind = event.number * KINDS + event.word * COUNTS + event.counts;
    const known = this.known.get(chain, kind);
    if (known >= 0) return known;
    const rope = this.push((ROPE_EVENT | this.events.length) >>> 0, 0);
    this.events.push(event);
    this.known.set(chain, kind, rope);
    return rope;
  }

  join(left: number, right: number): number {
    if (left === 0) return right;
    if (right === 0) return left;
    const known = this.joined.get(left, right);
    if (known >= 0) return known;
    const rope = this.push(left, right);
    this.joined.set(left, right, rope);
    return rope;
  }

  private push(left: number, right: number): number {
    this.left.push(left);
    this.right.push(right);
    return this.left.length - 1;
  }
}

/** Ropes and events that segments lead to, renumbered in the same order: trying out cuts leaves many behind. */
export interface UsedRopes {
  /** Old number -> new number, 0 for unused ones (and the empty rope). */
  number: Uint32Array;
  left: number[];
  right: number[];
  events: PathEvent[];
}

export function usedRopes(ropes: Ropes, segments: Segments): UsedRopes {
  const used = new Uint8Array(ropes.left.length);
  for (const rope of segments.ropes) used[rope] = 1;
  for (let rope = used.length - 1; rope > 0; rope--) {
    if (used[rope] === 0 || ropes.left[rope]! >= ROPE_EVENT) continue;
    used[ropes.left[rope]!] = 1;
    used[ropes.right[rope]!] = 1;
  }
  const number = new Uint32Array(used.length);
  const kept: UsedRopes = { number, left: [0], right: [0], events: [] };
  for (let rope = 1; rope < used.length; rope++) {
    if (used[rope] === 0) continue;
    number[rope] = kept.left.length;
    const left = ropes.left[rope]!;
    if (left >= ROPE_EVENT) {
      kept.left.push(ROPE_EVENT + kept.events.length);
      kept.right.push(0);
      kept.events.push(ropes.events[left - ROPE_EVENT]!);
    } else {
      kept.left.push(number[left]!);
      kept.right.push(number[ropes.right[rope]!]!);
    }
  }
  return kept;
}

/** Numbers pairs of (rope, evaluations); pair (0, 0) is number 0. Visible ones and silent ones are renumbered at the end. */
export class Segments {
  readonly ropes: number[] = [0];
  readonly evaluations: number[] = [0];
  private readonly known = new Pairs();

  number(rope: number, evaluations: number): number {
    if (rope === 0 && evaluations === 0) return 0;
    const known = this.known.get(rope, evaluations);
    if (known >= 0) return known;
    this.ropes.push(rope);
    this.evaluations.push(evaluations);
    this.known.set(rope, evaluations, this.ropes.length - 1);
    return this.ropes.length - 1;
  }

  /** Old number -> final number: 0 stays, then those with events, then the silent ones. */
  order(): { final: Uint32Array; visible: number } {
    const final = new Uint32Array(this.ropes.length);
    let next = 1;
    for (let pass = 0; pass < 2; pass++) {
      for (let number = 1; number < this.ropes.length; number++) {
        if ((this.ropes[number] !== 0) === (pass === 0)) final[number] = next++;
      }
      if (pass === 0) this.visible = next - 1;
    }
    return { final, visible: this.visible };
  }

  private visible = 0;
}
