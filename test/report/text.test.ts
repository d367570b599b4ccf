/** The text report against a page written by hand; widths, shares, never-hit rules, notes, damage, quiet and verbose. */
import { expect, test } from 'vitest';
import { buildHost } from '../../src/model/host-build.ts';
import type { Verdict } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { RuleSet } from '../../src/model/ruleset.ts';
import type { Frame, ReplayResult } from '../../src/model/witness.ts';
import { ChangeCollector, changedPackets, movedPackets } from '../../src/report/comparison.ts';
import { renderComparison } from '../../src/report/comparison-text.ts';
import { type Fate, FateList } from '../../src/report/fates.ts';
import { buildReport, type Report } from '../../src/report/report.ts';
import { renderSaved } from '../../src/report/saved.ts';
import { share } from '../../src/report/style.ts';
import { ranges, renderText, type TextOptions } from '../../src/report/text.ts';
import { formatTime, verdictLine } from '../../src/report/verdict-line.ts';
import { parseRulesAll } from '../../src/syntax/index.ts';

const TEXT = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:web - [0:0]
-A INPUT -p tcp -m tcp --dport 80 -j web
-A INPUT -s 192.0.2.0/24 -j DROP
-A INPUT -p icmp -j ACCEPT
-A web -j ACCEPT
COMMIT
`;

const rules = (): RuleSet => parseRulesAll(TEXT, { file: 'rules.v4', family: 4 }).result![4]!;

const RESULT: ReplayResult = {
  captures: [{ file: 'traffic.pcap', packets: 20_005, bytes: 1_234_567, linktypes: [1] }],
  packets: 20_005,
  bytes: 1_000_000,
  verdicts: { ACCEPT: 19_000, DROP: 1000, REJECT: 0, STACK: 1 },
  hooks: { INPUT: 20_001, OUTPUT: 0, FORWARD: 0 },
  unseen: { 'not IP': 3, 'bad IP header checksum': 1 },
  stack: { 'martian source': 1 },
  invalid: {},
  ctstates: { INVALID: 0, NEW: 0, ESTABLISHED: 0, RELATED: 0, UNTRACKED: 0 },
  counters: {
    4: {
      filter: {
        INPUT: {
          policy: 'DROP',
          packets: 1000,
          bytes: 40_000,
          rules: [
            { packets: 19_000, bytes: 960_000 },
            { packets: 0, bytes: 0 },
            { packets: 1, bytes: 84 },
          ],
        },
        FORWARD: { policy: 'DROP', packets: 0, bytes: 0, rules: [] },
        OUTPUT: { policy: 'ACCEPT', packets: 0, bytes: 0, rules: [] },
        web: { policy: null, packets: 0, bytes: 0, rules: [{ packets: 19_000, bytes: 960_000 }] },
      },
    },
  },
  answers: 0,
  pickedUp: 0,
  strays: { packets: 0, first: 0 },
  unjudged: { packets: 0, first: 0 },
  unfinished: 0,
  notFollowed: { dccp: false, toGroups: false, loopedParts: false },
  evaluations: 40_002,
  connections: 0,
  notes: ['something to know'],
};

function report(change: Partial<ReplayResult> = {}): Report {
  const host = buildHost({ local: ['10.0.0.2'], in: 'eth0' });
  return buildReport({ rules: { 4: rules() }, host, profile: DEFAULT_PROFILE, result: { ...RESULT, ...change }, seconds: 0.01 });
}

const text = (options: TextOptions = {}, change: Partial<ReplayResult> = {}) => renderText(report(change), [rules()], options);

test('the page', () => {
  expect(text()).toBe(`rules.v4 on traffic.pcap
20,005 packets, 1,234,567 bytes · legacy, Linux 6.18, HZ 250 · local 10.0.0.2/32

Chain INPUT (policy DROP: 1,000 packets, 40,000 bytes)
num  packets    bytes  share  rule
  1   19,000  960,000  95.0%  -p tcp -m tcp --dport 80 -j web
  2        0        0         -s 192.0.2.0/24 -j DROP
  3        1       84  <0.1%  -p icmp -j ACCEPT

Chain web (user chain)
num  packets    bytes  share  rule
  1   19,000  960,000  95.0%  -j ACCEPT

Never hit  filter:INPUT 2 (of 4 rules)

