/** What a host sends by ordinary sockets, larger than the MTU: whole for its rules, in fragments in the capture. Recorded from real sockets and real iptables (own-datagrams/record.sh). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseSaved } from '../../src/kernel/saved.ts';
import { interfaceNamed } from '../../src/model/host.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { TableCounters } from '../../src/model/outcome.ts';
import { partsNotes } from '../../src/model/own-parts.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Frame, Job } from '../../src/model/witness.ts';
import { sum16 } from '../../src/packet/checksum.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { readFrames } from '../kernel/differential.ts';
import { WITNESSES } from '../kernel/witnesses.ts';

const FOLDER = fileURLToPath(new URL('own-datagrams/', import.meta.url));
const HOST = buildHost({ local: ['192.0.2.1/24', '2001:db8::1/64'], in: 'eth0' });
const NARROW = buildHost({ local: ['192.0.2.1/24'], in: 'eth0' });
interfaceNamed(NARROW, 'eth0').mtu = 300;
/** What was recorded, by what host, of which families. */
const RECORDED = [
  ['plain', HOST, [4, 6]],
  ['tracked', HOST, [4, 6]],
  ['narrow', NARROW, [4]],
  ['raw', HOST, [4, 6]],
] as const;

const read = (file: string): string => readFileSync(`${FOLDER}${file}`, 'utf8');
const framesOf = (capture: string): Frame[] => readFrames(`${FOLDER}${capture}.pcap`);

function jobOf(rules: string, family: 4 | 6, backend: 'legacy' | 'nft', host = HOST): Job {
  const file = `${rules}.rules.v${family}`;
  const profile = { ...DEFAULT_PROFILE, backend };
  return { rules: { [family]: parseSave(read(file), { file, family, backend }) }, host, profile, packets: { path: true } };
}

/** The same fragment, of a datagram whose identification is `by` further. */
function renumbered(frame: Frame, by: number): Frame {
  const bytes = frame.bytes.slice();
  const view = new DataView(bytes.buffer);
  view.setUint16(18, (view.getUint16(18) + by) & 0xffff);
  view.setUint16(24, 0);
  view.setUint16(24, 0xffff - sum16(bytes.subarray(14, 34)));
  return { ...frame, bytes };
}

/** Of the chains there are rules in: the kernel saves the others, too. */
const withRules = (counters: TableCounters): TableCounters =>
  Object.fromEntries(
    Object.entries(counters).map(([table, chains]) => [
      table,
      Object.fromEntries(Object.entries(chains).filter(([, { rules }]) => rules.length > 0)),
    ]),
  );

describe.each(WITNESSES)('$name', (witness) => {
  for (const [capture, host, families] of RECORDED)
    for (const backend of ['legacy', 'nft'] as const)
      test.each(families)(`${capture}, ${backend}: the counters of the kernel that sent it, IPv%i`, async (family) => {
        const { result } = await witness.replay(jobOf(capture, family, backend, host), framesOf(capture));
        const kernel = parseSaved(read(`${capture}.${backend}.v${family}`)).counters;
        expect(withRules(result.counters[family]!)).toEqual(withRules(kernel));
        expect(result.notes).toEqual([]);
      });

  /** The fragments of the first IPv4 datagram that has three. */
  const three = (): Frame[] => {
    const id = ({ bytes }: Frame): string => bytes.subarray(18, 20).join();
    const four = framesOf('plain').filter(({ bytes }) => bytes[14]! >> 4 === 4);
    const parts = four.map((one) => four.filter((other) => id(other) === id(one))).find(({ length }) => length === 3);
    return parts ?? [];
  };

  test('what the capture does not hold all of is told, and no rule counts it', async () => {
    const frames = three();
    for (const without of [0, 1, 2]) {
      const { result, outcomes } = await witness.replay(jobOf('plain', 4, 'legacy'), frames.toSpliced(without, 1));
      expect(outcomes.map(({ unseen }) => unseen)).toEqual(Array(2).fill('fragment kept for reassembly'));
      expect(result.counters[4]!.raw!.OUTPUT!.packets).toBe(0);
      expect(result.notes).toEqual(partsNotes(2));
    }
  });

  test('a fragment that ends where no kernel cuts comes from a raw socket, and meets the rules by itself', async () => {
    const [first] = three();
    const cut = first!.bytes.slice(0, -1);
    const view = new DataView(cut.buffer, cut.byteOffset);
    view.setUint16(16, cut.length - 14);
    // One less there, one more here.
    view.setUint16(24, view.getUint16(24) + 1);
    const { result, outcomes } = await witness.replay(jobOf('plain', 4, 'legacy'), [{ ...first!, bytes: cut, wire: cut.length }]);
    expect(outcomes.map(({ hook, unseen }) => [hook, unseen])).toEqual([['OUTPUT', undefined]]);
    expect(result.counters[4]!.raw!.OUTPUT!.packets).toBe(1);
  });

  test("where nobody tells of a small MTU, what is cut by it is taken for a tool's", async () => {
    const { result } = await witness.replay(jobOf('narrow', 4, 'legacy'), framesOf('narrow'));
    expect(result.counters[4]!.raw!.OUTPUT!.packets).toBe(12);
    expect(result.notes).toEqual([]);
  });

  test('the last fragment meets the rules by itself where no other came before it', async () => {
    const frames = three();
    const { result, outcomes } = await witness.replay(jobOf('plain', 4, 'legacy'), [frames[2]!, frames[0]!, frames[1]!]);
    const kept = 'fragment kept for reassembly';
    expect(outcomes.map(({ hook, unseen }) => unseen ?? hook)).toEqual(['OUTPUT', kept, kept]);
    expect(result.counters[4]!.raw!.OUTPUT!.packets).toBe(1);
    expect(result.notes).toEqual(partsNotes(2));
  });

  test('however many fragments of other datagrams lie between them: ipfrag_max_dist is for those that arrive', async () => {
    const [first, ...rest] = three();
    // More than the 64 of the sysctl.
    const others = Array.from({ length: 70 }, (_, i) => renumbered(first!, i + 1));
    const { result, outcomes } = await witness.replay(jobOf('plain', 4, 'legacy'), [first!, ...others, ...rest]);
    expect(outcomes.at(-1)).toMatchObject({ hook: 'OUTPUT' });
    expect(result.counters[4]!.raw!.OUTPUT!.packets).toBe(1);
    expect(result.notes).toEqual(partsNotes(others.length));
  });

  test('through a router they stay as they are', async () => {
    const job = { ...jobOf('plain', 4, 'legacy'), host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }) };
    const { outcomes } = await witness.replay(job, three());
    expect(outcomes.map(({ hook, verdict }) => [hook, verdict])).toEqual(Array(3).fill(['FORWARD', 'ACCEPT']));
  });
});
