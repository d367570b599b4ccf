/** What a host sends by ordinary sockets, larger than the MTU: whole for its rules, in fragments in the capture. Recorded from real sockets and real iptables (own-datagrams/record.sh). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseSaved } from '../../src/kernel/saved.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { TableCounters } from '../../src/model/outcome.ts';
import { partsNotes } from '../../src/model/own-parts.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Frame, Job } from '../../src/model/witness.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { readFrames } from '../kernel/differential.ts';
import { WITNESSES } from '../kernel/witnesses.ts';

const FOLDER = fileURLToPath(new URL('own-datagrams/', import.meta.url));
const HOST = buildHost({ local: ['192.0.2.1/24', '2001:db8::1/64'], in: 'eth0' });
const CAPTURES = ['plain', 'tracked'] as const;
const FAMILIES = [4, 6] as const;

const read = (file: string): string => readFileSync(`${FOLDER}${file}`, 'utf8');
const framesOf = (capture: string): Frame[] => readFrames(`${FOLDER}${capture}.pcap`);

function jobOf(rules: string, family: 4 | 6, backend: 'legacy' | 'nft'): Job {
  const file = `${rules}.rules.v${family}`;
  const profile = { ...DEFAULT_PROFILE, backend };
  return { rules: { [family]: parseSave(read(file), { file, family, backend }) }, host: HOST, profile, packets: { path: true } };
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
  for (const capture of CAPTURES)
    for (const backend of ['legacy', 'nft'] as const)
      test.each(FAMILIES)(`${capture}, ${backend}: the counters of the kernel that sent it, IPv%i`, async (family) => {
        const { result } = await witness.replay(jobOf(capture, family, backend), framesOf(capture));
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

  test('through a router they stay as they are', async () => {
    const job = { ...jobOf('plain', 4, 'legacy'), host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }) };
    const { outcomes } = await witness.replay(job, three());
    expect(outcomes.map(({ hook, verdict }) => [hook, verdict])).toEqual(Array(3).fill(['FORWARD', 'ACCEPT']));
  });
});
