/**
 * The running kernel judges: random conversations, packet by packet what state, direction and status probe rules see, and at the end which
 * connections `conntrack -L` lists with which TCP state and how long to live.
 */
import { beforeAll, expect, it } from 'vitest';
import { type KernelFrame, runKernel } from '../../../src/kernel/index.ts';
import { describeKernel } from '../../kernel/machine.ts';
import { compileEngine, type Module, type Seen, Tracker } from './engine.ts';
import { ACK, FIN, icmp, icmpError, PSH, RST, SYN, type Tcp, tcp, URG, udp } from './packets.ts';

const FAMILIES = [
  { family: 4, a: '198.18.0.1', b: '198.18.1.2', router: '198.18.9.9', error: 3 },
  { family: 6, a: '2001:db8:0:0:0:0:0:1', b: '2001:db8:0:1:0:0:0:2', router: '2001:db8:9:0:0:0:0:9', error: 1 },
] as const;
type Side = (typeof FAMILIES)[number];
const PROBES = [
  '--ctstate INVALID',
  '--ctstate NEW',
  '--ctstate ESTABLISHED',
  '--ctstate RELATED',
  '--ctstate UNTRACKED',
  '--ctdir REPLY',
  '--ctstatus SEEN_REPLY',
  '--ctstatus ASSURED',
  '--ctstatus CONFIRMED',
];
/** TTL of packets that the filter drops, as it is in FORWARD. */
const DROPPED_TTL = 33;
/** The reasons of INVALID that must come up. */
const REASONS = [
  'SEQ is over the upper bound (over the window of the receiver)',
  'ACK is over the upper bound (ACKed data not seen yet)',
  'ICMP error for no known connection',
  'ICMP error from the wrong host',
  'unpaired or unknown ICMP type',
  'ICMP type cannot open a connection',
  'bad checksum',
  'invalid tcp flag combination',
  'invalid new',
  'invalid state',
  'invalid rst',
];
/** Sysctls that change what trackers answer, away from their defaults. */
const SWITCHES = [
  ['nf_conntrack_tcp_loose', 0],
  ['nf_conntrack_tcp_be_liberal', 1],
  ['nf_conntrack_tcp_ignore_invalid_rst', 1],
  ['nf_conntrack_checksum', 0],
  ['nf_conntrack_tcp_max_retrans', 1],
  ['nf_conntrack_tcp_timeout_unacknowledged', 77],
] as const;
const TCP_NAMES = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];

const rules = (family: number): string => `*mangle
${PROBES.map((probe) => `-A FORWARD -m conntrack ${probe}`).join('\n')}
COMMIT
*filter
-A FORWARD -m ${family === 4 ? 'ttl --ttl-eq' : 'hl --hl-eq'} ${DROPPED_TTL} -j DROP
COMMIT
`;

/** Numbers from a seed; the same seed gives the same conversations. */
class Dice {
  private state: number;
  constructor(seed: number) {
    this.state = seed >>> 0;
  }
  below(limit: number): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * limit);
  }
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

interface Step {
  bytes: Uint8Array;
  drop: boolean;
  text: string;
}

const FLAGS = [
  SYN,
  SYN | ACK,
  ACK,
  ACK | PSH,
  FIN | ACK,
  RST,
  RST | ACK,
  FIN,
  0,
  SYN | FIN,
  ACK | URG,
  SYN | URG,
  FIN | ACK | URG,
];
const OFFSETS = [1, -1, 100, -100, -5000, 9000, 12000, 30000, 70000, -70000, 0x7fffffff];
const WINDOWS = [0, 1, 500, 5000, 10000, 65535];
const SYN_OPTIONS = [[], [2, 4, 5, 0xb4], [1, 3, 3, 7], [4, 2, 1, 1], [4, 2, 1, 3, 3, 4, 0, 0], [3, 3, 20, 1], [3, 200, 1, 1]];

