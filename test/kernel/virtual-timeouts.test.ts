/** Every timeout of connection tracking, met from both sides on the kernel's own clock: one jiffy before the connection is gone, and then. */
import { expect, test } from 'vitest';
import { machineOf, type VirtualKernel } from '../../src/kernel/virtual/index.ts';
import type { CtState } from '../../src/model/outcome.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { describeVirtual } from './machine.ts';
import {
  differencesOf,
  type Judged,
  judgeVirtual,
  type SentPacket,
  STATE_RULES,
  stateIn,
  type VirtualCase,
} from './virtual-differential.ts';
import { FLOWS, type Flow, packetOf } from './virtual-flows.ts';

const MILLISECOND = 1_000_000n;
const SECOND = 1_000_000_000n;
const NOW = 1_700_000_000n * SECOND;
interface Probe {
  flow: Flow;
  side: 'alive' | 'gone';
  packet: SentPacket;
}

/** Both connections of a flow, each at its own milliseconds; the probe's moment counts from the jiffy of the last step. */
function connections(
  kernel: VirtualKernel,
  flow: Flow,
  family: Family,
  number: number,
): { packets: SentPacket[]; probes: Probe[] } {
  const tick = SECOND / BigInt(machineOf(kernel).hz);
  const seconds = typeof flow.timeout === 'number' ? flow.timeout : flow.timeout[kernel];
  const packets: SentPacket[] = [];
  const probes = (['alive', 'gone'] as const).map((side, i) => {
    const index = 2 * number + i;
    let time = NOW + BigInt(index % 50) * 20n * MILLISECOND + 3n * MILLISECOND;
    for (const step of flow.steps) {
      time += BigInt(step.after) * MILLISECOND;
      packets.push({ time, bytes: packetOf(flow, step, family, index) });
    }
    time += BigInt(seconds) * SECOND - (side === 'alive' ? tick : 0n);
    const packet = { time, bytes: packetOf(flow, flow.probe, family, index) };
    packets.push(packet);
    return { flow, side, packet };
  });
  return { packets, probes };
}

function caseOf(kernel: VirtualKernel, family: Family, backend: 'legacy' | 'nft'): { given: VirtualCase; probes: Probe[] } {
  // Five idle days cost Debian's kernel ten seconds; IPv6 has the same timeouts.
  const days = kernel !== '6.1' || family === 4;
  const flows = FLOWS.filter((flow) => (flow.family ?? family) === family && (days || flow.name !== 'TCP ESTABLISHED'));
  const built = flows.map((flow, number) => connections(kernel, flow, family, number));
  const packets = built.flatMap((each) => each.packets).sort((a, b) => (a.time < b.time ? -1 : 1));
  const checkpoints = [1n, 15n, 45n, 100n, 200n].map((second) => NOW + second * SECOND + 500n * MILLISECOND);
  const given = {
    name: `IPv${family} ${backend}`,
    family,
    backend,
    rules: STATE_RULES,
    packets,
    checkpoints,
    end: NOW + (days ? 432_400n : 700n) * SECOND,
  };
  return { given, probes: built.flatMap((each) => each.probes) };
}

/** The state the kernel gave a packet. */
const stateOf = ({ outcome, case: { packets } }: Judged, packet: SentPacket): CtState | undefined =>
  stateIn(outcome.packets[packets.indexOf(packet)]?.path);

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, 'timeouts', () => {
    test('end in the same jiffy for kernel, reference and engine', { timeout: 180_000 }, async () => {
      const backends = kernel === '6.1' ? (['legacy'] as const) : (['legacy', 'nft'] as const);
      const cases = backends.flatMap((backend) => ([4, 6] as const).map((family) => caseOf(kernel, family, backend)));
      const judged = await judgeVirtual(
        kernel,
        cases.map(({ given }) => given),
      );
      for (const [i, { probes }] of cases.entries()) {
        const told = probes.map(({ flow, side, packet }) => `${flow.name}, ${side}: ${stateOf(judged[i]!, packet)}`);
        const wanted = probes.map(({ flow, side }) => `${flow.name}, ${side}: ${flow[side]}`);
        expect.soft(told, cases[i]!.given.name).toEqual(wanted);
      }
      expect(differencesOf(judged)).toEqual([]);
    });
  });
}
