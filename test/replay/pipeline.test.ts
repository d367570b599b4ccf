/** Two engines that share a memory, one of which reads while the other judges, say what one engine says alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, test } from 'vitest';
import { SERVER, tcpTraffic } from '../../bench/traffic.ts';
import { compile } from '../../src/compile/index.ts';
import { openImage, sharedMemory } from '../../src/engine/index.ts';
import { loadEngine } from '../../src/engine/loader.ts';
import { EngineReader } from '../../src/engine/reader.ts';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf } from '../../src/fuzz/case.ts';
import { jobOf } from '../../src/fuzz/differential.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Job } from '../../src/model/witness.ts';
import { EngineReplay } from '../../src/replay/engine-replay.ts';
import { engineModule, engineSession } from '../../src/replay/engine-session.ts';
import { Pipeline } from '../../src/replay/pipeline.ts';
import { run } from '../../src/replay/run.ts';
import type { Session } from '../../src/replay/session.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { ROOT } from '../cli/command.ts';
import { LATE, lateSegments } from '../engine/session/unusual.ts';
import { SEED } from '../seed.ts';

const CASES = 100;
const PACKETS = 120;

const FIREWALL: Job = {
  rules: {
    4: parseSave(
      '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22:80 -m limit --limit 5/sec -j ACCEPT\nCOMMIT\n',
      { file: 'rules', family: 4 },
    ),
  },
  host: buildHost({ local: [SERVER], in: 'eth0' }),
  profile: DEFAULT_PROFILE,
};

/** Everything a session can tell. */
const all = (session: Session) => [
  session.result(),
  session.connections(),
  session.expectations(),
  session.sets(),
  session.recent(),
  session.hashlimit(),
];

/** Both engines in this thread: what is read must fit the ring (128 batches of up to 64 packets), for nobody waits. `size`: bytes that the capture is fed in. */
async function together(job: Job, captures: readonly Uint8Array[], size: number, options: { limit?: number } = {}) {
  const [memory, wasm] = [sharedMemory(), await engineModule('threads')];
  const reading = await loadEngine(wasm, memory);
  const outcomes: PacketOutcome[] = [];
  const onPacket = (outcome: PacketOutcome): void => void outcomes.push(outcome);
  const open = { wasm, memory, hashKey: hashKeyOf(job), ...(job.packets && { onPacket }) };
  const session = new EngineReplay(await openImage(compile(job, { tree: true }), open, job.packets), job.sets);
  const reader = new EngineReader(reading, session.reading(), options.limit);
  for (const [index, capture] of captures.entries()) {
    reader.startCapture(`${index}`);
    for (let from = 0; from < capture.length && !reader.done(); from += size) reader.feed(capture.subarray(from, from + size));
    reader.endCapture();
  }
  const infos = reader.end();
  while (!session.judge());
  session.setCaptures(infos);
  return { session, outcomes };
}

async function alone(job: Job, captures: readonly Uint8Array[], options: { limit?: number } = {}) {
  const outcomes: PacketOutcome[] = [];
  const onPacket = (outcome: PacketOutcome): void => void outcomes.push(outcome);
  const session = await engineSession(job, { tree: true, hashKey: hashKeyOf(job), ...options, ...(job.packets && { onPacket }) });
  for (const [index, capture] of captures.entries()) {
    session.startCapture(`${index}`);
    session.feed(capture);
    session.endCapture();
  }
  return { session, outcomes };
}

