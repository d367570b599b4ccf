/** The guess of the host model: what every scenario of pcaps/ says of its host, and captures made for one clue each. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadRules } from '../../src/cli/rules.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Frame } from '../../src/model/witness.ts';
import { HostGuess } from '../../src/replay/guess.ts';
import { type Prepared, prepare, replayOne } from '../../src/replay/replay.ts';
import { parseRulesAll } from '../../src/syntax/index.ts';

const FOLDER = fileURLToPath(new URL('../../pcaps/', import.meta.url));

/** Scenarios whose host cannot be guessed, with the reason. */
const CANNOT: Readonly<Record<string, string>> = {
  gateway: 'a router of two networks: which addresses and routes it has stands in addr.json and route.json only',
  sip: 'two telephones: both speak from port 5060, and sound goes to the higher port, which is taken for the client',
};

interface Scenario {
  capture: string;
  rules4: string;
  rules6?: string;
  host: { forward: boolean; in: string; out: string; local?: string[] };
}

const scenarios = readdirSync(FOLDER).filter((name) => existsSync(join(FOLDER, name, 'scenario.json')) && !(name in CANNOT));

test.each(scenarios)('%s: judged as with its own host', async (name) => {
  const scenario = JSON.parse(readFileSync(join(FOLDER, name, 'scenario.json'), 'utf8')) as Scenario;
  const second = scenario.rules6 === undefined ? {} : { rules6: join(FOLDER, name, scenario.rules6) };
  const rules = loadRules({ rules: [join(FOLDER, name, scenario.rules4)], ...second, unsupported: 'refuse' })[0]!;
  const captures = [join(FOLDER, name, scenario.capture)];
  const guessed = await prepare(captures, [rules], undefined);
  const given = { captures, host: buildHost(scenario.host) };
  expect(guessed.host.notes.join()).toMatch(/guessed/);
  expect(guessed.host.forward).toBe(scenario.host.forward);
  const judged = async (prepared: Prepared) => {
    const { result } = await replayOne(
      prepared,
      { rules, host: prepared.host, profile: DEFAULT_PROFILE },
      { engine: 'reference', tree: true },
    );
    return result;
  };
  expect(await judged(guessed)).toEqual(await judged(given));
});

const HOST_RULES = '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n';
const ROUTER_RULES = HOST_RULES.replace('-A INPUT -p tcp', '-A INPUT -p tcp -j ACCEPT\n-A FORWARD -i eth1 -o eth0 -p tcp');
const rulesOf = (text: string) => [parseRulesAll(text, { file: 'rules', family: 4 }).result![4]!];

/** A raw IPv4 TCP packet. */
function packet(source: string, destination: string, ports: [number, number], ttl = 64): Frame {
  const bytes = new Uint8Array(40);
  bytes.set([0x45, 0, 0, 40, 0, 0, 0, 0, ttl, 6, 0, 0, ...source.split('.').map(Number), ...destination.split('.').map(Number)]);
  new DataView(bytes.buffer).setUint16(20, ports[0]);
  new DataView(bytes.buffer).setUint16(22, ports[1]);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += bytes[at]! * 256 + bytes[at + 1]!;
  sum = (sum & 0xffff) + (sum >>> 16);
  new DataView(bytes.buffer).setUint16(10, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  return { time: 0n, linktype: 101, bytes, wire: 40 };
}

const both = (a: string, b: string, ports: [number, number], ttls: [number, number] = [64, 64]): Frame[] => [
  packet(a, b, ports, ttls[0]),
  packet(b, a, [ports[1], ports[0]], ttls[1]),
];

const localOf = (frames: Frame[], rules = HOST_RULES) => {
  const guess = new HostGuess(rulesOf(rules));
  for (const frame of frames) guess.see(frame);
  const host = guess.host();
  const own = host.interfaces
    .filter(({ name }) => name !== 'lo')
    .flatMap(({ addresses }) => addresses.map(({ address }) => address[0]! & 255));
  return host.forward ? 'router' : own;
};

test('of two that only talk to each other, the one that serves', () => {
  expect(localOf(both('10.0.0.1', '10.0.0.2', [40_000, 443]))).toEqual([2]);
  expect(localOf(both('10.0.0.1', '10.0.0.2', [5201, 40_000]))).toEqual([1]);
});

test('not the one that lies behind routers, though it serves', () => {
  expect(localOf(both('10.0.0.7', '198.51.100.9', [40_000, 443], [64, 51]))).toEqual([7]);
});

test('the one the rules name', () => {
  const named = HOST_RULES.replace('-A INPUT -p tcp', '-A INPUT -d 10.0.0.1/32 -p tcp');
  expect(localOf(both('10.0.0.1', '10.0.0.2', [40_000, 443]), named)).toEqual([1]);
});

test('a host among others, where the rules forward nothing', () => {
  const frames = [
    ...both('10.0.0.2', '10.0.0.3', [80, 40_000]),
    ...both('10.0.0.2', '10.0.0.4', [80, 40_000]),
    ...both('10.0.0.5', '10.0.0.6', [1, 2]),
  ];
  expect(localOf(frames)).toEqual([2]);
  expect(localOf(frames, ROUTER_RULES)).toBe('router');
});

test('nothing to go by is a router; nothing at all too', () => {
  expect(
    localOf([
      ...both('10.0.0.1', '10.0.0.2', [1, 2]),
      ...both('10.0.0.3', '10.0.0.4', [1, 2]),
      ...both('10.0.0.5', '10.0.0.6', [1, 2]),
    ]),
  ).toBe('router');
  expect(localOf([])).toBe('router');
  const host = new HostGuess(rulesOf(ROUTER_RULES)).host();
  expect([host.in, host.out]).toEqual(['eth1', 'eth0']);
});
