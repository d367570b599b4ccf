/** The loop of a replay: interrupts are seen between captures, too, and threads stop behind the packet they agreed on. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compile } from '../../src/compile/index.ts';
import type { ReplayResult } from '../../src/model/witness.ts';
import { sharedSession } from '../../src/replay/engine-replay.ts';
import { engineModule } from '../../src/replay/engine-session.ts';
import { Pace, placesOf } from '../../src/replay/pace.ts';
import { Halt } from '../../src/replay/parallel.ts';
import { run } from '../../src/replay/run.ts';
import type { Session } from '../../src/replay/session.ts';
import { runShare } from '../../src/replay/share.ts';
import { job } from '../capture/read.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

const WEB = new URL('../../pcaps/web/capture.pcap', import.meta.url);

/** Judges nothing, a millisecond a capture. */
class Slow implements Pick<Session, 'startCapture' | 'feed' | 'done' | 'endCapture' | 'result'> {
  captures = 0;

  startCapture(): void {
    this.captures++;
  }

  feed(): void {
    for (const start = performance.now(); performance.now() - start < 1; );
  }

  done(): boolean {
    return false;
  }

  endCapture() {
    return { file: '', packets: 1, bytes: 1, linktypes: [] };
  }

  result(): ReplayResult {
    return {} as ReplayResult;
  }
}

test('an interrupt is seen between captures that are read in a moment each', async () => {
  const path = join(folder, 'small.pcap');
  writeFileSync(path, 'a few bytes');
  const interrupt = new AbortController();
  let turns = 0;
  const session = new Slow();
  const { interrupted } = await run(
    Array.from({ length: 3_000 }, () => path),
    session as unknown as Session,
    {
      signal: interrupt.signal,
      onTurn: async () => {
        turns++;
        interrupt.abort();
      },
    },
  );
  expect(turns).toBe(1);
  expect(session.captures).toBeLessThan(3_000);
  expect(interrupted).toBe(true);
});

test('a share stops behind the packet that was agreed on, in the capture that holds it', async () => {
  const path = join(folder, 'web.pcap');
  const bytes = readFileSync(WEB);
  writeFileSync(path, bytes);
  const asked = job();
  const session = await sharedSession(compile(asked, { tree: true }), await engineModule(), { index: 0, of: 1 });
  const told: number[] = [];
  const stop = {
    asked: () => true,
    agree: async (packets: number) => {
      told.push(packets);
      return 7;
    },
  };
  const { outcome, exact } = await runShare([path, path], session, stop, new Pace(placesOf(1), 0), {});
  expect(told).toEqual([0]);
  expect(exact).toBe(true);
  expect(outcome.result.captures.map(({ packets }) => packets)).toEqual([7]);
});

test('a share goes on to the end where another one has come there, and asks nobody behind its own', async () => {
  const path = join(folder, 'end.pcap');
  writeFileSync(path, readFileSync(WEB));
  const image = compile(job(), { tree: true });
  const alone = await sharedSession(image, await engineModule(), { index: 0, of: 1 });
  const { result } = await run([path, path], alone);
  for (const limit of [undefined, 7]) {
    const told: number[] = [];
    const options = limit === undefined ? {} : { limit };
    const session = await sharedSession(image, await engineModule(), { index: 0, of: 1 }, options);
    const stop = {
      asked: () => true,
      agree: async (packets: number) => {
        told.push(packets);
        return undefined;
      },
    };
    const { outcome } = await runShare([path, path], session, stop, new Pace(placesOf(1), 0), options);
    expect(told).toEqual([0]);
    expect(outcome.result.packets).toBe(limit ?? result.packets);
  }
});

/** A turn is due behind every piece. */
class Slower extends Slow {
  override feed(): void {
    for (const start = performance.now(); performance.now() - start < 110; );
  }
}

test('an interrupt behind the last piece of the last capture interrupts nothing, one behind that of another does', async () => {
  const path = join(folder, 'last.pcap');
  writeFileSync(path, 'a few bytes');
  for (const [captures, expected] of [
    [[path], false],
    [[path, path], true],
  ] as const) {
    const before = await run([...captures], new Slower() as unknown as Session, { signal: AbortSignal.abort() });
    expect(before.interrupted).toBe(true);
    const later = new AbortController();
    const slower = new Slower();
    const feed = slower.feed.bind(slower);
    slower.feed = () => {
      feed();
      later.abort();
    };
    const outcome = await run([...captures], slower as unknown as Session, { signal: later.signal });
    expect(outcome.interrupted ?? false).toBe(expected);
    expect(slower.captures).toBe(1);
  }
});

describe('threads that are to stop', () => {
  const halted = () => {
    const said: unknown[] = [];
    const signal = new AbortController();
    const halt = new Halt([{ postMessage: (message: unknown) => said.push(message) }], signal.signal);
    signal.abort();
    return { said, halt };
  };

  test('do so behind the packet of the fastest', async () => {
    const { said, halt } = halted();
    const agreed = halt.agree(5);
    halt.at(1, 9);
    halt.at(1, 'the end');
    halt.at(0, 'the end');
    expect(await agreed).toBe(9);
    expect(said).toEqual([{ kind: 'stop' }, { kind: 'limit', packets: 9 }]);
    expect(halt.stopped).toBe(true);
  });

  test('do not where one of them has come to the end: what they say is complete', async () => {
    for (const ended of [0, 1]) {
      const { said, halt } = halted();
      halt.at(ended, 'the end');
      const agreed = ended === 1 ? halt.agree(5) : undefined;
      if (ended === 0) halt.at(1, 5);
      expect(await agreed).toBe(undefined);
      expect(said).toEqual([{ kind: 'stop' }, { kind: 'limit' }]);
      expect(halt.stopped).toBe(false);
    }
  });

  test('have all come to the end before they heard of it', () => {
    const { halt } = halted();
    for (const thread of [0, 1]) halt.at(thread, 'the end');
    expect(halt.stopped).toBe(false);
  });
});
