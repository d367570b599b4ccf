/**
 * Paths, not counters: what happens on an edge (rules counted, chains returned from, policies) is a rope of events, shared between all edges;
 * a rope with a number of evaluated rules is a segment, and the engine counts segments.
 */
import { ROPE_EVENT } from '../abi/image.ts';

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

/** Ropes of events. Rope 0 is empty. Joining is constant time, so edges can be glued together without copying. */
export class Ropes {
  readonly left: number[] = [0];
  readonly right: number[] = [0];
  readonly events: PathEvent[] = [];
  private readonly joined = new Map<number, Map<number, number>>();
  private readonly known = new Map<string, number>();

  event(event: PathEvent): number {
    const key = `${event.chain}:${event.number}:${event.word}:${event.counts}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const rope = this.push((ROPE_EVENT | this.events.length) >>> 0, 0);
    this.events.push(event);
    this.known.set(key, rope);
    return rope;
  }

  join(left: number, right: number): number {
    if (left === 0) return right;
    if (right === 0) return left;
    let row = this.joined.get(left);
    if (row === undefined) {
      row = new Map();
      this.joined.set(left, row);
    }
    const known = row.get(right);
    if (known !== undefined) return known;
    const rope = this.push(left, right);
    row.set(right, rope);
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
  private readonly known = new Map<number, Map<number, number>>([[0, new Map([[0, 0]])]]);

  number(rope: number, evaluations: number): number {
    let row = this.known.get(rope);
    if (row === undefined) {
      row = new Map();
      this.known.set(rope, row);
    }
    const known = row.get(evaluations);
    if (known !== undefined) return known;
    this.ropes.push(rope);
    this.evaluations.push(evaluations);
    row.set(evaluations, this.ropes.length - 1);
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
