/** Where a capture was taken: real captures of one router that translates (nat-host/record.sh), on one device, on all, and of what came in; and no alarm where nothing is wrong. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, test } from 'vitest';
import { loadRules } from '../../src/cli/rules.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import { NAT_NOTES } from '../../src/model/nat.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { namedNote, vantageNotes } from '../../src/model/vantage.ts';
import type { Frame } from '../../src/model/witness.ts';
import { prepare, replayOne } from '../../src/replay/replay.ts';
import { lookAtVantage } from '../../src/replay/vantage.ts';
import { buildReport } from '../../src/report/report.ts';
import { renderSaved } from '../../src/report/saved.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { command } from '../cli/command.ts';

const FOLDER = fileURLToPath(new URL('nat-host/', import.meta.url));
const RULES = join(FOLDER, 'rules.v4');
const ROUTER = { local: ['192.168.7.1/24@lan0', '203.0.113.1/24@wan0'] };
const load = (rules: string, rules6?: string) =>
  loadRules({ rules: [rules], ...(rules6 === undefined ? {} : { rules6 }), unsupported: 'refuse' })[0]!;

/** The report of a capture by both programs. */
async function reports(capture: string, given: HostGiven | undefined, rules = load(RULES)) {
  const prepared = await prepare([capture], [rules], given);
  const { host, notes = [] } = prepared;
  return Promise.all(
    (['reference', 'wasm'] as const).map(async (engine) => {
      const { result } = await replayOne(prepared, { rules, host, profile: DEFAULT_PROFILE }, { engine, tree: true });
      return buildReport({ rules, host, profile: DEFAULT_PROFILE, result, notes });
    }),
  );
}

const counters = (saved: string): string[] => saved.split('\n').filter((line) => !line.startsWith('#'));
const ABOUT_VANTAGE = /capture with "tcpdump -i any" on the router/;

test.each(['in.pcap', 'any.pcap'])(
  '%s, what came in on all devices, alone or with what went out: the counters of the real router, and no note',
  async (capture) => {
    const [, ...tables] = readFileSync(join(FOLDER, 'counters.v4'), 'utf8').split(/(?=^\*)/m);
    for (const report of await reports(join(FOLDER, capture), ROUTER)) {
      expect(report.notes).toEqual([]);
      const saved = counters(renderSaved(report, [load(RULES)[4]!])).join('\n');
      for (const table of tables) expect(saved).toContain(counters(table).join('\n').trim());
    }
  },
);

test.each([
  ['lan.pcap', [/^8 packets \(the first: 2\) answer connections that these rules translate/]],
  ['wan.pcap', [/^13 packets \(the first: 1\) come from this host, but with TTLs/, /^2 packets .* answer connections/]],
] as const)('%s is told', async (capture, wanted) => {
  for (const { notes } of await reports(join(FOLDER, capture), ROUTER)) {
    const told = notes.filter((note) => ABOUT_VANTAGE.test(note));
    expect(told).toHaveLength(wanted.length);
    for (const [index, words] of wanted.entries()) expect(told[index]).toMatch(words);
  }
});

test('the command says it', async () => {
  const { stdout } = await command(['replay', '-R', RULES, '-r', join(FOLDER, 'lan.pcap'), '--local', ROUTER.local.join(), '-q']);
  expect(stdout).toMatch(/note: 8 packets .*capture with "tcpdump -i any" on the router/);
});

const PCAPS = fileURLToPath(new URL('../../pcaps/', import.meta.url));
const scenarios = readdirSync(PCAPS).filter((name) => existsSync(join(PCAPS, name, 'scenario.json')));

test.each(scenarios)('%s: no alarm', async (name) => {
  const scenario = JSON.parse(readFileSync(join(PCAPS, name, 'scenario.json'), 'utf8')) as Record<string, string> & {
    host: HostGiven;
  };
  const rules = load(join(PCAPS, name, scenario.rules4!), scenario.rules6 && join(PCAPS, name, scenario.rules6));
  const { addr, ...host } = scenario.host as HostGiven & { addr?: string };
  for (const given of addr === undefined ? [host, undefined] : [host]) {
    for (const { notes } of await reports(join(PCAPS, name, scenario.capture!), given, rules))
      expect(notes.filter((note) => ABOUT_VANTAGE.test(note))).toEqual([]);
  }
});