Verdicts   ACCEPT 19,000 (95.0%)  DROP 1,000 (5.0%)  REJECT 0  STACK 1 (<0.1%)
Ended in the stack  martian source 1
Never reached netfilter  not IP 3, bad IP header checksum 1
Evaluations 40,002 rules, 2.00 a packet
2,000,500 packets/s (0.010 s)
note: something to know
note: 1 packet with a bad checksum: none was left to a device, --prestack lenient takes all of them
`);
});

test('quiet has the totals only, verbose has every chain', () => {
  expect(text({ quiet: true })).not.toContain('Chain');
  expect(text({ quiet: true })).toContain('Verdicts   ACCEPT 19,000');
  const verbose = text({ verbose: true });
  expect(verbose).toContain('Chain FORWARD (policy DROP: 0 packets, 0 bytes)');
  expect(verbose).toContain('Hooks  INPUT 20,001');
});

test('damage is told with its place', () => {
  const damage = { offset: 1234, reason: 'the file ends inside a record or block' };
  const captures = [{ ...RESULT.captures[0]!, damage }];
  for (const options of [{}, { quiet: true }]) {
    expect(text(options, { captures })).toContain(
      'traffic.pcap: damaged at offset 1234: the file ends inside a record or block; what stands before it was judged\n',
    );
  }
});

test('a report without packets divides by nothing', () => {
  const none = { packets: 0, bytes: 0, unseen: {}, stack: {}, evaluations: 0, counters: {} };
  const page = text({}, { ...none, verdicts: { ACCEPT: 0, DROP: 0, REJECT: 0, STACK: 0 } });
  expect(page).not.toMatch(/NaN|Infinity/);
  expect(page).toContain('Never hit  filter:INPUT 1-3; filter:web 1 (of 4 rules)');
});

test('as iptables-save -c prints it', () => {
  const lines = renderSaved(report(), [rules()]).split('\n');
  expect(lines.filter((line) => !line.startsWith('#'))).toEqual([
    '*filter',
    ':INPUT DROP [1000:40000]',
    ':FORWARD DROP [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':web - [0:0]',
    '[19000:960000] -A INPUT -p tcp -m tcp --dport 80 -j web',
    '[0:0] -A INPUT -s 192.0.2.0/24 -j DROP',
    '[1:84] -A INPUT -p icmp -j ACCEPT',
    '[19000:960000] -A web -j ACCEPT',
    'COMMIT',
    '',
  ]);
});

test('side by side', () => {
  const [one, two, three] = [report(), report({ evaluations: 80_004 }), report({ evaluations: 60_000 })];
  const of = (reports: Report[], packets: number) =>
    renderComparison(
      { schema: 'wasmtables/comparison/1', reports, changed: { packets, flows: 1 }, changes: [], changesLeftOut: 0 },
      reports.map(() => [rules()]),
      { quiet: true },
    );
  expect(of([one, two], 0)).toBe(
    `note: something to know
note: 1 packet with a bad checksum: none was left to a device, --prestack lenient takes all of them
Side by side
             rules.v4  rules.v4
ACCEPT         19,000    19,000
DROP            1,000     1,000
REJECT              0         0
STACK               1         1
evaluations    40,002    80,004
a packet         2.00      4.00

Every packet gets the same verdict. rules.v4 needs 40,002 evaluations instead of 80,004 (2.00 times fewer).
`,
  );
  expect(of([one, two, three], 1)).toContain('1 packet of 1 flow changes its verdict.');
  expect(of([one, one], 0)).toContain('Both cost the same number of evaluations.');
  expect(of([one, one, one], 0)).toContain('All cost the same number of evaluations.');
});

const fate = (verdict: Verdict | null, rule?: string): Fate =>
  verdict === null
    ? { hook: null, verdict, unseen: 'not IP' }
    : { hook: 'INPUT', verdict, ...(rule === undefined ? { reason: 'no route' } : { rule }) };

function fates(...all: Fate[]): FateList {
  const list = new FateList();
  for (const one of all) list.push(one);
  return list;
}

test('changed packets, also of an interrupted comparison', () => {
  const [no, yes, never] = [fate('DROP', 'filter:INPUT:rule:1'), fate('ACCEPT', 'filter:INPUT:rule:2'), fate(null)];
  const elsewhere = fate('ACCEPT', 'filter:INPUT:rule:3');
  expect(changedPackets([fates(yes, no, yes, never), fates(elsewhere, yes, yes, never), fates(yes, no, no, never)])).toEqual([
    1, 2,
  ]);
  expect(changedPackets([fates(yes, no, yes), fates(yes)])).toEqual([]);
  expect(changedPackets([])).toEqual([]);
});

test('packets with the same verdict that go elsewhere', () => {
  const at = (hook: 'INPUT' | 'FORWARD', verdict: Verdict): Fate => ({ hook, verdict, rule: 'filter:x:rule:1' });
  const [here, there, dropped] = [at('INPUT', 'ACCEPT'), at('FORWARD', 'ACCEPT'), at('FORWARD', 'DROP')];
  const lists = [fates(here, here, dropped, here, fate(null)), fates(here, there, here, there, fate(null))];
  expect(movedPackets(lists)).toEqual([1, 3]);
  expect(changedPackets(lists)).toEqual([2]);
  // Of three, two agree on the way and one on nothing: a changed packet.
  expect(movedPackets([fates(here), fates(there), fates(dropped)])).toEqual([]);
  expect(movedPackets([])).toEqual([]);
});

test('more packets than a list starts with', () => {
  const list = new FateList();
  for (let i = 0; i < 10_000; i++) list.push(fate('ACCEPT', `filter:INPUT:rule:${i % 7}`));
  expect(list.length).toBe(10_000);
  for (const i of [0, 4095, 4096, 9999]) expect(list.at(i)).toEqual(fate('ACCEPT', `filter:INPUT:rule:${i % 7}`));
});

const RAW_IP = 101;

/** A UDP packet from 192.0.2.1 to 192.0.2.2, `back` the other way. */
function udpFrame(from: number, to: number, time: bigint, back = false): Frame {
  const bytes = new Uint8Array([
    69,
    0,
    0,
    28,
    0,
    0,
    0,
    0,
    64,
    17,
    0,
    0,
    192,
    0,
    2,
    back ? 2 : 1,
    192,
    0,
    2,
    back ? 1 : 2,
    0,
    from,
    0,
    to,
    0,
    8,
    0,
    0,
  ]);
  return { time, linktype: RAW_IP, bytes, wire: bytes.length };
}

test('what changes: a line a flow, both directions together', () => {
  const [no, yes] = [fate('DROP', 'filter:INPUT:rule:1'), fate('ACCEPT', 'filter:INPUT:policy:3')];
  const lists = [fates(no, yes, no, no, fate('STACK')), fates(yes, yes, yes, yes, fate(null))];
  const told: number[] = [];
  const collector = new ChangeCollector(lists, changedPackets(lists), ({ packet }) => told.push(packet));
  const frames = [udpFrame(1, 53, 0n), udpFrame(9, 53, 1n), udpFrame(53, 1, 2n, true), udpFrame(2, 53, 3n)];
  const unreadable: Frame = { time: 4n, linktype: RAW_IP, bytes: new Uint8Array(3), wire: 3 };
  for (const [index, frame] of [...frames, unreadable].entries()) collector.add(frame, index);
  expect(told).toEqual([1, 3, 4, 5]);
  expect(collector.result()).toMatchObject({
    changed: { packets: 4, flows: 3 },
    changes: [
      {
        packets: 2,
        first: { packet: 1, source: '192.0.2.1', sourcePort: 1, destination: '192.0.2.2', destinationPort: 53, protocol: 'udp' },
      },
      { packets: 1, first: { packet: 4, time: '1970-01-01T00:00:00.000000003Z', outcomes: [no, yes] } },
      { packets: 1, first: { packet: 5 } },
    ],
    changesLeftOut: 0,
  });
  const comparison = { schema: 'wasmtables/comparison/1' as const, reports: [report(), report()], ...collector.result() };
  const text = renderComparison(comparison, [[rules()], [rules()]], { quiet: true });
  expect(text).toContain(`What changes (the first packet of each flow)
