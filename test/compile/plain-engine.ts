/** Tables in plain form on the real engine, packet by packet: fields in, verdict and counters out. */

import * as abi from '../../src/abi/image.ts';
import { SEGMENT_SIZE, STATE_SIZE } from '../../src/abi/image.ts';
import { PACKET_JIFFIES, PACKET_SIZE } from '../../src/abi/packet.ts';
import { encodeConntrack } from '../../src/compile/conntrack.ts';
import { encodeHost } from '../../src/compile/host.ts';
import { assembleImage } from '../../src/compile/image.ts';
import { buildInterfaces } from '../../src/compile/interfaces.ts';
import type { PlainTable } from '../../src/compile/plain.ts';
import { type CompiledWalks, compileWalks, HOOK_NAMES, TABLE_NAMES, type WalksOptions } from '../../src/compile/walks.ts';
import { type Counted, countRules, PathWords } from '../../src/engine/counters.ts';
import { type ImageView, readImage } from '../../src/engine/image-view.ts';
import { type EngineExports, loadEngine, type WasmSource } from '../../src/engine/loader.ts';
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
    names: { tables: names, notes: walks.notes, logs: [] },
    host: encodeHost(buildHost({}), DEFAULT_PROFILE, interfaces, { addressTypes: false }),
    conntrack: encodeConntrack(DEFAULT_PROFILE, { nat: false }),
    interfaces: interfaces.encode(),
    states: walks.states,
    stack: walks.stack,
    flags: abi.IMAGE_FLAG_FAMILY4,
    hz: DEFAULT_PROFILE.hz,
  });
  return { bytes, walks };
}

/** Packets that are walked in one call at most. */
const MANY = 64;

export class PlainEngine {
  private readonly engine: EngineExports;
  readonly image: ImageView;
  private readonly segments: number;
  private readonly slot: number;
  private readonly answers: number;
  readonly words: PathWords;

  private constructor(engine: EngineExports, image: ImageView) {
    const { header } = image;
    this.engine = engine;
    this.image = image;
    this.words = new PathWords(image);
    const code = engine.allocate(image.code.length);
    this.segments = engine.allocate((image.segments.length / 2) * SEGMENT_SIZE);
    const states = engine.allocate(header[abi.IMAGE_WORD_STATES]! * STATE_SIZE + 8);
    const depth = header[abi.IMAGE_WORD_STACK]!;
    const stack = engine.allocate(depth * 4);
    this.slot = engine.allocate(MANY * PACKET_SIZE);
    this.answers = engine.allocate(MANY * 4);
    new Uint8Array(engine.memory.buffer).set(image.code, code);
    engine.setupProgram(
      code,
      this.segments,
      states,
      stack,
      depth,
      header[abi.IMAGE_WORD_CREDITS]!,
      header[abi.IMAGE_WORD_VISIBLE]!,
    );
  }

  static async open(wasm: WasmSource, bytes: Uint8Array): Promise<PlainEngine> {
    return new PlainEngine(await loadEngine(wasm), readImage(bytes));
  }

  /** NEXT_* and what the walk left in the slot. */
  walk(
    family: 4 | 6,
    hook: (typeof HOOK_NAMES)[number],
    table: (typeof TABLE_NAMES)[number],
    fields: Uint32Array,
    jiffies = 0n,
  ): number {
    const slot = new Uint32Array(this.engine.memory.buffer, this.slot, fields.length);
    slot.set(fields);
    new DataView(this.engine.memory.buffer).setBigUint64(this.slot + PACKET_JIFFIES, jiffies, true);
    const walk = numberOf(family, hook, table);
    const verdict = this.engine.classify(walk, this.slot, 100) >>> 0;
    fields.set(new Uint32Array(this.engine.memory.buffer, this.slot, fields.length));
    return verdict;
  }

  /** The same for up to 64 packets in one call: NEXT_* of each; `fields` become what is left in their slots. */
  walkMany(
    family: 4 | 6,
    hook: (typeof HOOK_NAMES)[number],
    table: (typeof TABLE_NAMES)[number],
    packets: readonly { fields: Uint32Array; jiffies: bigint }[],
  ): number[] {
    const slot = (index: number) => this.slot + index * PACKET_SIZE;
    for (const [index, { fields, jiffies }] of packets.entries()) {
      new Uint32Array(this.engine.memory.buffer, slot(index), fields.length).set(fields);
      new DataView(this.engine.memory.buffer).setBigUint64(slot(index) + PACKET_JIFFIES, jiffies, true);
    }
    this.engine.classifyMany(numberOf(family, hook, table), this.slot, packets.length, 100, this.answers);
    for (const [index, { fields }] of packets.entries())
      fields.set(new Uint32Array(this.engine.memory.buffer, slot(index), fields.length));
    return [...new Uint32Array(this.engine.memory.buffer, this.answers, packets.length)];
  }

  counted(): Counted {
    return countRules(this.image, new BigUint64Array(this.engine.memory.buffer, this.segments, this.image.segments.length));
  }
}

const numberOf = (family: 4 | 6, hook: (typeof HOOK_NAMES)[number], table: (typeof TABLE_NAMES)[number]): number =>
  ((family === 4 ? 0 : 1) * 5 + HOOK_NAMES.indexOf(hook)) * 5 + TABLE_NAMES.indexOf(table);
