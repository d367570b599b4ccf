/** Where a packed walk finds the fields it tests: their places in keys of 16 bytes (abi/packed.ts). */
import { CLUSTER_NOTHING, KEY_SIZE } from '../../abi/packed.ts';
import type { Graph } from './graph.ts';
import { NotPackable } from './read.ts';

interface Place {
  field: number;
  offset: number;
  bytes: number;
}

export class KeyLayout {
  private readonly places: readonly Place[];
  private readonly patterns: ReadonlyMap<number, readonly number[]>;

  /** Room for every field that `graph` tests, as wide as its thresholds are. Throws NotPackable. */
  constructor(graph: Graph) {
    const largest = new Map<number, number>();
    for (const [test, field] of graph.field.entries()) largest.set(field, Math.max(largest.get(field) ?? 0, graph.at[test]!));
    let offset = 0;
    this.places = [...largest].map(([field, at]) => {
      const bytes = at < 0xff ? 1 : at < 0xffff ? 2 : 4;
      const place = { field, offset, bytes };
      offset += bytes;
      return place;
    });
    this.patterns = new Map(this.places.map((place) => [place.field, patternOf(place)]));
    if (offset > KEY_SIZE) throw new NotPackable(`its tests read ${offset} bytes of a packet, more than ${KEY_SIZE}`);
  }

  /** Writes the key of a packet's fields (abi/fields.ts) into `key`. A value too large is the largest: all thresholds are below it. */
  write(fields: Uint32Array, key: Uint8Array): void {
    key.fill(0);
    for (const { field, offset, bytes } of this.places) {
      const value = Math.min(fields[field]!, 2 ** (8 * bytes) - 1);
      for (let byte = 0; byte < bytes; byte++) key[offset + byte] = value >>> (8 * byte);
    }
  }

  /** Which byte of the key goes into each byte of a word that holds `field`; of a word of nothing without one. */
  pattern(field: number | undefined): readonly number[] {
    return (field !== undefined && this.patterns.get(field)) || NOTHING;
  }
}

const NOTHING = new Array<number>(4).fill(CLUSTER_NOTHING);

const patternOf = ({ offset, bytes }: Place): number[] =>
  [0, 1, 2, 3].map((byte) => (byte < bytes ? offset + byte : CLUSTER_NOTHING));
