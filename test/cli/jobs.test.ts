/** --jobs: which threads a replay gets, and that it gets none where they would make it slower. */
import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { threadsFor } from '../../src/cli/jobs.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';

const machine = vi.hoisted(() => ({ cores: 2 }));
vi.mock('node:os', async (load) => ({ ...(await load<typeof import('node:os')>()), availableParallelism: () => machine.cores }));
beforeEach(() => {
  machine.cores = 2;
});

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-jobs-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Nothing but sizes, in packets of 60 bytes: 900,000, 1,100,000, 2,200,000. */
const [less, more, twice] = ['less.pcap', 'more.pcap', 'twice.pcap'].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];
beforeAll(() => {
  for (const [path, packets] of [
    [less, 900_000],
    [more, 1_100_000],
    [twice, 2_200_000],
  ] as const) {
    writeFileSync(path, '');
    truncateSync(path, packets * 76);
  }
});

/** What is made for that many rules; the thread is one that has begun to load, and is asked for nothing here. */
async function made(captures: readonly string[], rules: number, more: { count?: number; dumpRecent?: string } = {}) {
  const lines = Array.from({ length: rules }, (_, index) => `-A INPUT -p tcp -m tcp --dport ${index + 1} -j DROP`);
  const text = ['*filter', ':INPUT ACCEPT [0:0]', ...lines, 'COMMIT', ''].join('\n');
  const asked = { jobs: 2, engine: 'wasm' as const, ...more };
  const thread = Object.assign(new EventEmitter(), { unref: () => {}, postMessage: () => {} }) as unknown as Worker;
  const threads = await threadsFor(
    asked,
    captures,
    [{ 4: parseSave(text, { file: 'rules', family: 4 }) }],
    DEFAULT_PROFILE,
    undefined,
    thread,
  );
  return threads?.constructor.name;
}

test.each([
  [[less], 20, 'undefined'],
  [[less], 1, 'undefined'],
  [[more], 1, 'Threads'],
  [[more], 20, 'Threads'],
  [[less, less], 20, 'Threads'],
  [[less], 50, 'Threads'],
])('%j with %i rules: %s', async (captures, rules, expected) => {
  expect(`${await made(captures, rules)}`).toBe(expected);
});

test('one that only reads has to take more off the other', async () => {
  expect(await made([more], 20, { dumpRecent: '-' })).toBeUndefined();
  expect(await made([twice], 20, { dumpRecent: '-' })).toBe('Pipeline');
});

test('packets that are not judged count for nothing', async () => {
  expect(await made([twice], 20, { count: 1000 })).toBeUndefined();
});

test('on one core there is one', async () => {
  machine.cores = 1;
  expect(await made([twice], 20)).toBeUndefined();
});

test('what several threads cannot do is refused, however little it is', async () => {
  const asked = { jobs: 2, engine: 'reference' as const };
  await expect(threadsFor(asked, [less], [{}], DEFAULT_PROFILE, undefined, undefined)).rejects.toThrow(/--jobs: the interpreter/);
});
