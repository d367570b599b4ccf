/** The loop of a replay: interrupts are seen between captures, too, and threads stop behind the packet they agreed on. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { compile } from '../../src/compile/index.ts';
import type { ReplayResult } from '../../src/model/witness.ts';
import { sharedSession } from '../../src/replay/engine-replay.ts';
import { engineModule } from '../../src/replay/engine-session.ts';
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
  const { outcome, exact } = await runShare([path, path], session, stop, {});
  expect(told).toEqual([0]);
  expect(exact).toBe(true);
  expect(outcome.result.captures.map(({ packets }) => packets)).toEqual([7]);
});
