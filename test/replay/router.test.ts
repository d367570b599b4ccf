/** What "tcpdump -i any" has of a router: forwarded packets twice, and own ones behind their translation. Recorded from real iptables, of both backends, with its connections beside it (router/record.sh). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadRules } from '../../src/cli/rules.ts';
import type { HostGiven } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { prepare, replayOne } from '../../src/replay/replay.ts';
import { conntrackLine } from '../../src/report/conntrack.ts';
import { buildReport } from '../../src/report/report.ts';
import { renderSaved } from '../../src/report/saved.ts';
import { command } from '../cli/command.ts';
import { Recorded, tablesOf } from './recorded.ts';

const FOLDER = new Recorded('router/', 'nat.legacy.pcap', 'nat.rules.v4');

/** Protocol, and addresses and ports of both directions: what does not run on. */
const tuples = (line: string): string =>
  [line.split(/\s+/)[2], ...(line.match(/\b(?:src|dst|sport|dport|type|code|id)=\S+/g) ?? [])].join(' ');

/** An own packet is captured behind the translation of its source: which port that had before, only the kernel knows. */
const asCaptured = (line: string): string =>
  line.replace(
    /(src=203\.0\.113\.1 dst=\S+ sport=)5000( .* dport=)(\d+)/,
    (_, before, rest, port) => `${before}${port}${rest}${port}`,
  );

const ADDR: HostGiven = { addresses: FOLDER.json('addr.json'), routes: [FOLDER.json('route.json')] };
const LOCAL: HostGiven = { local: ['192.168.7.1/24@lan0', '203.0.113.1/24@wan0'], routes: ADDR.routes! };

for (const rules of ['nat', 'plain'] as const)
  for (const backend of ['legacy', 'nft'] as const)
    describe.each([
      ['--addr', ADDR],
      ['--local', LOCAL],
    ])(`${rules}, ${backend}, %s`, (_, given) => {
      test.each(['reference', 'wasm'] as const)('%s: the counters and the connections of that router', async (engine) => {
        const dual = loadRules({ rules: [FOLDER.path(`${rules}.rules.v4`)], unsupported: 'refuse', backend })[0]!;
        const profile = { ...DEFAULT_PROFILE, backend };
        const prepared = await prepare([FOLDER.path(`${rules}.${backend}.pcap`)], [dual], given);
        const { host, notes = [] } = prepared;
        const { result, connections = [] } = await replayOne(
          prepared,
          { rules: dual, host, profile },
          { engine, tree: true, connections: true },
        );
        const report = buildReport({ rules: dual, host, profile, result, notes: [...notes] });
        const saved = renderSaved(report, [dual[4]!]);
        const real = readFileSync(FOLDER.path(`${rules}.${backend}.v4`), 'utf8');
        expect(tablesOf(saved)).toEqual(tablesOf(real));
        const live = readFileSync(FOLDER.path(`${rules}.${backend}.conntrack`), 'utf8')
          .trim()
          .split('\n');
        expect(connections.map((one) => tuples(conntrackLine(one))).sort()).toEqual(live.map(asCaptured).map(tuples).sort());
        expect(report.notes).toEqual([]);
      });
    });

const RESETS = new Recorded('router-resets/', 'legacy.pcap', 'rules.v4');

/** Segments with FIN alone come to a masqueraded connection, which its client resets later (router-resets/record.sh; found by a newcomer). */
describe.each(['legacy', 'nft'] as const)('%s: a router resets what was INVALID itself, and sends other resets on', (backend) => {
  test.each(['reference', 'wasm'] as const)('%s', async (engine) => {
    const dual = loadRules({ rules: [RESETS.path('rules.v4')], unsupported: 'refuse', backend })[0]!;
    const profile = { ...DEFAULT_PROFILE, backend };
    const given: HostGiven = { addresses: RESETS.json('addr.json'), routes: [RESETS.json('route.json')] };
    const prepared = await prepare([RESETS.path(`${backend}.pcap`)], [dual], given);
    const { host, notes = [] } = prepared;
    const { result } = await replayOne(prepared, { rules: dual, host, profile }, { engine, tree: true });
    const report = buildReport({ rules: dual, host, profile, result, notes: [...notes] });
    expect(tablesOf(renderSaved(report, [dual[4]!]))).toEqual(tablesOf(readFileSync(RESETS.path(`${backend}.v4`), 'utf8')));
    expect(report.notes).toEqual([]);
  });
});

test('trace says which packet it was', async () => {
  const files = ['--addr', FOLDER.path('addr.json'), '--route', FOLDER.path('route.json')];
  const args = ['trace', '-R', FOLDER.path('nat.rules.v4'), '-r', FOLDER.path('nat.legacy.pcap'), ...files, '--packet', '2'];
  expect((await command(args)).stdout).toMatch(
    /203\.0\.113\.1 > 203\.0\.113\.10, udp .*\nno verdict: outgoing copy of a forwarded packet\n/,
  );
});

/** Rules with their counters: the capture has not what neighbours ask each other, so policies counted more. */
const ruleLines = (saved: string): string[] =>
  saved
    .split('\n')
    .filter((line) => line.startsWith('['))
    .sort();

/** Nobody answers for the address a translated packet is sent on to: the router's own "host unreachable" is RELATED, goes to the address that the packet bears, which is the router's (router-unreachable/record.sh) or nobody's (router-lends/record.sh), and is turned to the sender by nat OUTPUT. Found by newcomers. */
describe.each([
  ['an address of its own', 'router-unreachable/', 'legacy'],
  ['an address of its own', 'router-unreachable/', 'nft'],
  ['an address that it has not', 'router-lends/', 'legacy'],
  ['an address that it has not', 'router-lends/', 'nft'],
] as const)('a router finds no neighbour for what it translated to %s (%s, %s)', (_, folder, backend) => {
  const recorded = new Recorded(folder, 'legacy.pcap', 'rules.v4');
  test.each(['reference', 'wasm'] as const)('%s', async (engine) => {
    const files = { rules: [recorded.path('rules.v4')], rules6: recorded.path('rules.v6') };
    const dual = loadRules({ ...files, unsupported: 'refuse', backend })[0]!;
    const profile = { ...DEFAULT_PROFILE, backend };
    const routes = ['route.json', 'route6.json'].map((name) => recorded.json(name));
    const prepared = await prepare([recorded.path(`${backend}.pcap`)], [dual], {
      addresses: recorded.json('addr.json'),
      routes,
    });
    const { host, notes = [] } = prepared;
    const { result } = await replayOne(prepared, { rules: dual, host, profile }, { engine, tree: true });
    const report = buildReport({ rules: dual, host, profile, result, notes: [...notes] });
    const real = ['v4', 'v6'].map((family) => readFileSync(recorded.path(`${backend}.${family}`), 'utf8')).join('');
    expect(ruleLines(renderSaved(report, [dual[4]!, dual[6]!]))).toEqual(ruleLines(real));
    expect(report.notes).toEqual([]);
  });
});
