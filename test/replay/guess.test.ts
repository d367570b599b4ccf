/** The guess of the host model: what every scenario of pcaps/ says of its host, and captures made for one clue each. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadRules } from '../../src/cli/rules.ts';
import { formatAddress } from '../../src/model/address.ts';
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

/** An Ethernet frame with IPv6 UDP or, of numbers, IPv4 TCP between two hosts that each have a MAC of their own: its last byte. */
function ethernet([fromMac, from]: [number, string], [toMac, to]: [number, string], ports: [number, number]): Frame {
  const link = Uint8Array.from([
    2,
    0,
    0,
    0,
    0,
    toMac,
    2,
    0,
    0,
    0,
    0,
    fromMac,
    from.includes(':') ? 0x86 : 8,
    from.includes(':') ? 0xdd : 0,
  ]);
  const carried = from.includes(':') ? packet6(from, to, ports) : packet(from, to, ports).bytes;
  return { time: 0n, linktype: 1, bytes: Uint8Array.from([...link, ...carried]), wire: link.length + carried.length };
}

/** 2001:db8::N to 2001:db8::M. */
function packet6(from: string, to: string, ports: [number, number]): Uint8Array {
  const bytes = new Uint8Array(48);
  bytes.set([0x60, 0, 0, 0, 0, 8, 17, 64]);
  for (const [at, address] of [
    [8, from],
    [24, to],
  ] as const) {
    bytes.set([0x20, 1, 0xd, 0xb8], at);
    bytes[at + 15] = Number.parseInt(address.split('::')[1]!, 16);
  }
  new DataView(bytes.buffer).setUint16(40, ports[0]);
  new DataView(bytes.buffer).setUint16(42, ports[1]);
  new DataView(bytes.buffer).setUint16(44, 8);
  return bytes;
}

const FOUR = [
  [1, '10.0.0.2'],
  [9, '10.0.0.9'],
] as [number, string][];
const guessedOf = (frames: Frame[]) => {
  const guess = new HostGuess(rulesOf(HOST_RULES));
  for (const frame of frames) guess.see(frame);
  const { interfaces, notes } = guess.host();
  const own = interfaces
    .filter(({ name }) => name !== 'lo')
    .flatMap(({ addresses }) => addresses.map(({ address }) => formatAddress(address)));
  return { own, notes: notes.join('\n') };
};
/** Of a server with that MAC that many talk to by IPv4. */
const served = (): Frame[] =>
  [20, 21, 22].flatMap((client) => [
    ethernet(FOUR[1]!, FOUR[0]!, [40_000 + client, 80]),
    ethernet(FOUR[0]!, FOUR[1]!, [80, 40_000 + client]),
    ethernet([9, `10.0.1.${client}`], FOUR[0]!, [40_000, 80]),
  ]);

test('both families are of one machine: the other one with another MAC is not taken', () => {
  const others = [3, 4].map((client) => ethernet([7, `2001:db8::${client}`], [8, '2001:db8::53'], [40_000, 53]));
  const { own, notes } = guessedOf([...served(), ...others, ethernet([8, '2001:db8::53'], [7, '2001:db8::3'], [53, 40_000])]);
  expect(own).toEqual(['10.0.0.2']);
  expect(notes).toMatch(/took 3 IPv6 packets for those of others \(2001:db8::53 does not belong to the MAC of 10\.0\.0\.2\)/);
});

test('both families are of one machine: what the same card sent is its own, however seldom', () => {
  const others = [3, 4].map((client) => ethernet([7, `2001:db8::${client}`], [8, '2001:db8::53'], [40_000, 53]));
  const { own, notes } = guessedOf([...served(), ...others, ethernet([1, '2001:db8::2'], [8, '2001:db8::53'], [40_000, 53])]);
  expect(own).toEqual(['10.0.0.2', '2001:db8::2']);
  expect(notes).toMatch(
    /guessed 2001:db8::2 to be the host's own \(it has the MAC of 10\.0\.0\.2, and is in 1 of 3 IPv6 packets\)/,
  );
});
