/** The thread of a shared replay, alone. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { compile } from '../../src/compile/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { engineModule } from '../../src/replay/engine-session.ts';
import { Pace, placesOf } from '../../src/replay/pace.ts';
import type { FromWorker, ShareTask } from '../../src/replay/parallel.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { ROOT } from '../cli/command.ts';

const RULES = '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';

/** What a thread says at last about captures. */
async function said(captures: string[], index = 0): Promise<FromWorker> {
  const rules = { 4: parseSave(RULES, { file: 'rules', family: 4 }) };
  const image = compile(
    { rules, host: buildHost({ local: ['10.0.0.2'], in: 'eth0' }), profile: DEFAULT_PROFILE },
    { tree: false },
  );
  // Nobody is waited for.
  const places = placesOf(2);
  new Pace(places, 1 - index).end();
  const task: ShareTask = {
    kind: 'task',
    captures,
    image,
    wasm: await engineModule(),
    share: { index, of: 2 },
    places,
  };
  const worker = new Worker(join(ROOT, 'dist/joined/replay-thread.js'));
  try {
    return await new Promise((resolve, reject) => {
      worker.on('message', resolve).on('error', reject);
      worker.postMessage(task);
    });
  } finally {
    await worker.terminate();
  }
}

const CAPTURE = join(ROOT, 'pcaps/seed/traffic.pcap');

test('what two of them judge is all of a capture', async () => {
  const judged: number[] = [];
  for (const index of [0, 1]) {
    const message = await said([CAPTURE], index);
    if (message.kind !== 'done') throw new Error(`it says ${message.kind}`);
    const { packets, verdicts, unseen } = message.outcome.result;
    expect(packets).toBe(3212);
    judged.push([...Object.values(verdicts), ...Object.values(unseen)].reduce((sum, count) => sum + count, 0));
  }
  expect(judged[0]! + judged[1]!).toBe(3212);
});

test('a capture that is gone meanwhile is told as what it is', async () => {
  const message = await said([CAPTURE, '/no/such/capture']);
  if (message.kind !== 'done') throw new Error(`it says ${message.kind}`);
  const { packets, captures } = message.outcome.result;
  expect(packets).toBe(3212);
  expect(captures[1]?.damage).toEqual({ offset: 0, reason: 'no such file or directory', unread: true });
});
