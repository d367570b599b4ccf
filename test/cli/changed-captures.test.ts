/** Captures that go away, or are written to, between the rule sets of a comparison, and before its changed packets are looked up. */
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { compare } from '../../src/cli/compare.ts';
import type { ReplayOptions, Task } from '../../src/cli/task.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type * as Replay from '../../src/replay/replay.ts';
import type { Comparison } from '../../src/report/comparison.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { ROOT } from './command.ts';

/** What happens behind replays: of the first rule set is the first. */
const behind: (() => void)[] = [];

vi.mock('../../src/replay/replay.ts', async (original) => {
  const replay = await original<typeof Replay>();
  const replayOne: typeof Replay.replayOne = async (...given) => {
    const outcome = await replay.replayOne(...given);
    behind.shift()?.();
    return outcome;
  };
  return { ...replay, replayOne };
});

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-changed-'));
afterAll(() => rmSync(folder, { recursive: true }));

const WEB = join(ROOT, 'pcaps/web/capture.pcap');
const PACKETS = 295;
/** tcpdump "ip and dst host 10.0.0.2". */
const TO_HOST = 82;
const one = join(folder, 'one.pcap');
const two = join(folder, 'two.pcap');
const written = { stdout: '', stderr: '' };

beforeEach(() => {
  behind.length = 0;
  for (const path of [one, two]) copyFileSync(WEB, path);
  for (const stream of ['stdout', 'stderr'] as const) {
    written[stream] = '';
    vi.spyOn(process[stream], 'write').mockImplementation(((text: string, done?: () => void) => {
      written[stream] += text;
      done?.();
      return true;
    }) as never);
  }
});
afterEach(() => vi.restoreAllMocks());

const rules = (policy: string) => ({ 4: parseSave(`*filter\n:INPUT ${policy} [0:0]\nCOMMIT\n`, { file: policy, family: 4 }) });

/** The exit code of a comparison of two policies, and what it says. */
async function compared(captures: string[]): Promise<{ code: number; said: Comparison }> {
  const task: Task = {
    options: { engine: 'wasm', tree: true, format: 'json', timing: false } as ReplayOptions,
    prepared: { captures, host: buildHost({ local: ['10.0.0.2'], in: 'eth0' }) },
    profile: DEFAULT_PROFILE,
    told: {},
    signal: new AbortController().signal,
    onCut: () => {},
  };
  const code = await compare(task, [rules('ACCEPT'), rules('DROP')]);
  return { code, said: JSON.parse(written.stdout || '{}') };
}

test('nothing happens', async () => {
  const { code, said } = await compared([one, two]);
  expect([code, written.stderr]).toEqual([1, '']);
  expect(said.changed.packets).toBe(2 * TO_HOST);
});

test('one goes away behind the first rule set', async () => {
  behind.push(() => rmSync(one));
  const { code, said } = await compared([one, two]);
  expect(code).toBe(4);
  expect(written.stderr).toBe(`wasmtables: ${one}: it changed between two rule sets, and is not part of the comparison\n`);
  expect(said.reports.map(({ packets, captures }) => [packets, captures.map(({ file }) => file)])).toEqual([
    [PACKETS, [two]],
    [PACKETS, [two]],
  ]);
  expect(said.changed.packets).toBe(TO_HOST);
});

test('the only one does', async () => {
  behind.push(() => rmSync(one));
  expect(await compared([one])).toEqual({ code: 4, said: {} });
});

test('one is cut behind the first rule set', async () => {
  behind.push(() => truncateSync(one, 5000));
  const { code, said } = await compared([one, two]);
  expect([code, said.reports[1]?.packets]).toEqual([4, PACKETS]);
});

test('more is written to the last: the rule sets are asked about what the first was', async () => {
  behind.push(() => appendFileSync(two, readFileSync(WEB).subarray(24)));
  const { code, said } = await compared([one, two]);
  expect([code, written.stderr]).toEqual([1, '']);
  expect(said.reports.map(({ packets }) => packets)).toEqual([2 * PACKETS, 2 * PACKETS]);
  expect(said.changed.packets).toBe(2 * TO_HOST);
});

test('one goes away before changes are looked up', async () => {
  behind.push(
    () => {},
    () => rmSync(one),
  );
  const { code, said } = await compared([one, two]);
  expect(code).toBe(4);
  expect(written.stderr).toBe(
    `wasmtables: ${one}: no such file or directory: packets of it that change are counted, and not listed\n`,
  );
  expect(said.changed.packets).toBe(2 * TO_HOST);
  expect(said.changes[0]?.first.packet).toBeGreaterThan(PACKETS);
});
