/** A packed walk on an engine of its own: keys in, verdicts and counters out, many packets a call. */
import { EXIT_COUNTERS, KEY_SIZE, PACKED_GROUP } from '../../abi/packed.ts';
import { type WalkName, walkNumber } from '../../compile/walks.ts';
import { type Counted, countRopes, noRopes } from '../counters.ts';
import { type ImageView, readImage } from '../image-view.ts';
import { type EngineExports, loadEngine, type WasmSource } from '../loader.ts';
import { gather } from './clusters.ts';
import type { Graph } from './graph.ts';
import { KeyLayout } from './keys.ts';
import { readWalk } from './read.ts';

/** A walk as it is put into the engine's memory. */
export interface Packed {
  graph: Graph;
  layout: KeyLayout;
  clusters: Uint8Array;
  /** Where each group of a search begins; one for a tree. */
  starts: Uint32Array;
}

/**
 * A walk of an image whose rules only test fields in ranges, fields of 16 bytes together (as those of the 5-tuple of IPv4 do). Throws NotPackable for others, ImageError.
 */
export function pack(image: ImageView, { family, hook, table }: WalkName): Packed {
  const { graph, roots } = readWalk(image, walkNumber(family, hook, table));
  const layout = new KeyLayout(graph);
  return { graph, layout, ...gather(graph, roots, layout) };
}

export class PackedWalk {
  readonly packed: Packed;
  private readonly image: ImageView;
  private readonly engine: EngineExports;
  private readonly clusters: number;
  private readonly starts: number;
  private readonly exits: number;
  private readonly counters: number;
  private readonly keys: number;
  private readonly answers: number;

  private constructor(engine: EngineExports, image: ImageView, packed: Packed, packets: number) {
    const { exits } = packed.graph;
    const places = Math.ceil(packets / PACKED_GROUP) * PACKED_GROUP;
    this.engine = engine;
    this.image = image;
    this.packed = packed;
    this.clusters = engine.allocate(packed.clusters.length);
    this.starts = engine.allocate(packed.starts.length * 4);
    this.exits = engine.allocate(exits.length * 4);
    this.counters = engine.allocate(exits.length * EXIT_COUNTERS);
    this.keys = engine.allocate(places * KEY_SIZE);
    this.answers = engine.allocate(places * 4);
    if ([this.clusters, this.starts, this.exits, this.counters, this.keys, this.answers].includes(0)) {
      throw new RangeError(`no memory for ${packets} packets`);
    }
    new Uint8Array(engine.memory.buffer).set(packed.clusters, this.clusters);
    new Uint32Array(engine.memory.buffer, this.starts).set(packed.starts);
    new Uint32Array(engine.memory.buffer, this.exits).set(exits.map(({ verdict }) => verdict));
  }

  /** Room for so many packets at a time. `spoil` is for tests that plant errors. Throws ImageError, NotPackable, RangeError. */
  static async open(
    wasm: WasmSource,
    image: Uint8Array,
    walk: WalkName,
    packets: number,
    spoil?: (packed: Packed) => void,
  ): Promise<PackedWalk> {
    const view = readImage(image);
    const packed = pack(view, walk);
    spoil?.(packed);
    return new PackedWalk(await loadEngine(wasm), view, packed, packets);
  }

  /** Puts a packet into place `index`: of its fields (abi/fields.ts), those the walk tests. */
  put(index: number, fields: Uint32Array): void {
    this.packed.layout.write(fields, new Uint8Array(this.engine.memory.buffer, this.keys + index * KEY_SIZE, KEY_SIZE));
  }

  /**
   * NEXT_* of `packets` packets from place `from` on, a multiple of PACKED_GROUP, in the engine's own memory; `bytes` is what rules count for each.
   * Thousands in one call at most: a loop in one long call stays in V8's baseline compiler.
   */
  classify(packets: number, bytes: number, from = 0): Uint32Array {
    const { engine, clusters, starts, exits, counters } = this;
    const groups = this.packed.starts.length;
    const answers = this.answers + from * 4;
    engine.classifyPacked(clusters, starts, groups, exits, counters, this.keys + from * KEY_SIZE, packets, bytes, answers);
    return new Uint32Array(engine.memory.buffer, answers, packets);
  }

  /** What the rules counted: an exit's packets met its rope and those of all before. */
  counted(): Counted {
    const { mets, exits } = this.packed.graph;
    const left = new BigUint64Array(this.engine.memory.buffer, this.counters, exits.length * 2);
    const ropes = noRopes(this.image);
    const packets = new Float64Array(mets.rope.length);
    const bytes = new Float64Array(mets.rope.length);
    for (const [exit, { met }] of exits.entries()) {
      packets[met]! += Number(left[exit * 2]!);
      bytes[met]! += Number(left[exit * 2 + 1]!);
      ropes.evaluations += mets.evaluations[met]! * Number(left[exit * 2]!);
    }
    for (let met = mets.rope.length - 1; met > 0; met--) {
      for (const [sums, of] of [
        [ropes.packets, packets],
        [ropes.bytes, bytes],
      ] as const) {
        of[mets.before[met]!]! += of[met]!;
        sums[mets.rope[met]!]! += of[met]!;
      }
    }
    return countRopes(this.image, ropes);
  }
}
