/** Random rule sets and packets: reference, engine (release and debug, tree and linear, chunks of odd sizes) and the running kernel answer alike. */
import { describe, expect, it } from 'vitest';
import { type FuzzCase, makeCase } from '../../src/fuzz/case.ts';
import { type Answer, ask, differences, type Witness } from '../../src/fuzz/differential.ts';
import { LOCAL } from '../../src/fuzz/pools.ts';
import { comparedKernel, comparedWitness, compareOutcomes, type KernelJob, runKernel } from '../../src/kernel/index.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import type { RuleSet } from '../../src/model/ruleset.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import { listingDifferences } from '../kernel/listing.ts';
import { describeKernel } from '../kernel/machine.ts';

const SEED = Number(process.env.WASMTABLES_SEED ?? 1);
const PACKETS = 60;
const CASES = 150;
const KERNEL_CASES = 40;

const REFERENCE: Witness = { name: 'reference', start: (job, onPacket) => referenceSession(job, { onPacket }) };
const ENGINES: readonly Witness[] = [
  { name: 'tree', start: (job, onPacket) => engineSession(job, { onPacket }) },
  { name: 'linear', start: (job, onPacket) => engineSession(job, { onPacket, tree: false }), chunk: 777 },
  { name: 'debug', start: (job, onPacket) => engineSession(job, { onPacket, build: 'debug' }), chunk: 4001 },
];

function reach(total: Map<string, number>, answer: Answer): void {
  for (const { verdict, ctstate, hook } of answer.packets) {
    for (const word of [verdict, ctstate, hook]) if (word) total.set(word, (total.get(word) ?? 0) + 1);
  }
}

describe('random cases', () => {
  it(`reference and engine agree (seed ${SEED})`, async () => {
    const total = new Map<string, number>();
    let refused = 0;
    for (let index = 0; index < CASES; index++) {
      const fuzzCase = makeCase(SEED + index, { packets: PACKETS });
      refused += fuzzCase.refused.length;
      const reference = await ask(REFERENCE, fuzzCase);
      reach(total, reference);
      for (const witness of ENGINES) {
        const answer = await ask(witness, fuzzCase);
        expect(differences(reference, answer), `seed ${fuzzCase.seed}, ${witness.name}`).toEqual([]);
      }
    }
    // The generator must not go blind: everything a packet can meet is met.
    const words = [
      'ACCEPT',
      'DROP',
      'REJECT',
      'STACK',
      'INVALID',
      'NEW',
      'ESTABLISHED',
      'RELATED',
      'UNTRACKED',
      'INPUT',
      'OUTPUT',
      'FORWARD',
    ];
    expect(words.filter((word) => (total.get(word) ?? 0) < 5)).toEqual([]);
    expect(refused).toBeLessThan(CASES / 4);
  }, 240_000);
});

describeKernel('random cases, judged by the kernel', () => {
  for (const backend of ['legacy', 'nft'] as const) {
    it(`${backend} agrees with reference and engine (seed ${SEED})`, async () => {
      let judged = 0;
      for (let index = 0; index < KERNEL_CASES; index++)
        judged += await judge(makeCase(SEED + index, { packets: PACKETS, forKernel: true, backend }));
      expect(judged).toBeGreaterThan((KERNEL_CASES * PACKETS) / 2);
    }, 240_000);
  }
});

/**
 * A match of a REJECT rule dropped the packet. nf_tables traces that as it traces a rejected packet, so the oracle, which reads the rule's target, cannot tell the two apart:
 * path and counters are compared, the verdict is not.
 */
function droppedByMatch({ verdict, rule }: PacketOutcome, { tables }: RuleSet): boolean {
  const [table, chain, , number] = rule?.split(':') ?? [];
  const named = tables.find(({ name }) => name === table)?.chains.find(({ name }) => name === chain)?.rules[Number(number) - 1];
  return verdict === 'DROP' && named?.target?.kind === 'extension' && named.target.name === 'REJECT';
}

/** One case to the kernel and, on the injection's clock, to the others. Returns how many packets were judged. */
async function judge(fuzzCase: FuzzCase): Promise<number> {
  const { family, traffic, profile, rules, packets } = fuzzCase;
  const job: KernelJob = {
    backend: profile.backend,
    family,
    rules,
    topology: traffic.topology,
    trace: true,
    inIface: 'eth0',
    ...(traffic.topology === 'forward' ? { outIface: 'eth1' } : { local: [LOCAL[family]] }),
    frames: packets.map(({ time, bytes, direction, kind, sourceMac }) => ({
      time,
      bytes,
      direction,
      dstMacKind: kind,
      srcMac: sourceMac,
      family,
    })),
  };
  const outcome = await runKernel(job);
  const listed = BigInt(Date.now() + 1) * 1_000_000n;
  expect(outcome.refused, `seed ${fuzzCase.seed}: the kernel refuses what we load`).toBeUndefined();
  const sent = outcome.packets.flatMap((packet, index) => (packet.unsent === undefined ? [index] : []));
  const timed = { ...fuzzCase, packets: sent.map((index) => ({ ...packets[index]!, time: outcome.packets[index]!.injected })) };
  const kernel = comparedKernel(job, { ...outcome, packets: sent.map((index) => outcome.packets[index]!) });
  for (const witness of [REFERENCE, ENGINES[0]!]) {
    const answer = await ask(witness, timed);
    const said = answer.packets.map((packet) =>
      droppedByMatch(packet, fuzzCase.ruleset) ? { ...packet, verdict: null } : packet,
    );
    const lines = compareOutcomes(kernel, comparedWitness(witness.name, answer.result.counters[family] ?? {}, said));
    expect(lines, `seed ${fuzzCase.seed}, ${witness.name}`).toEqual([]);
    const listing = { text: outcome.conntrack, from: timed.packets.at(-1)!.time, to: listed, hz: profile.hz };
    expect(listingDifferences(listing, answer.connections), `seed ${fuzzCase.seed}, ${witness.name}`).toEqual([]);
  }
  return sent.length;
}
