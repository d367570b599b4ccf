/** Usual rule sets and captures: what the bench measures of them is what it says, and engine and reference agree on it. */
import { expect, test } from 'vitest';
import { ENGINE, REFERENCE, replayBytes, type Start } from '../../bench/suite.ts';
import { usual } from '../../bench/usual.ts';
import type { Job } from '../../src/model/witness.ts';
import type { Session } from '../../src/replay/session.ts';

const PACKETS = 1500;

async function resultOf(start: Start, job: Job, capture: Uint8Array): Promise<ReturnType<Session['result']>> {
  const session = await start(job)();
  replayBytes(session, capture);
  return session.result();
}

test.each(usual(PACKETS))('all sets judge $title as the reference does', { timeout: 60_000 }, async ({ title, workloads }) => {
  for (const make of workloads) {
    const { name, job, capture } = make();
    const result = await resultOf(ENGINE, job, capture);
    expect(result, name).toEqual(await resultOf(REFERENCE, job, capture));
    expect(result.packets).toBe(PACKETS);
    // Pings are for the router itself where Docker's containers answer other things; nobody lets a scan in.
    const pings = name === 'Docker' && /^(pings|some)/.test(title);
    if (!pings) expect(result.invalid, name).toEqual({});
    if (title.startsWith('a scan') || pings) continue;
    expect(result.verdicts.ACCEPT, name).toBeGreaterThan(PACKETS * (title.startsWith('fragments') ? 0.5 : 0.8));
  }
});
