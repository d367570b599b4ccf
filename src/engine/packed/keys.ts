/** Where a packed walk finds the fields it tests: their places in keys of 16 bytes (abi/packed.ts). */
import { FIELD_COUNT } from '../../abi/fields.ts';
import { CLUSTER_NOTHING, KEY_SIZE } from '../../abi/packed.ts';
import type { Graph } from './graph.ts';
import { NotPackable } from './tests.ts';

interface Place {
  field: number;
  offset: number;
  bytes: number;
}

export class KeyLayout {
  private readonly places: Place[] = [];
  /** By field. */
  private readonly patterns = new Uint32Array(FIELD_COUNT).fill(NOTHING);

  /** Room for every field that `graph` tests, as wide as its thresholds are. Throws NotPackable. */
  constructor(graph: Graph) {
    let offset = 0;
    for (const [field, at] of graph.largest.entries()) {
      if (at < 0) continue;
      const place = { field, offset, bytes: at < 0xff ? 1 : at < 0xffff ? 2 : 4 };
      this.places.push(place);
      this.patterns[field] = patternOf(place);
      offset += place.bytes;
    }
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

  /** Which byte of the key goes into each byte of a word that holds `field`, lowest first. */
  pattern(field: number): number {
    return this.patterns[field]!;
  }
}

/** The pattern of a word that holds nothing. */
export const NOTHING = Math.imul(CLUSTER_NOTHING, 0x01010101) >>> 0;

const patternOf = ({ offset, bytes }: Place): number =>
  [0, 1, 2, 3].reduce((word, byte) => word | ((byte < bytes ? offset + byte : CLUSTER_NOTHING) << (8 * byte)), 0) >>> 0;
