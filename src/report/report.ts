/** The report as a document: what `--format json` prints (docs/schema/report-1.json) and what the text report reads. */
import { ANSWER_WITHIN } from '../abi/answers.ts';
import { formatAddress } from '../model/address.ts';
import type { Host, ProxySocket } from '../model/host.ts';
import { notFollowedNotes } from '../model/not-followed.ts';
import type { Counter, CtState, HookName, TableCounters } from '../model/outcome.ts';
import { DEFAULT_SYSCTLS, type Profile } from '../model/profile.ts';
import type { Family, RuleSet, Table } from '../model/ruleset.ts';
import { namedNote, straysNote, unjudgedNote } from '../model/vantage.ts';
import type { CaptureInfo, ReplayResult } from '../model/witness.ts';
import { count, plural } from './style.ts';

export interface ReportChain extends Counter {
  policy: 'ACCEPT' | 'DROP' | null;
  rules: Counter[];
}

export type ReportTables = Record<string, Record<string, ReportChain>>;

export interface ReportHost {
  forward: boolean;
  guessed: boolean;
  in?: string;
  out?: string;
  local: string[];
  interfaces: string[];
  /** As --proxy and --local-mark take them. */
  proxies?: string[];
  localMark?: string;
  notes: string[];
}

export interface Report {
  schema: 'wasmtables/report/1';
  /** The rule files, IPv4 or the first one given, then the IPv6 half. */
  rules: string[];
  family: Family;
  profile: Profile & { sysctls: Record<string, number> };
  host: ReportHost;
  captures: CaptureInfo[];
  packets: number;
  /** Bytes on the wire of all captures. */
  bytes: number;
  /** Packets that entered netfilter, and their IP bytes. */
  netfilter: Counter;
  verdicts: Record<string, number>;
  hooks: Record<HookName, number>;
  unseen: Record<string, number>;
  stack: Record<string, number>;
  invalid: Record<string, number>;
  ctstates: Record<CtState, number>;
  tables: ReportTables;
  /** The IPv6 tables of a dual-stack host (--rules6). */
  tables6?: ReportTables;
  evaluations: number;
  connections: number;
  /** Objects of nfacct, where rules name some. */
  nfacct?: (Counter & { name: string })[];
  notes: string[];
  /** Only what was measured; absent under --quiet timing. */
  speed?: { seconds: number; packetsPerSecond: number; sampled?: number };
}

export interface ReportInput {
  rules: Partial<Record<Family, RuleSet>>;
  host: Host;
  profile: Profile;
  result: ReplayResult;
  /** What was known of the captures before they were judged. */
  notes?: readonly string[];
  /** Seconds spent reading and judging. */
  seconds?: number;
  /** Packets for which the decision tree was cut; undefined: for none. */
  sampled?: number;
}

const sum = (values: Record<string, number>): number => Object.values(values).reduce((total, value) => total + value, 0);

/** The document of one replay. */
export function buildReport({ rules, host, profile, result, notes = [], seconds, sampled }: ReportInput): Report {
  const family: Family = rules[4] !== undefined ? 4 : 6;
  const primary = rules[family]!;
  const second = family === 4 ? rules[6] : undefined;
  const report: Report = {
    schema: 'wasmtables/report/1',
    rules: [primary.file, ...(second === undefined ? [] : [second.file])],
    family,
    profile: { ...profile, sysctls: { ...DEFAULT_SYSCTLS, ...profile.sysctls } },
    host: describeHost(host),
    captures: result.captures,
    packets: result.packets,
    bytes: result.captures.reduce((total, capture) => total + capture.bytes, 0),
    netfilter: { packets: result.packets - sum(result.unseen), bytes: result.bytes },
    verdicts: { ...result.verdicts },
    hooks: result.hooks,
    unseen: mostFirst(result.unseen),
    stack: mostFirst(result.stack),
    invalid: mostFirst(result.invalid),
    ctstates: result.ctstates,
    tables: reportTables(primary, result.counters[family]),
    evaluations: result.evaluations,
    connections: result.connections,
    ...(result.nfacct && { nfacct: result.nfacct }),
    notes: [
      ...noteLines(primary),
      ...(second === undefined ? [] : noteLines(second)),
      ...notes,
      ...result.notes,
      ...namedNote([...notes, ...result.notes], second === undefined ? [primary] : [primary, second], host),
      ...offloadNotes(profile, result),
      ...answersNote(result),
      ...pickedUpNote(result),
      ...straysNote(result.strays),
      ...unjudgedNote(result.unjudged),
      ...notFollowedNotes(result.notFollowed),
    ],
  };
  if (report.verdicts.STACK === 0) delete report.verdicts.STACK;
  if (second !== undefined) report.tables6 = reportTables(second, result.counters[6]);
  if (seconds !== undefined) {
    const packetsPerSecond = seconds > 0 ? Math.round(result.packets / seconds) : 0;
    report.speed = { seconds, packetsPerSecond, ...(sampled !== undefined && { sampled }) };
  }
  return report;
}