/** A raw IP packet with an identification, of UDP between two others. */
function forwarded(
  ttl: number,
  time: bigint,
  {
    id = 7,
    source = 10,
    port = 53,
    data = 8,
    direction,
  }: { id?: number; source?: number; port?: number; data?: number } & Pick<Frame, 'direction'> = {},
): Frame {
  const bytes = Uint8Array.of(
    0x45,
    0,
    0,
    28,
    0,
    id,
    0,
    0,
    ttl,
    17,
    0,
    0,
    192,
    168,
    7,
    source,
    203,
    0,
    113,
    10,
    port >> 8,
    port & 0xff,
    0,
    53,
    0,
    data,
    0,
    0,
  );
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += bytes[at]! * 256 + bytes[at + 1]!;
  sum = (sum & 0xffff) + (sum >> 16);
  new DataView(bytes.buffer).setUint16(10, ~sum & 0xffff);
  return { time, linktype: 101, bytes, wire: bytes.length, ...(direction === undefined ? {} : { direction }) };
}

const host = buildHost({ forward: true });
const PLAIN = [load(join(PCAPS, 'seed/gateway.rules.v4'))[4]!];
/** Packets that the router sent, of each capture (tcpdump counts them: "outbound"). */
const OUT: Record<string, number> = { nat: 88, plain: 64 };
const MILLISECOND = 1_000_000n;

test('a packet and itself behind a router, where nothing says which is which', () => {
  const frames = [forwarded(64, 0n), forwarded(63, MILLISECOND)];
  expect(lookAtVantage(frames, PLAIN, host).notes[0]).toMatch(/^packet 2 is the packet captured before with a TTL one lower/);
});

test('sources translated already: not where rules set the TTL, nor for what traceroute sends', () => {
  const own = buildHost({ local: ['192.168.7.10/24'] });
  const frames = (ttl: number) => [forwarded(ttl, 0n)];
  const rules = (more: string) => [
    parseSave(`*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n*mangle\n${more}COMMIT\n`, { file: 'rules' }),
  ];
  for (const ttl of [61, 63, 127, 254])
    expect(lookAtVantage(frames(ttl), rules(''), own).notes[0]).toMatch(/^packet 1 comes from this host/);
  for (const ttl of [1, 30, 31, 60, 64, 128, 255]) expect(lookAtVantage(frames(ttl), rules(''), own).notes).toEqual([]);
  expect(lookAtVantage(frames(63), rules('-A POSTROUTING -j TTL --ttl-set 63\n'), own).notes).toEqual([]);
  expect(lookAtVantage(frames(63), PLAIN, own).notes).toEqual([]);
});

test.each([
  ['a repetition', [forwarded(64, 0n), forwarded(64, MILLISECOND)]],
  ['another packet', [forwarded(64, 0n), forwarded(63, MILLISECOND, { id: 8 })]],
  ['without identification nobody knows', [forwarded(64, 0n, { id: 0 }), forwarded(63, MILLISECOND, { id: 0 })]],
  ['too late', [forwarded(64, 0n), forwarded(63, 20n * MILLISECOND)]],
])('no copy: %s', (_, frames) => {
  expect(lookAtVantage(frames, PLAIN, host).notes).toEqual([]);
});