/** One conversation of two hosts that mostly behave, and sometimes do anything. */
function conversation(dice: Dice, side: Side, sport: number, length: number): Step[] {
  const steps: Step[] = [];
  const next = [dice.below(0xffffffff), dice.below(0xffffffff)];
  const wild = dice.of([0, 5, 20, 50]);
  const opening: [number, number][] = [
    [0, SYN],
    [1, SYN | ACK],
    [0, ACK],
  ];
  const bias = dice.below(3);
  for (let step = 0; step < length; step++) {
    let who = dice.below(2);
    let flags = dice.of([ACK, ACK, ACK | PSH, ACK | PSH, ACK | PSH, FIN | ACK, RST | ACK, SYN]);
    if (dice.chance(wild)) flags = dice.of(FLAGS);
    else if (step < 3 && bias < 2) [who, flags] = opening[step]!;
    const fields: Tcp = {
      flags,
      seq: next[who]!,
      ack: flags & ACK ? next[1 - who]! : 0,
      window: dice.of([10000, 10000, dice.of(WINDOWS)]),
    };
    if (flags & SYN) fields.options = dice.of(SYN_OPTIONS);
    else if (dice.chance(20)) fields.options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    else if (dice.below(4) === 0) {
      const edge = (next[1 - who]! + dice.of([0, 0, 100, 1000, -50, 40000])) >>> 0;
      fields.options = [1, 1, 5, 10, 0, 0, 0, 1, edge >>> 24, (edge >>> 16) & 255, (edge >>> 8) & 255, edge & 255];
    }
    if (flags & PSH) fields.data = dice.of([1, 100, 1000]);
    if (dice.chance(wild)) fields.seq = (fields.seq! + dice.of(OFFSETS)) >>> 0;
    if (dice.chance(wild)) fields.ack = dice.chance(20) ? 0 : (fields.ack! + dice.of(OFFSETS)) >>> 0;
    if (dice.chance(wild / 5)) fields.seq = 0;
    const from = who === 0 ? side.a : side.b;
    const to = who === 0 ? side.b : side.a;
    const ports = who === 0 ? { sport, dport: 80 } : { sport: 80, dport: sport };
    const copies = dice.chance(10) ? 1 + dice.below(5) : 1;
    for (let copy = 0; copy < copies; copy++) {
      const drop = dice.chance(5);
      const error = dice.chance(3);
      let bytes = tcp(from, to, { ...fields, ...ports });
      if (error)
        bytes = icmpError(
          side.router,
          dice.chance(80) ? from : side.router,
          side.error,
          bytes,
          Math.min(bytes.length, side.family === 4 ? 28 : 48),
        );
      else if (dice.chance(2)) bytes[bytes.length - 1]! ^= 1;
      steps.push({
        bytes: drop ? lowered(bytes) : bytes,
        drop,
        text: `${error ? 'error about ' : ''}${who} ${wordsOf(fields)}${drop ? ' dropped' : ''}`,
      });
      if (!drop && !error && fields.seq! >>> 0 === next[who]) {
        next[who] = (next[who]! + (fields.data ?? 0) + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0)) >>> 0;
      }
    }
  }
  return steps;
}

function wordsOf(fields: Tcp): string {
  const letters = [...'FSRPAU'].filter((_, bit) => fields.flags & (1 << bit)).join('');
  return `${letters} seq=${fields.seq} ack=${fields.ack} win=${fields.window} len=${fields.data ?? 0} opt=${(fields.options ?? []).join('.')}`;
}

/** The same packet with a TTL that the filter drops, the header checksum put right. */
function lowered(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  if (copy[0]! >> 4 === 6) {
    copy[7] = DROPPED_TTL + 1;
    return copy;
  }
  const before = copy[8]!;
  copy[8] = DROPPED_TTL + 1;
  let sum = ((copy[10]! << 8) | copy[11]!) + ((before - copy[8]!) << 8);
  if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  copy[10] = sum >> 8;
  copy[11] = sum & 255;
  return copy;
}

/** Datagrams, pings and what goes wrong with them. */
function others(dice: Dice, side: Side, sport: number, length: number): Step[] {
  const steps: Step[] = [];
  const [question, answer] = side.family === 4 ? [8, 0] : [128, 129];
  // Some identifiers look like a type and code.
  const identifier = dice.chance(30) ? (question << 8) + dice.below(2) : sport;
  for (let step = 0; step < length; step++) {
    const back = dice.chance(50);
    const [from, to] = back ? [side.b, side.a] : [side.a, side.b];
    let bytes = udp(from, to, back ? 53 : sport, back ? sport : 53, dice.below(20));
    let text = `udp ${back ? 1 : 0}`;
    if (dice.chance(40)) {
      const type = dice.of([
        question,
        question,
        question,
        answer,
        answer,
        side.family === 4 ? dice.below(20) : 128 + dice.below(16),
      ]);
      bytes = icmp(from, to, type, dice.of([0, 0, 0, 1]), identifier, [1, 2, 3]);
      text = `icmp ${back ? 1 : 0} type ${type}`;
    }
    if (dice.chance(10)) {
      bytes = icmpError(side.router, from, side.error, bytes, dice.of([bytes.length, 48, 28, 24, 20, 52]));
      text = `error about ${text}`;
    }
    const drop = dice.chance(10);
    if (dice.chance(4)) bytes[bytes.length - 1]! ^= 1;
    steps.push({ bytes: drop ? lowered(bytes) : bytes, drop, text });
  }
  return steps;
}

/** What the probes say of a packet by the engine. */
function probesOf(seen: Seen): number[] {
  const state = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'].indexOf(seen.state);
  const hits = [state];
  if (seen.entry === 0) return hits;
  if (seen.direction === 1) hits.push(5);
  if (seen.status & 2) hits.push(6);
  if (seen.status & 4) hits.push(7);
  if (seen.status & 8) hits.push(8);
  return hits;
}

