/** Tables in plain form on the real engine, packet by packet: fields in, verdict and counters out. */

import * as abi from '../../src/abi/image.ts';
import { encodeConntrack } from '../../src/compile/conntrack.ts';
import { encodeHost } from '../../src/compile/host.ts';
import { assembleImage } from '../../src/compile/image.ts';
import { buildInterfaces } from '../../src/compile/interfaces.ts';
import type { PlainTable } from '../../src/compile/plain.ts';
import { type CompiledWalks, compileWalks, type WalkName, type WalksOptions } from '../../src/compile/walks.ts';
import { Classifier } from '../../src/engine/classifier.ts';
import { type Counted, PathWords } from '../../src/engine/counters.ts';
import type { ImageView } from '../../src/engine/image-view.ts';
import type { WasmSource } from '../../src/engine/loader.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';

export function plainImage(tables: readonly PlainTable[], options: WalksOptions): { bytes: Uint8Array; walks: CompiledWalks } {
  const walks = compileWalks(tables, options);
  const { final, visible } = walks.segments.order();
  const interfaces = buildInterfaces([], ['lo', 'eth0']);
  let first = 0;
  const names = tables.map((table) => {
    const named = {
      family: table.family,
      name: table.name,
      first,
      chains: table.chains.map(({ name, policy, rules }) => ({ name, policy, rules: rules.length })),
    };
    first += table.chains.length;
    return named;
  });
  const bytes = assembleImage({
    code: walks.code.finish(final),
    segments: walks.segments,
    final,
    visible,
    ropes: walks.ropes,
    names: { tables: names, notes: walks.notes, logs: [], kept: walks.kept },
    host: encodeHost(buildHost({}), DEFAULT_PROFILE, interfaces, { addressTypes: false }),
    conntrack: encodeConntrack(DEFAULT_PROFILE, { nat: false }),
    interfaces: interfaces.encode(),
    sets: new Uint8Array(0),
    states: walks.states,
    stack: walks.stack,
    flags: abi.IMAGE_FLAG_FAMILY4,
    hz: DEFAULT_PROFILE.hz,
  });
  return { bytes, walks };
}

/** What rules count for a packet. */
const BYTES = 100;

export class PlainEngine {
  private readonly classifier: Classifier;
  readonly words: PathWords;

  private constructor(classifier: Classifier) {
    this.classifier = classifier;
    this.words = new PathWords(classifier.image);
  }

  static async open(wasm: WasmSource, bytes: Uint8Array): Promise<PlainEngine> {
    return new PlainEngine(await Classifier.open(wasm, bytes, 1));
  }

  get image(): ImageView {
    return this.classifier.image;
  }

  /** NEXT_*; `fields` become what the walk left in the slot. */
  walk(family: 4 | 6, hook: WalkName['hook'], table: WalkName['table'], fields: Uint32Array, jiffies = 0n): number {
    this.classifier.put(0, fields, jiffies);
    const verdict = this.classifier.classify({ family, hook, table }, 0, BYTES);
    fields.set(this.classifier.fields(0).subarray(0, fields.length));
    return verdict;
  }

  counted(): Counted {
    return this.classifier.counted();
  }
}
