/** Ways of packets through packed walks: counted as the engine goes, and none much longer than others. */
import { beforeAll, describe, expect, test } from 'vitest';
import { classbenchShapes, filterSet, iptablesRules, strangeTuples, TUPLE_WORDS, tuplesFor } from '../../bench/classbench.ts';
import { fieldsOf } from '../../bench/packet-fields.ts';
import { countWays, deepest, follow } from '../../bench/ways.ts';
import { KEY_SIZE } from '../../src/abi/packed.ts';
import { compile } from '../../src/compile/index.ts';
import type { WasmSource } from '../../src/engine/loader.ts';
import { PackedWalk } from '../../src/engine/packed/walk.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { engineModule } from '../engine/session/wasm.ts';

const PACKETS = 4096;
let wasm: WasmSource;
beforeAll(() => {
  wasm = engineModule('release');
}, 600_000);

/** A walk of 1000 rules of a shape, and packets: half of its rules, half of none. */
async function walked(
  shape: (typeof classbenchShapes)[number],
): Promise<{ walk: PackedWalk; packet: (index: number) => Uint32Array }> {
  const set = filterSet(shape, 1000);
  const rules = { 4: parseSave(iptablesRules(set), { file: set.name, family: 4 }) };
  const host = buildHost({ forward: true, in: 'eth0', out: 'eth1' });
  const { bytes } = compile({ rules, host, profile: DEFAULT_PROFILE });
  const walk = await PackedWalk.open(wasm, bytes, { family: 4, hook: 'FORWARD', table: 'filter' }, PACKETS);
  const words = [tuplesFor(set, PACKETS / 2), strangeTuples(PACKETS / 2)];
  const packet = (index: number): Uint32Array => fieldsOf(words[index % 2]!.subarray((index >> 1) * TUPLE_WORDS));
  return { walk, packet };
}

describe('ways of packets', () => {
  test.each(classbenchShapes)(
    '%s, 1000 rules: end where the engine says, and the longest is no more than twice as long as most',
    async (shape) => {
      const { walk, packet } = await walked(shape);
      for (let index = 0; index < PACKETS; index++) walk.put(index, packet(index));
      const answers = walk.classify(PACKETS, 60);
      const key = new Uint8Array(KEY_SIZE);
      for (let index = 0; index < PACKETS; index++) {
        walk.packed.layout.write(packet(index), key);
        expect(walk.packed.graph.exits[follow(walk.packed, key).exit]!.verdict).toBe(answers[index]);
      }
      const ways = countWays(walk.packed, PACKETS, packet);
      expect(ways.worst).toBeLessThan(2 * ways.mean);
      expect(ways.mean).toBeLessThan(21);
      const least = Math.min(...Array.from(deepest(ways, 100), (index) => ways.steps[index]!));
      expect(ways.steps.filter((steps) => steps > least).length).toBeLessThan(PACKETS / 64);
    },
  );
});