packet  time                            from, to                           verdict
     1  1970-01-01T00:00:00.000000000Z  192.0.2.1 > 192.0.2.2, udp 1 > 53  DROP by filter:INPUT:rule:1 -> ACCEPT by filter:INPUT:policy:3 (1 more of this flow)
     4  1970-01-01T00:00:00.000000003Z  192.0.2.1 > 192.0.2.2, udp 2 > 53  DROP by filter:INPUT:rule:1 -> ACCEPT by filter:INPUT:policy:3
     5  1970-01-01T00:00:00.000000004Z  no readable IP packet              STACK (no route) -> never reached netfilter (not IP)
`);
});

test('what changes is bounded: in the document, and more so for people', () => {
  const [no, yes] = [fate('DROP', 'filter:INPUT:rule:1'), fate('ACCEPT', 'filter:INPUT:rule:2')];
  const many = Array.from({ length: 130 }, (_, i) => i + 60);
  const lists = [fates(...many.map(() => no)), fates(...many.map(() => yes))];
  const collector = new ChangeCollector(lists, changedPackets(lists));
  for (const [index, port] of many.entries()) collector.add(udpFrame(port, 53, 0n), index);
  const { changed, changes, changesLeftOut } = collector.result();
  expect([changed.flows, changes.length, changesLeftOut]).toEqual([130, 100, 30]);
  const comparison = {
    schema: 'wasmtables/comparison/1' as const,
    reports: [report(), report()],
    changed,
    changes,
    changesLeftOut,
  };
  const text = renderComparison(comparison, [[rules()], [rules()]], { quiet: true });
  expect(text).toContain('... and 120 more flows (--verdicts FILE writes every packet)');
});

test('numbers and times', () => {
  expect(ranges([1, 2, 3, 7, 9, 10])).toBe('1-3,7,9-10');
  expect(['', '<0.1%', '0.1%', '100.0%']).toEqual([share(0, 9), share(1, 100_000), share(1, 1000), share(5, 5)]);
  expect(formatTime(1_700_000_000_000_000_001n)).toBe('2023-11-14T22:13:20.000000001Z');
  expect(formatTime(0xffff_ffff_ffff_ffffn)).toBe('2554-07-21T23:34:33.709551615Z');
});

test('verdict lines leave out what is not known', () => {
  const line = verdictLine({ packet: 3, time: 0n, bytes: 0, hook: null, verdict: null, unseen: 'not IP' });
  expect(line).toBe('{"packet":3,"time":"1970-01-01T00:00:00.000000000Z","hook":null,"verdict":null,"unseen":"not IP"}');
});
