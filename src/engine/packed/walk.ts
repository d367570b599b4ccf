/** A packed walk on an engine of its own: keys in, verdicts and counters out, many packets a call. */
import { EXIT_MOST, EXIT_PACKET, KEY_SIZE, PACKED_EXIT, PACKED_GROUP, START_SIZE } from '../../abi/packed.ts';
import { type WalkName, walkNumber } from '../../compile/walks.ts';
import { type Counted, countRopes, noRopes } from '../counters.ts';
import { type ImageView, readImage } from '../image-view.ts';
import { type EngineExports, loadEngine, type WasmSource } from '../loader.ts';
import { gather } from './clusters.ts';
import type { Graph } from './graph.ts';
import { KeyLayout } from './keys.ts';
import { readWalk } from './read.ts';
import { NotPackable } from './tests.ts';

/** A walk as it is put into the engine's memory. */
export interface Packed {
  graph: Graph;
  layout: KeyLayout;
  clusters: Uint8Array;
  /** Whether that is more than the processor keeps near. */
  far: boolean;
  /** START_SIZE bytes for each group of a search; one for a tree. */
  starts: Uint32Array;
}

/** Bytes of clusters. With some 3 MB (10,000 rules) looking ahead costs as much as it saves. */
const FAR = 8 << 20;

/**
 * A walk of an image whose rules only test fields in ranges, fields of 16 bytes together (as those of the 5-tuple of IPv4 do). Throws NotPackable for others, ImageError.
 */
export function pack(image: ImageView, { family, hook, table }: WalkName): Packed {
  const { graph, roots } = readWalk(image, walkNumber(family, hook, table));
  if (graph.exits.length > -PACKED_EXIT)
    throw new NotPackable(`its rules have ${graph.exits.length} ways out, more than ${-PACKED_EXIT}`);
  const layout = new KeyLayout(graph);
  const { clusters, starts } = gather(graph, roots, layout);
  return { graph, layout, clusters, far: clusters.length > FAR, starts };
}

export class PackedWalk {
  readonly packed: Packed;
  private readonly image: ImageView;
  private readonly engine: EngineExports;
  private readonly clusters: number;
  private readonly starts: number;
  private readonly exits: number;
  private readonly keys: number;
  private readonly answers: number;
  /** By exit: packets that left there, and their bytes, but for those that the engine still counts: at most `counting`, of `bytes` each. */
  private readonly packets: Float64Array;
  private readonly bytes: Float64Array;
  private counting = 0;
  private bytesEach = 0;

  private constructor(engine: EngineExports, image: ImageView, packed: Packed, packets: number) {
    const { exits } = packed.graph;
    const places = Math.ceil(packets / PACKED_GROUP) * PACKED_GROUP;
    this.engine = engine;
    this.image = image;
    this.packed = packed;
    this.clusters = engine.allocate(packed.clusters.length);
    this.starts = engine.allocate(packed.starts.length * 4);
    this.exits = engine.allocate(exits.length * 4);
    this.packets = new Float64Array(exits.length);
    this.bytes = new Float64Array(exits.length);
    this.keys = engine.allocate(places * KEY_SIZE);
    this.answers = engine.allocate(places * 4);
    if ([this.clusters, this.starts, this.exits, this.keys, this.answers].includes(0)) {
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
   * Thousands in one call at most: a loop in one long call stays in V8's baseline compiler. With another `bytes` than the call before, it walks all exits: lengths that alternate cost that a call.
   */
  classify(packets: number, bytes: number, from = 0): Uint32Array {
    const { engine, packed, clusters, starts, exits } = this;
    if (bytes !== this.bytesEach || this.counting + packets > EXIT_MOST) this.collect();
    this.counting += packets;
    this.bytesEach = bytes;
    const groups = (packed.starts.length * 4) / START_SIZE;
    const answers = this.answers + from * 4;
    engine.classifyPacked(clusters, packed.far, starts, groups, exits, this.keys + from * KEY_SIZE, packets, answers);
    return new Uint32Array(engine.memory.buffer, answers, packets);
  }

  /** Clusters that all packets so far went through; only the debug build counts them. */
  steps(): number {
    return this.engine.packedSteps() >>> 0;
  }

  /** Takes over what the engine has counted. */
  private collect(): void {
    const words = new Uint32Array(this.engine.memory.buffer, this.exits, this.packets.length);
    for (let exit = 0; exit < words.length; exit++) {
      const more = Math.floor(words[exit]! / EXIT_PACKET);
      words[exit]! %= EXIT_PACKET;
      this.packets[exit]! += more;
      this.bytes[exit]! += more * this.bytesEach;
    }
    this.counting = 0;
  }

  /** What the rules counted: an exit's packets met its rope and those of all before. */
  counted(): Counted {
    this.collect();
    const { mets, exits } = this.packed.graph;
    const ropes = noRopes(this.image);
    const packets = new Float64Array(mets.rope.length);
    const bytes = new Float64Array(mets.rope.length);
    for (const [exit, { met }] of exits.entries()) {
      packets[met]! += this.packets[exit]!;
      bytes[met]! += this.bytes[exit]!;
      ropes.evaluations += mets.evaluations[met]! * this.packets[exit]!;
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