describe('a reader and a judge', () => {
  test(`say what one engine says of any rules (seed ${SEED})`, { timeout: 240_000 }, async () => {
    for (const [number, fuzzCase] of casesOf({ packets: PACKETS, judge: 'software' }, SEED, CASES).entries()) {
      const job = { ...jobOf(fuzzCase), ...(number % 2 === 0 && { packets: { path: true } }) };
      const capture = captureOf(fuzzCase);
      const [one, two] = [await alone(job, [capture]), await together(job, [capture], [1 << 18, 4096, 333][number % 3]!)];
      expect(all(two.session), `seed ${SEED} path ${number}`).toEqual(all(one.session));
      expect(two.outcomes, `seed ${SEED} path ${number}`).toEqual(one.outcomes);
    }
  });

  test('know the latest time of segments, not that of the last one', async () => {
    const [one, two] = [await alone(LATE, [lateSegments()]), await together(LATE, [lateSegments()], 1 << 18)];
    expect(all(two.session)).toEqual(all(one.session));
  });

  test.each([undefined, 1, 64, 65, 2500])('stop behind packet %s, of several captures', async (limit) => {
    const captures = [tcpTraffic(1500, 60), tcpTraffic(20, 5).subarray(0, 900), tcpTraffic(1500, 40)];
    const options = limit === undefined ? {} : { limit };
    const [one, two] = [await alone(FIREWALL, captures, options), await together(FIREWALL, captures, 10_000, options)];
    expect(all(two.session)).toEqual(all(one.session));
    expect(two.session.result().captures[1]?.damage?.reason).toEqual(one.session.result().captures[1]?.damage?.reason);
  });
});

describe('two threads', () => {
  const folder = mkdtempSync(path(tmpdir(), 'wasmtables-pipeline-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: Uint8Array): string => {
    writeFileSync(path(folder, name), bytes);
    return path(folder, name);
  };
  const start = (): Pipeline => new Pipeline(new Worker(path(ROOT, 'dist/joined/replay-thread.js')));
  const NEVER = { tree: true };
  const many = file('many.pcap', tcpTraffic(300_000, 2000));

  test('judge more than fits the ring, again and again, as one does', { timeout: 60_000 }, async () => {
    const captures = [many, file('cut.pcap', tcpTraffic(9000, 500).subarray(0, 300_001)), many];
    const one = await run(captures, await engineSession(FIREWALL), { connections: true });
    const two = await start().replay(captures, FIREWALL, { ...NEVER, connections: true });
    expect({ ...two, seconds: 0 }).toEqual({ ...one, seconds: 0 });
    expect(two.damaged).toBe(true);
  });

  test('tell packets in their order', { timeout: 60_000 }, async () => {
    const job = { ...FIREWALL, packets: { path: false } };
    const told: number[] = [];
    await start().replay([many], job, { ...NEVER, limit: 20_001, onPacket: ({ packet }) => told.push(packet) });
    expect(told).toEqual(Array.from({ length: 20_001 }, (_, index) => index + 1));
  });

  test('say of a capture that cannot be opened what one says', async () => {
    const captures = [many, path(folder, 'none.pcap'), many];
    const one = await run(captures, await engineSession(FIREWALL));
    const two = await start().replay(captures, FIREWALL, NEVER);
    expect({ ...two, seconds: 0 }).toEqual({ ...one, seconds: 0 });
    expect(two.result.captures[1]?.damage).toMatchObject({ reason: expect.stringMatching(/^no such file/), unread: true });
  });

  test('read nothing when they were asked to end before', async () => {
    const { result, interrupted } = await start().replay([many], FIREWALL, { ...NEVER, signal: AbortSignal.abort() });
    expect([interrupted, result.packets]).toEqual([true, 0]);
  });

  test('end when they are asked to, with all that was read', { timeout: 60_000 }, async () => {
    const captures = Array.from({ length: 400 }, () => many);
    const { result, interrupted } = await start().replay(captures, FIREWALL, { ...NEVER, signal: AbortSignal.timeout(700) });
    expect(interrupted).toBe(true);
    expect(result.packets).toBe(result.captures.reduce((sum, { packets }) => sum + packets, 0));
    expect(Object.values(result.verdicts).reduce((sum, count) => sum + count, 0)).toBe(result.packets);
  });

  test('fail when the one that reads does', async () => {
    const worker = new Worker(path(ROOT, 'dist/joined/replay-thread.js'));
    const pipeline = new Pipeline(worker);
    void worker.terminate();
    await expect(pipeline.replay([many], FIREWALL, NEVER)).rejects.toThrow(/thread that reads ended/);
  });
});
