/** From counted segments to the counters of rules and policies, and from segments to paths in TRACE's words. */
import * as abi from '../abi/image.ts';
import type { TableCounters } from '../model/outcome.ts';
import type { Family } from '../model/ruleset.ts';
import type { ImageView } from './image-view.ts';

export interface Counted {
  counters: Partial<Record<Family, TableCounters>>;
  evaluations: number;
}

/** How often each rope of an image was met, and with how many bytes. */
export interface RopeCounts {
  packets: Float64Array;
  bytes: Float64Array;
  evaluations: number;
}

/** `counts`: packets and bytes of each segment. */
export function countRules(image: ImageView, counts: BigUint64Array): Counted {
  const { segments } = image;
  const met = noRopes(image);
  for (let segment = 1; segment < segments.length / 2; segment++) {
    const number = Number(counts[segment * 2]!);
    const rope = segments[segment * 2]!;
    met.packets[rope]! += number;
    met.bytes[rope]! += Number(counts[segment * 2 + 1]!);
    met.evaluations += number * segments[segment * 2 + 1]!;
  }
  return countRopes(image, met);
}

export const noRopes = ({ ropes }: ImageView): RopeCounts => ({
  packets: new Float64Array(ropes.length / 2),
  bytes: new Float64Array(ropes.length / 2),
  evaluations: 0,
});

/** A rope's count is that of both its halves, so one pass from the last rope to the first is enough; `met` changes on the way. */
export function countRopes(image: ImageView, met: RopeCounts): Counted {
  const { ropes, events } = image;
  const { packets, bytes, evaluations } = met;
  const chains = emptyCounters(image);
  for (let rope = ropes.length / 2 - 1; rope > 0; rope--) {
    const left = ropes[rope * 2]!;
    const right = ropes[rope * 2 + 1]!;
    if (left < abi.ROPE_EVENT) {
      for (const half of [left, right]) {
        packets[half]! += packets[rope]!;
        bytes[half]! += bytes[rope]!;
      }
      continue;
    }
    const event = (left - abi.ROPE_EVENT) * 3;
    const chain = chains.byNumber.get(events[event]!)!;
    const counts = events[event + 2]! >>> 8;
    const counter =
      counts === abi.COUNTS_POLICY ? chain : counts === abi.COUNTS_RULE ? chain.rules[events[event + 1]! - 1] : undefined;
    if (counter === undefined) continue;
    counter.packets += packets[rope]!;
    counter.bytes += bytes[rope]!;
  }
  return { counters: chains.counters, evaluations };
}

function emptyCounters({ names }: ImageView): {
  counters: Partial<Record<Family, TableCounters>>;
  byNumber: Map<number, TableCounters[string][string]>;
} {
  const counters: Partial<Record<Family, TableCounters>> = {};
  const byNumber = new Map<number, TableCounters[string][string]>();
  for (const table of names.tables) {
    const family = counters[table.family] ?? {};
    counters[table.family] = family;
    const chains: TableCounters[string] = {};
    family[table.name] = chains;
    for (const [index, chain] of table.chains.entries()) {
      const rules = Array.from({ length: chain.rules }, () => ({ packets: 0, bytes: 0 }));
      const made = { policy: chain.policy, packets: 0, bytes: 0, rules };
      chains[chain.name] = made;
      byNumber.set(table.first + index, made);
    }
  }
  return { counters, byNumber };
}

const WORDS = ['rule', 'return', 'policy'];

/** Segments as lists of `table:chain:word:number`, each worked out once. */
export class PathWords {
  private readonly image: ImageView;
  private readonly chains = new Map<number, { table: string; chain: string }>();
  private readonly known = new Map<number, readonly PathWord[]>();

  constructor(image: ImageView) {
    this.image = image;
    for (const table of image.names.tables) {
      for (const [index, chain] of table.chains.entries())
        this.chains.set(table.first + index, { table: table.name, chain: chain.name });
    }
  }

  of(segment: number): readonly PathWord[] {
    let words = this.known.get(segment);
    if (words === undefined) {
      words = this.read(this.image.segments[segment * 2]!);
      this.known.set(segment, words);
    }
    return words;
  }

  private read(from: number): PathWord[] {
    const { ropes, events } = this.image;
    const words: PathWord[] = [];
    const stack = [from];
    for (let rope = stack.pop(); rope !== undefined; rope = stack.pop()) {
      if (rope === 0) continue;
      const left = ropes[rope * 2]!;
      if (left < abi.ROPE_EVENT) {
        stack.push(ropes[rope * 2 + 1]!, left);
        continue;
      }
      const event = (left - abi.ROPE_EVENT) * 3;
      const { table, chain } = this.chains.get(events[event]!)!;
      words.push({ table, text: `${table}:${chain}:${WORDS[events[event + 2]! & 255]}:${events[event + 1]}` });
    }
    return words;
  }
}

export interface PathWord {
  table: string;
  text: string;
}