/** The same in whatever order the witness counted them. */
const mostFirst = (counts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));

/** What a capture taken on a host with an offloading NIC, or with a short snaplen, looks like: the kernel would not have seen it so. */
function offloadNotes(profile: Profile, { unseen, invalid, unfinished }: ReplayResult): string[] {
  if (profile.prestack === 'lenient') return [];
  const checksums = (unseen['bad IP header checksum'] ?? 0) + (invalid['bad checksum'] ?? 0);
  const cut = unseen['truncated by the capture'] ?? 0;
  const notes: string[] = [];
  const leftToDevices =
    unfinished === 0
      ? 'none was left to a device, '
      : `--checksums offload takes for right what was left to a device (${count(unfinished)} of them), `;
  if (checksums > 0)
    notes.push(
      `${plural(checksums, 'packet')} with a bad checksum: ${profile.checksums === 'offload' ? '' : leftToDevices}--prestack lenient takes all of them`,
    );
  if (cut > 0) notes.push(`${plural(cut, 'packet')} cut by the capture: --prestack lenient judges them by what is there`);
  return notes;
}

/** Whether the kernel had an entry for such a connection only the machine knew; what began before the capture is not told by protocols without a beginning. */
function pickedUpNote({ pickedUp }: ReplayResult): string[] {
  if (pickedUp === 0) return [];
  const what =
    pickedUp === 1
      ? '1 packet without SYN began a TCP connection'
      : `${count(pickedUp)} packets without SYN began TCP connections`;
  return [
    `${what}, as of such that were open before the capture began: NEW here (--sysctl nf_conntrack_tcp_loose=0: INVALID), ESTABLISHED where the kernel knew them`,
  ];
}

/** The host's own answers to what REJECT refused have that packet's connection (nf_ct_attach). Those that were not recognised may be among packets of nobody's. */
function answersNote({ verdicts, hooks, invalid, answers }: ReplayResult): string[] {
  const strangers = (invalid['invalid new'] ?? 0) + (invalid['ICMP error for no known connection'] ?? 0);
  const open = verdicts.REJECT - answers;
  if (open <= 0 || hooks.OUTPUT === 0 || strangers === 0) return [];
  return [
    `no answer of this host (RST, ICMP error) was found among the ${ANSWER_WITHIN} packets behind ${count(open)} of ${plural(verdicts.REJECT, 'packet')} that met REJECT: should the capture hold it as another of ${plural(strangers, 'packet')} of no known connection, the kernel has it RELATED in OUTPUT`,
  ];
}

const noteLines = (rules: RuleSet): string[] =>
  rules.notes.map(({ position, message }) => `${position.file}:${position.line}:${position.column}: ${message}`);

function describeHost(host: Host): ReportHost {
  const local = host.interfaces
    .filter((entry) => entry.name !== 'lo')
    .flatMap((entry) => entry.addresses.map((address) => `${formatAddress(address.address)}/${address.prefix}`));
  const described: ReportHost = {
    forward: host.forward,
    guessed: host.guessed,
    local,
    interfaces: host.interfaces.map((entry) => entry.name),
    notes: host.notes,
  };
  if (host.in !== undefined) described.in = host.in;
  if (host.out !== undefined) described.out = host.out;
  if (host.proxies !== undefined) described.proxies = host.proxies.map(proxyText);
  if (host.localMark !== undefined) described.localMark = `${host.localMark.value}/${host.localMark.mask}`;
  return described;
}

/** As --proxy takes it. */
function proxyText({ protocol, family, address, port }: ProxySocket): string {
  const at = address === undefined ? '' : `${family === 6 ? `[${formatAddress(address)}]` : formatAddress(address)}:`;
  return `${protocol === 6 ? 'tcp' : 'udp'}:${at}${port}`;
}

/** Counters laid over the rule set, so that chains and rules no packet met are there with zeros. */
export function reportTables(rules: RuleSet, counters: TableCounters | undefined): ReportTables {
  return Object.fromEntries(rules.tables.map((table) => [table.name, reportTable(table, counters?.[table.name])]));
}

function reportTable(table: Table, counters: TableCounters[string] | undefined): Record<string, ReportChain> {
  return Object.fromEntries(
    table.chains.map((chain) => {
      const seen = counters?.[chain.name];
      const rules = chain.rules.map((_, index) => ({ packets: 0, bytes: 0, ...seen?.rules[index] }));
      return [chain.name, { policy: chain.policy, packets: seen?.packets ?? 0, bytes: seen?.bytes ?? 0, rules }];
    }),
  );
}
