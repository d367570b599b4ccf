/** The harness finds by itself what is known to differ between the two backends (docs/kernel-differences.md), shrinks it, and writes it down so that anyone can see it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { CaseOptions } from '../../src/fuzz/case.ts';
import { type Expected, readFolder } from '../../src/fuzz/folder.ts';
import { runningKernel } from '../../src/fuzz/kernels.ts';
import type { FuzzPacket } from '../../src/fuzz/packets.ts';
import { rulesIn, saveFound } from '../../src/fuzz/save.ts';
import { type Found, type JudgeCases, panelJudge, search } from '../../src/fuzz/search.ts';
import { parseSaved } from '../../src/kernel/saved.ts';
import { describeKernel } from '../kernel/machine.ts';
import { SEED } from '../seed.ts';

// Only packets of the wanted kind are sent; of many made there are some in every case.
const OPTIONS: CaseOptions = { packets: 300, judge: 'kernel', only: ['tcp', 'udp', 'multiport'] };
const BATCH = 20;
const BATCHES = 40;
/** So many make a median. */
const ENOUGH = 3;

const isLaterFragment = ({ bytes, family }: FuzzPacket): boolean =>
  family === 4 ? (bytes[6]! & 0x1f) !== 0 || bytes[7] !== 0 : bytes[6] === 44 && (bytes[42] !== 0 || bytes[43]! >> 3 !== 0);

/** A whole TCP or UDP packet without options that ends within its transport header. */
function isTinygram(packet: FuzzPacket): boolean {
  const { bytes, family } = packet;
  const header = family === 4 ? 20 : 40;
  const protocol = family === 4 ? bytes[9] : bytes[6];
  const whole = family === 6 || (bytes[0] === 0x45 && !isLaterFragment(packet));
  return whole && bytes.length >= header && bytes.length < header + (protocol === 6 ? 20 : protocol === 17 ? 8 : 0);
}

/** The panel, asked about packets of one kind only. */
const askedOf =
  (judge: JudgeCases, wanted: (packet: FuzzPacket) => boolean): JudgeCases =>
  (cases) =>
    judge(cases.map((one) => ({ ...one, packets: one.packets.filter(wanted) })));

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[(numbers.length - 1) >> 1]!;

describeKernel('legacy against nft', () => {
  const kernels = [runningKernel('legacy'), runningKernel('nft')];
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-fuzz-'));
  afterAll(async () => {
    for (const kernel of kernels) await kernel.close();
    rmSync(folder, { recursive: true });
  });

  for (const [name, wanted] of [
    ['fragments', isLaterFragment],
    ['tinygrams', isTinygram],
  ] as const)
    it(`${name} are found, shrunk and shown (seed ${SEED})`, async () => {
      const judge = askedOf(panelJudge({ programs: [], kernels }), wanted);
      const found: Found[] = [];
      for (let batch = 0; batch < BATCHES && found.length < ENOUGH; batch++)
        found.push(...(await search({ seed: SEED + batch, cases: BATCH, options: OPTIONS }, judge, { patience: 30_000 })));
      expect(found.length).toBeGreaterThan(0);
      for (const { fuzzCase } of found) expect(fuzzCase.packets.filter(wanted).length).toBe(fuzzCase.packets.length);
      expect(median(found.map(({ fuzzCase }) => rulesIn(fuzzCase)))).toBeLessThanOrEqual(3);
      expect(median(found.map(({ fuzzCase }) => fuzzCase.packets.length))).toBeLessThanOrEqual(5);
      await shows(await saveFound(folder, found[0]!, OPTIONS));
    }, 300_000);
});

/** The script of a folder prints what the oracle wrote down. */
async function shows(folder: string): Promise<void> {
  expect(readdirSync(folder)).toEqual(
    expect.arrayContaining(['README.md', 'capture.pcap', 'case.json', 'expected.json', 'show.sh']),
  );
  const before = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  const { expected } = readFolder(folder);
  for (const [backend, said] of Object.entries(expected) as [string, Expected][]) {
    const ran = spawnSync(join(folder, 'show.sh'), [backend], { encoding: 'utf8', timeout: 60_000 });
    expect(ran.stderr).toBe('');
    expect(ran.status, readFileSync(join(folder, 'README.md'), 'utf8')).toBe(0);
    for (const [table, chains] of Object.entries(said.counters))
      for (const [chain, counters] of Object.entries(chains))
        expect(parseSaved(ran.stdout).counters[table]?.[chain], `${backend} ${table} ${chain}`).toEqual(counters);
  }
  expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).toBe(before);
}