describeKernel('conntrack against the running kernel', () => {
  let module: Module;
  const reached = new Set<number | string>();
  beforeAll(() => {
    module = compileEngine('release');
  });

  const seeds = (process.env.CONNTRACK_SEEDS ?? '1,2').split(',').map(Number);
  const plain = FAMILIES.flatMap((side) => seeds.map((seed) => ({ side, seed, family: side.family, name: 'none', value: 0 })));
  const turned = SWITCHES.map(([name, value], index) => ({
    side: FAMILIES[index % 2]!,
    seed: 100 + index,
    family: FAMILIES[index % 2]!.family,
    name,
    value,
  }));
  const cases = [...plain, ...turned];
  it.each(cases)('IPv$family, seed $seed, switch $name', async ({ side, seed, name, value }) => {
    const dice = new Dice(seed);
    const steps: (Step & { flow: number })[] = [];
    for (let flow = 0; flow < 60; flow++) {
      const talk = flow % 5 === 4 ? others(dice, side, 2000 + flow, 25) : conversation(dice, side, 2000 + flow, 25);
      steps.push(...talk.map((step) => ({ ...step, flow })));
    }
    const frames: KernelFrame[] = steps.map((step) => ({ time: 0n, bytes: step.bytes, direction: 'in' }));
    const job = {
      backend: 'legacy',
      family: side.family,
      rules: rules(side.family),
      topology: 'forward',
      frames,
      trace: true,
    } as const;
    const sysctls = name === 'none' ? {} : { [`net.netfilter.${name}`]: String(value) };
    const outcome = await runKernel({ ...job, sysctls });
    expect(outcome.refused).toBeUndefined();
    const tracker = new Tracker(module, { hz: outcome.kernel.hz || 250, sysctls: name === 'none' ? {} : { [name]: value } });
    const differences: string[] = [];
    steps.forEach((step, index) => {
      const packet = outcome.packets[index]!;
      if (index % 200 === 0) tracker.exports.conntrackReserve(256);
      const seconds = Number(packet.injected - outcome.packets[0]!.injected) / 1e9;
      const seen = tracker.send(step.bytes, seconds, { drop: step.drop });
      const path = packet.path ?? [];
      const kernel = PROBES.map((_, probe) => probe).filter((probe) => path.includes(`mangle:FORWARD:rule:${probe + 1}`));
      const engine = probesOf(seen);
      for (const probe of engine) reached.add(probe);
      if (seen.reason) reached.add(seen.reason);
      if (String(kernel) !== String(engine)) {
        const words = (hits: number[]): string => hits.map((hit) => PROBES[hit]!.split(' ')[1]).join(' ');
        differences.push(
          `#${index} flow ${step.flow} ${step.text}: kernel ${words(kernel)}, engine ${words(engine)} ${seen.reason}`,
        );
      }
    });
    expect(differences.slice(0, 5)).toEqual([]);
    const last = outcome.packets.at(-1)!.injected;
    const end = Number(last - outcome.packets[0]!.injected) / 1e9;
    compareTables(outcome.conntrack, tracker, end);
  });

  it('has reached what it is to judge', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8, ...REASONS].filter((thing) => !reached.has(thing))).toEqual([]);
  });

  /** Every TCP entry the kernel lists is in the engine with the same state and, within some seconds, the same life. */
  function compareTables(listing: string, tracker: Tracker, end: number): void {
    const lines = listing.split('\n').filter((line) => / tcp +6 /.test(line));
    const kernel = lines.map((line) => {
      const [, seconds, state, sport, dport] = / tcp +6 (\d+) (\w+) src=\S+ dst=\S+ sport=(\d+) dport=(\d+)/.exec(line) ?? [];
      return { key: `${sport}-${dport} ${state}`, seconds: Number(seconds) };
    });
    const { exports } = tracker;
    const engine = tracker.entries().flatMap((entry) => {
      if (exports.entryProtocol(entry) !== 6) return [];
      const key = `${exports.entryPort(entry, 0, 1)}-${exports.entryPort(entry, 0, 0)} ${TCP_NAMES[exports.entryTcpState(entry)]}`;
      return [{ key, seconds: exports.entryExpires(entry, tracker.jiffies(end)) }];
    });
    const order = (x: { key: string }, y: { key: string }): number => (x.key < y.key ? -1 : 1);
    kernel.sort(order);
    engine.sort(order);
    expect(engine.map(({ key }) => key)).toEqual(kernel.map(({ key }) => key));
    engine.forEach((entry, index) => {
      expect(
        Math.abs(entry.seconds - kernel[index]!.seconds),
        `${entry.key} ${entry.seconds} ${kernel[index]!.seconds}`,
      ).toBeLessThan(4);
    });
  }
});
