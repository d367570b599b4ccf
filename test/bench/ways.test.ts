/** Ways of packets through packed walks: counted as the engine goes, and none much longer than others. */
import { describe, expect, test } from 'vitest';
import {
  classbenchShapes,
  filterSet,
  iptablesRules,
  type Shape,
  strangeTuples,
  TUPLE_WORDS,
  tuplesFor,
} from '../../bench/classbench.ts';
import { fieldsOf } from '../../bench/packet-fields.ts';
import { countWays, deepest, follow } from '../../bench/ways.ts';
import { FIELD_FRAGMENT, FIELD_L4_LENGTH } from '../../src/abi/fields.ts';
import { KEY_SIZE, PACKED_EXIT, START_ASKED, START_LEAST, START_SIZE } from '../../src/abi/packed.ts';
import { compile } from '../../src/compile/index.ts';
import { type Packed, PackedWalk } from '../../src/engine/packed/walk.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { engineModule, type Target } from '../engine/session/wasm.ts';

const PACKETS = 4096;
const WALK = { family: 4, hook: 'FORWARD', table: 'filter' } as const;

/** A walk of so many rules of a shape, and packets: half of its rules, half of none; of both one in 48 is a fragment, and as many end within their headers. */
async function walked(
  shape: Shape,
  count: number,
  build: Target = 'release',
  change?: (packed: Packed) => void,
): Promise<{ walk: PackedWalk; packet: (index: number) => Uint32Array }> {
  const set = filterSet(shape, count);
  const rules = { 4: parseSave(iptablesRules(set), { file: set.name, family: 4 }) };
  const host = buildHost({ forward: true, in: 'eth0', out: 'eth1' });
  const { bytes } = compile({ rules, host, profile: DEFAULT_PROFILE });
  const walk = await PackedWalk.open(engineModule(build), bytes, WALK, PACKETS, change);
  const words = [tuplesFor(set, PACKETS / 2), strangeTuples(PACKETS / 2)];
  const packet = (index: number): Uint32Array => {
    const fields = fieldsOf(words[index % 2]!.subarray((index >> 1) * TUPLE_WORDS));
    if (index % 96 < 2) fields[FIELD_FRAGMENT] = 1;
    if (index % 96 > 93) fields[FIELD_L4_LENGTH] = 2;
    return fields;
  };
  return { walk, packet };
}

describe('ways of packets', () => {
  test.each(classbenchShapes)(
    '%s, 1000 rules: end where the engine says, and the longest is no more than twice as long as most',
    async (shape) => {
      const { walk, packet } = await walked(shape, 1000);
      expectEnds(walk, packet);
      const ways = countWays(walk.packed, PACKETS, packet);
      expect(ways.worst).toBeLessThan(2 * ways.mean);
      expect(ways.mean).toBeLessThan(21);
      const least = Math.min(...Array.from(deepest(ways, 100), (index) => ways.steps[index]!));
      expect(ways.steps.filter((steps) => steps > least).length).toBeLessThan(PACKETS / 64);
    },
  );

  test('nobody is looked for in a group whose rules all come behind the one that was found, nor where its first cluster tells that there is nothing', async () => {
    const asksNoRoot = ({ starts }: Packed): void => {
      for (let group = 0; group < starts.length; group += START_SIZE / 4) starts[group + START_ASKED / 4] = 0;
    };
    const { walk, packet } = await walked('ipc', 10_000, 'debug', asksNoRoot);
    expect((walk.packed.starts.length * 4) / START_SIZE).toBeGreaterThan(3);
    expectEnds(walk, packet);
    const ways = countWays(walk.packed, PACKETS, packet);
    // The engine's own count. `countWays` looks for nobody where no rule can come first.
    expect(walk.steps()).toBe(ways.steps.reduce((sum, one) => sum + one, 0));
    const never = walk.packed.starts.map((word, place) => (place % (START_SIZE / 4) === START_LEAST / 4 ? PACKED_EXIT : word));
    expect(ways.mean).toBeLessThan(0.9 * countWays({ ...walk.packed, starts: never }, PACKETS, packet).mean);
    const asking = await walked('ipc', 10_000, 'debug');
    expectEnds(asking.walk, asking.packet);
    expect(asking.walk.steps()).toBeLessThan(0.98 * walk.steps());
  });
});

/** Packets leave the engine where they are counted to leave. */
function expectEnds(walk: PackedWalk, packet: (index: number) => Uint32Array): void {
  for (let index = 0; index < PACKETS; index++) walk.put(index, packet(index));
  const answers = walk.classify(PACKETS, 60);
  const key = new Uint8Array(KEY_SIZE);
  for (let index = 0; index < PACKETS; index++) {
    walk.packed.layout.write(packet(index), key);
    expect(walk.packed.graph.exits[follow(walk.packed, key).exit]!.verdict).toBe(answers[index]);
  }
}
