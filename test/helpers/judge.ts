/** Rules that show what helpers do to every packet, and the running kernel as judge of all witnesses. */
import { expect } from 'vitest';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { differences } from '../kernel/differential.ts';
import { WITNESSES } from '../kernel/witnesses.ts';
import { FORWARDING, frameOf, jobOf, replay, STATE_MATCHES } from '../reference/replay.ts';

/** `assign`: what stands before `-j CT --helper NAME`. */
export function helperProbes(name: string, assign: string): string {
  const facts = ['--ctstatus EXPECTED', '--ctstatus CONFIRMED', '--ctdir REPLY'].map((words) => `-m conntrack ${words}`);
  const more = [`helper --helper ${name}`, `helper ! --helper ${name}`, 'helper --helper ""', 'connmark --mark 7'];
  const matches = [...STATE_MATCHES, ...facts, ...more.map((words) => `-m ${words}`)];
  return `*raw
-A PREROUTING ${assign} -j CT --helper ${name}
-A PREROUTING -m conntrack --ctstate NEW
-A PREROUTING -m conntrack --ctstate INVALID
COMMIT
*mangle
${matches.map((match) => `-A PREROUTING ${match}`).join('\n')}
-A FORWARD ${assign} -m conntrack --ctstate NEW -j CONNMARK --set-mark 7
-A POSTROUTING -m conntrack --ctstate RELATED
COMMIT
*filter
-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT
COMMIT
`;
}

/** All packets forwarded (by `host`, or as they come), one after the other: nothing may differ, on either backend; with `lists` neither what is listed at the end. */
export async function expectAgreement(
  rules: string,
  packets: readonly Uint8Array[],
  family: Family = 4,
  { host = FORWARDING, ...more }: { lists?: boolean; host?: HostGiven } = {},
): Promise<void> {
  const frames = packets.map((bytes, i) => frameOf(bytes, i));
  // What nobody expects proves nothing.
  expect(replay(jobOf(rules, host, {}, family), frames).result.ctstates.RELATED).toBeGreaterThan(0);
  for (const backend of ['legacy', 'nft'] as const) {
    const given = { rules: { [family]: rules }, host: buildHost(host), frames, ...more };
    const found = await differences(backend, given, WITNESSES);
    expect(Object.fromEntries([...found].map(([name, lines]) => [name, lines.slice(0, 12)])), backend).toEqual(
      Object.fromEntries([...found.keys()].map((name) => [name, []])),
    );
  }
}
