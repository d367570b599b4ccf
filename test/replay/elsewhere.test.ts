/** --addr or --local of another machine than the capture: told where the packets say so, and no alarm where a router only forwards. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { elsewhereNotes } from '../../src/replay/elsewhere.ts';
import { replayOne } from '../../src/replay/replay.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { command } from '../cli/command.ts';
import { udp } from '../reference/build.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SEED = join(ROOT, 'pcaps/seed/traffic.pcap');
const RULES = parseSave('*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n', {
  file: 'rules',
  family: 4,
});
const OTHER: HostGiven = { local: ['198.18.0.5/24'] };
const OTHER_MAC: HostGiven = {
  addresses: [
    { ifname: 'eth0', address: '02:00:00:00:99:99', addr_info: [{ family: 'inet', local: '198.18.0.5', prefixlen: 24 }] },
  ],
};

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-elsewhere-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function notes(capture: string, given: HostGiven): Promise<string[]> {
  const host = buildHost(given);
  const job = { rules: { 4: RULES }, host, profile: DEFAULT_PROFILE };
  const { result } = await replayOne({ captures: [capture], host }, job, { engine: 'wasm', tree: true });
  return elsewhereNotes([capture], host, result);
}

/** Linux cooked, of packets that came in (0) or went out (4). */
let made = 0;
function cooked(...packets: readonly (readonly [type: number, from: string, to: string])[]): string {
  const frames = packets.map(([type, from, to], index) => ({
    time: BigInt(index) * 1_000_000n,
    bytes: Uint8Array.from([0, type, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0, ...udp(`${from} 4000`, `${to} 9`)]),
  }));
  const path = join(folder, `${made++}.pcap`);
  writeFileSync(path, writePcap(frames, 113));
  return path;
}

test.each([
  ['--local', OTHER],
  ['--addr, with MACs: all is for another host', OTHER_MAC],
])('a server, %s', async (_, given) => {
  expect(await notes(SEED, given)).toEqual([
    'none of the first 1,998 packets is to or from an address of this host (198.18.0.5); 10.0.0.1 stands in 1,998 of them: were --addr or --local taken from another machine than the capture?',
  ]);
});

describe('what the capture says of directions', () => {
  it('went out from others than those it came in from', async () => {
    const capture = cooked([0, '192.0.2.7', '192.0.2.1'], [4, '192.0.2.1', '192.0.2.7']);
    expect(await notes(capture, OTHER)).toEqual([
      expect.stringMatching(/^none of the first 2 packets .*; what went out came from 192\.0\.2\.1: were/),
    ]);
  });

  it('came in for one who sends nothing', async () => {
    const capture = cooked([0, '192.0.2.7', '192.0.2.1'], [0, '192.0.2.8', '192.0.2.1']);
    expect(await notes(capture, OTHER)).toEqual([expect.stringMatching(/; what came in was for 192\.0\.2\.1: were/)]);
  });

  it.each([
    [
      'a router that only forwards',
      [
        [0, '192.0.2.7', '203.0.113.1'],
        [4, '192.0.2.7', '203.0.113.1'],
        [0, '203.0.113.1', '192.0.2.7'],
        [4, '203.0.113.1', '192.0.2.7'],
      ],
    ],
    [
      'the same, only what comes in',
      [
        [0, '192.0.2.7', '203.0.113.1'],
        [0, '203.0.113.1', '192.0.2.7'],
      ],
    ],
    [
      'one packet to the host',
      [
        [0, '192.0.2.7', '198.18.0.5'],
        [0, '192.0.2.7', '192.0.2.1'],
      ],
    ],
    [
      'groups and broadcasts only',
      [
        [0, '192.0.2.7', '224.0.0.251'],
        [0, '192.0.2.7', '255.255.255.255'],
      ],
    ],
  ] as const)('nothing is told of %s', async (_, packets) => {
    expect(await notes(cooked(...packets), OTHER)).toEqual([]);
  });
});

test('nor of captures of their own hosts, and of a neighbour of a router', async () => {
  const router = join(ROOT, 'test/replay/router/');
  for (const name of ['nat', 'plain'])
    expect(await notes(join(router, `${name}.legacy.pcap`), { local: ['192.168.7.1/24@lan0', '203.0.113.1/24@wan0'] })).toEqual(
      [],
    );
  expect(await notes(join(router, 'plain.legacy.pcap'), OTHER)).toEqual([
    expect.stringMatching(/what went out came from .*203\.0\.113\.1/),
  ]);
  expect(await notes(SEED, { local: ['10.0.0.1'] })).toEqual([]);
  expect(await notes(SEED, { local: ['10.0.0.254/24@lan0'] })).toEqual([]);
});

test('the command says it', async () => {
  const rules = join(ROOT, 'pcaps/seed/server-dns-web-mail.rules.v4');
  const { stdout } = await command(['replay', '-R', rules, '-r', SEED, '--local', '198.18.0.5', '-q']);
  expect(stdout).toMatch(/^note: none of the first 1,998 packets .*198\.18\.0\.5/m);
});

test('a capture that is gone once it is judged costs nothing but the note', async () => {
  const capture = join(folder, 'gone.pcap');
  writeFileSync(capture, readFileSync(SEED));
  const host = buildHost(OTHER);
  const { result } = await replayOne(
    { captures: [capture], host },
    { rules: { 4: RULES }, host, profile: DEFAULT_PROFILE },
    { engine: 'wasm', tree: true },
  );
  expect(await elsewhereNotes([capture], host, result)).toHaveLength(1);
  rmSync(capture);
  expect(await elsewhereNotes([capture], host, result)).toEqual([]);
});
