/**
 * Paths, not counters: what happens on an edge (rules counted, chains returned from, policies) is a rope of events, shared between all edges;
 * a rope with a number of evaluated rules is a segment, and the engine counts segments.
 */
import { ROPE_EVENT } from '../abi/image.ts';
import { Numbers } from './numbers.ts';
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
  /** What is joined, or with ROPE_EVENT (the top bit) the number of an event; by rope, of which there are `length`. */
  readonly left: Numbers;
  readonly right: Numbers;
  readonly events: PathEvent[] = [];
  private readonly joined: Pairs;
  /** By chain, and by number and kind. */
  private readonly known: Pairs;

  /** `rules`: how many there are, for room. */
  constructor(rules = 0) {
    this.left = new Numbers(2 * rules + 1);
    this.right = new Numbers(2 * rules + 1);
    this.joined = new Pairs(rules);
    this.known = new Pairs(rules);
    this.push(0, 0);
  }

  get length(): number {
    return this.left.length;
  }

  event(event: PathEvent): number {
    const { chain } = event;
    const kind = event.number * KINDS + event.word * COUNTS + event.counts;
    const known = this.known.get(chain, kind);
    if (known >= 0) return known;
    const rope = this.push(ROPE_EVENT | this.events.length, 0);
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
  left: Numbers;
  right: Numbers;
  events: PathEvent[];
}

export function usedRopes(ropes: Ropes, segments: Segments): UsedRopes {
  const left = ropes.left.values;
  const right = ropes.right.values;
  const used = new Uint8Array(ropes.length);
  for (let segment = 0; segment < segments.length; segment++) used[segments.ropes.values[segment]!] = 1;
  for (let rope = used.length - 1; rope > 0; rope--) {
    if (used[rope] === 0 || left[rope]! < 0) continue;
    used[left[rope]!] = 1;
    used[right[rope]!] = 1;
  }
  const number = new Uint32Array(used.length);
  const kept: UsedRopes = { number, left: new Numbers(used.length), right: new Numbers(used.length), events: [] };
  kept.left.push(0);
  kept.right.push(0);
  for (let rope = 1; rope < used.length; rope++) {
    if (used[rope] === 0) continue;
    number[rope] = kept.left.length;
    if (left[rope]! < 0) {
      kept.left.push(ROPE_EVENT | kept.events.length);
      kept.right.push(0);
      kept.events.push(ropes.events[left[rope]! & ~ROPE_EVENT]!);
    } else {
      kept.left.push(number[left[rope]!]!);
      kept.right.push(number[right[rope]!]!);
    }
  }
  return kept;
}

/** Numbers pairs of (rope, evaluations); pair (0, 0) is number 0. Visible ones and silent ones are renumbered at the end. */
export class Segments {
  /** By segment, of which there are `length`. */
  readonly ropes: Numbers;
  readonly evaluations: Numbers;
  private readonly known: Pairs;

  /** `rules`: how many there are, for room. */
  constructor(rules = 0) {
    this.ropes = new Numbers(2 * rules + 1);
    this.evaluations = new Numbers(2 * rules + 1);
    this.known = new Pairs(2 * rules);
    this.ropes.push(0);
    this.evaluations.push(0);
  }

  get length(): number {
    return this.ropes.length;
  }

  number(rope: number, evaluations: number): number {
    if (rope === 0 && evaluations === 0) return 0;
    const known = this.known.get(rope, evaluations);
    if (known >= 0) return known;
    this.ropes.push(rope);
    this.evaluations.push(evaluations);
    this.known.set(rope, evaluations, this.length - 1);
    return this.length - 1;
  }

  /** Old number -> final number: 0 stays, then those with events, then the silent ones. */
  order(): { final: Uint32Array; visible: number } {
    const final = new Uint32Array(this.length);
    let next = 1;
    for (let pass = 0; pass < 2; pass++) {
      for (let number = 1; number < this.length; number++) {
        if ((this.ropes.values[number] !== 0) === (pass === 0)) final[number] = next++;
      }
      if (pass === 0) this.visible = next - 1;
    }
    return { final, visible: this.visible };
  }

  private visible = 0;
}