describe('what the capture says went out is a copy of what came in', () => {
  const frames = [forwarded(64, 0n), forwarded(63, MILLISECOND, { direction: 'out' })];
  const named = frames.map((frame) => ({ ...frame, interfaceName: 'wan0' }));
  const given = buildHost({ forward: true, in: 'lan0', out: 'wan0' });

  it('of a host whose addresses are known, or where the device is: nothing is told', () => {
    expect(lookAtVantage(frames, PLAIN, buildHost({ local: ['192.168.7.1/24'] }))).toEqual({ notes: [] });
    expect(lookAtVantage(named, PLAIN, host)).toEqual({ notes: [] });
  });

  it('of a router of which nothing else is known: the first is told, with --in, too', () => {
    expect(lookAtVantage(frames, PLAIN, host)).toEqual({ notes: [], sentOn: 2 });
    for (const some of [frames, named]) expect(lookAtVantage(some, PLAIN, given)).toEqual({ notes: [], sentOn: 2 });
  });

  it('its source and port may be translated', () => {
    const masqueraded = forwarded(63, MILLISECOND, { direction: 'out', source: 99, port: 1053 });
    expect(lookAtVantage([frames[0]!, masqueraded], PLAIN, host)).toEqual({ notes: [], sentOn: 2 });
  });

  it.each([
    ['another packet', forwarded(63, MILLISECOND, { direction: 'out', id: 8 })],
    ['no router between', forwarded(64, MILLISECOND, { direction: 'out' })],
    ['too late', forwarded(63, 20n * MILLISECOND, { direction: 'out' })],
    ['other data', forwarded(63, MILLISECOND, { direction: 'out', source: 99, data: 9 })],
  ])('not so: %s', (_, other) => {
    expect(lookAtVantage([frames[0]!, other], PLAIN, host)).toEqual({ notes: [] });
  });

  it.each(['nat', 'plain'])('a real router (router/record.sh): %s', async (rules) => {
    const folder = fileURLToPath(new URL('router/', import.meta.url));
    const saved = join(folder, `${rules}.rules.v4`);
    for (const ways of [{ forward: true }, { forward: true, in: 'lan0', out: 'wan0' }])
      for (const { notes, unseen, host: told } of await reports(join(folder, `${rules}.legacy.pcap`), ways, load(saved))) {
        expect(told.notes).toContainEqual(expect.stringMatching(/forwarded packets twice.*\(packet 2 is one that went out\)/));
        expect(notes.filter((note) => ABOUT_VANTAGE.test(note))).toEqual([]);
        // But for the router's answers to what it refused, or did not forward: a reset and two errors.
        expect(unseen['outgoing copy of a forwarded packet']).toBe(OUT[rules]! - 3);
      }
  });
});

test('the notes name the addresses that the rules name, as far as nobody said where they are', () => {
  const rules = [
    parseSave(
      '*nat\n-A PREROUTING -d 203.0.113.1/32 -i wan0 -j DNAT --to-destination 10.0.0.5\n-A PREROUTING -d 10.0.0.0/8 -j DNAT --to-destination 10.0.0.5\n-A PREROUTING -i lan0 -p tcp -j REDIRECT --to-ports 80\n-A POSTROUTING -o wan0 -j SNAT --to-source 203.0.113.7-203.0.113.9\n-A POSTROUTING -o ppp+ -j MASQUERADE\n-A POSTROUTING -o ppp0 -j MASQUERADE\nCOMMIT\n',
      { file: 'rules.v4' },
    ),
  ];
  const asked = [NAT_NOTES.masquerade, ...vantageNotes({ packets: 1, first: 1 }, { packets: 0, first: 0 })];
  const note = (notes: readonly string[], local: readonly string[]) => namedNote(notes, rules, buildHost({ local }));
  for (const one of asked)
    expect(note([one], [])).toEqual([
      expect.stringMatching(
        /: --local 203\.0\.113\.1@wan0,ADDRESS\/PREFIX@lan0,203\.0\.113\.7@wan0,ADDRESS\/PREFIX@ppp0; those of its other devices/,
      ),
    ]);
  expect(note(asked, ['203.0.113.1@wan0', '10.0.0.1@lan0'])[0]).toMatch(/: --local 203\.0\.113\.7@wan0,ADDRESS\/PREFIX@ppp0;/);
  expect(note(asked, ['203.0.113.1@wan0', '203.0.113.7@wan0', '10.0.0.1@lan0', '192.0.2.1@ppp0'])).toEqual([]);
  expect(note(['something else'], [])).toEqual([]);
});
