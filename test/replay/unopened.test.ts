/** Captures that cannot be opened, or be read to their end, behind and before others: what those say is told as if they were not there. */

import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { compile } from '../../src/compile/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Job, ReplayResult } from '../../src/model/witness.ts';
import { announcedLinktypes } from '../../src/replay/accepted.ts';
import { sharedSession } from '../../src/replay/engine-replay.ts';
import { engineModule, engineSession } from '../../src/replay/engine-session.ts';
import { Pace, placesOf } from '../../src/replay/pace.ts';
import { merged, type Unshared } from '../../src/replay/parallel.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import { prepare } from '../../src/replay/replay.ts';
import { type RunOutcome, run } from '../../src/replay/run.ts';
import type { Session } from '../../src/replay/session.ts';
import { runShare } from '../../src/replay/share.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { ROOT } from '../cli/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-unopened-'));
afterAll(() => rmSync(folder, { recursive: true }));

const WEB = join(ROOT, 'pcaps/web/capture.pcap');
const SEED = join(ROOT, 'pcaps/seed/traffic.pcap');
const GONE = '/no/such/capture.pcap';
/** It can be opened, and nothing can be read from its beginning. */
const BROKEN = '/proc/self/mem';
const MISSING = { offset: 0, reason: 'no such file or directory', unread: true };

const TEXT =
  '*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n';
const RULES = parseSave(TEXT, { file: 'rules', family: 4 });
const JOB: Job = { rules: { 4: RULES }, host: buildHost({ local: ['10.0.0.2'], in: 'eth0' }), profile: DEFAULT_PROFILE };

const SESSIONS: Record<string, () => Promise<Session>> = {
  engine: () => engineSession(JOB, { tree: true }),
  reference: async () => referenceSession(JOB),
};

/** All but the captures. */
const told = ({ captures: _, ...rest }: ReplayResult) => rest;

test.each(Object.keys(SESSIONS))('what stands around them is judged (%s)', async (name) => {
  const whole = (await run([WEB, SEED], await SESSIONS[name]!())).result;
  const { result, damaged } = await run([GONE, WEB, BROKEN, SEED, GONE], await SESSIONS[name]!());
  expect(told(result)).toEqual(told(whole));
  expect(damaged).toBe(true);
  const [first, web, broken, seed, last] = result.captures;
  expect([web, seed]).toEqual(whole.captures);
  expect([first, last]).toEqual([GONE, GONE].map((file) => ({ file, packets: 0, bytes: 0, linktypes: [], damage: MISSING })));
  expect(broken?.damage).toMatchObject({ offset: 0, reason: expect.stringMatching(/error/), unread: true });
});

test('one that goes away while those before it are judged', async () => {
  const path = join(folder, 'short-lived.pcap');
  copyFileSync(SEED, path);
  const session = await engineSession(JOB, { tree: true });
  const end = session.endCapture.bind(session);
  session.endCapture = (ending) => {
    rmSync(path, { force: true });
    return end(ending);
  };
  const { result } = await run([WEB, path], session);
  expect(result.captures[1]).toMatchObject({ packets: 0, damage: MISSING });
  expect(result.packets).toBe(295);
});

test('a look ahead passes over them', async () => {
  const { host, notes } = await prepare([GONE, BROKEN, WEB], [{ 4: RULES }], undefined);
  expect(host.notes[0]).toMatch(/10\.0\.0\.2 .* 146 of 146 IPv4 packets/);
  expect(notes).toEqual([]);
  expect(await announcedLinktypes([GONE, BROKEN, WEB])).toEqual([1]);
});

/** What two shares say together, of captures that need not be the same. */
async function together(one: readonly string[], other: readonly string[], isStopped = false): Promise<RunOutcome | Unshared> {
  const [image, wasm] = [compile(JOB, { tree: false }), await engineModule()];
  const never = { asked: () => false, agree: async () => 0 };
  const shares = await Promise.all(
    [one, other].map(async (captures, index) =>
      runShare(captures, await sharedSession(image, wasm, { index, of: 2 }), never, new Pace(placesOf(1), 0), {}),
    ),
  );
  return merged(shares, process.hrtime.bigint(), isStopped);
}

test('threads that found the same say it; where one could open what another could not, or read more of it, one judges anew', async () => {
  const all = await together([WEB, GONE, SEED], [WEB, GONE, SEED]);
  if ('again' in all) throw new Error(all.again);
  expect(told(all.result)).toEqual(told((await run([WEB, SEED], await SESSIONS.engine!())).result));
  expect(all.result.captures[1]?.damage).toEqual(MISSING);
  const again = { again: expect.stringMatching(/written to, or went away/) };
  expect(await together([WEB, SEED], [WEB, GONE])).toEqual(again);
  expect(await together([WEB, SEED], [WEB, WEB])).toEqual(again);
  // Nothing of what an interrupt cut off is lost: it is judged anew up to there.
  expect(await together([WEB, SEED], [WEB, GONE], true)).toEqual({ ...again, packets: 295 + 3212 });
});
