/** Packets of a sample in the nodes of a tree that grows: those of a node stand in one piece, and each goes to one of its children. */
import { Numbers } from '../numbers.ts';
import type { Sample } from '../traffic.ts';
import { type Dimension, placeOf } from './intervals.ts';

/** null where the sample tells nothing of what is searched, or holds no packet. */
export const seenBy = (sample: Sample, dimensions: readonly Dimension[]): Seen | null =>
  sample.packets > 0 && dimensions.some(({ field }) => sample.tells(field)) ? new Seen(sample, dimensions) : null;

export class Seen {
  /** Numbers of packets. */
  readonly list = new Numbers();
  /** By node, where its packets stand in the list, and how many. */
  readonly from = new Numbers();
  readonly count = new Numbers();
  /** By dimension: the place of every packet; null where the sample does not tell. */
  readonly places: readonly (Int32Array | null)[];

  constructor(sample: Sample, dimensions: readonly Dimension[]) {
    this.places = dimensions.map(({ field, ends }) =>
      sample.tells(field) ? Int32Array.from(sample.values(field), (value) => placeOf(ends, value)) : null,
    );
    for (let packet = 0; packet < sample.packets; packet++) this.list.push(packet);
    this.add(0, sample.packets);
  }

  /** The next two nodes are a node's children: up to `at` in a dimension, and above. Where the sample does not tell, each has all. */
  cut(node: number, dimension: number, at: number): void {
    const from = this.from.values[node]!;
    const count = this.count.values[node]!;
    const places = this.places[dimension]!;
    if (places === null) {
      this.add(from, count);
      this.add(this.copy(from, count), count);
      return;
    }
    const { values } = this.list;
    let low = from;
    let high = from + count;
    while (low < high) {
      const packet = values[low]!;
      if (places[packet]! <= at) {
        low++;
        continue;
      }
      values[low] = values[--high]!;
      values[high] = packet;
    }
    this.add(from, low - from);
    this.add(low, from + count - low);
  }

  private copy(from: number, count: number): number {
    const start = this.list.length;
    for (let index = from; index < from + count; index++) this.list.push(this.list.values[index]!);
    return start;
  }

  private add(from: number, count: number): void {
    this.from.push(from);
    this.count.push(count);
  }
}
