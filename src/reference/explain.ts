/** The way of one packet, rule by rule: what `wasmtables trace` prints. Neutral data. */
import { evaluateBuiltin } from '../extensions/builtin.ts';
import { formatAddress } from '../model/address.ts';
import { protocolName } from '../model/names.ts';
import type { PacketOutcome } from '../model/outcome.ts';
import { STACK_WORDS } from '../model/reasons.ts';
import type { Builtin, TableName } from '../model/ruleset.ts';
import type { Frame, Job } from '../model/witness.ts';
import type { TupleView } from '../packet/view.ts';
import type { Fate, FragmentQueue } from './defrag/queue.ts';
import type { HookPoint } from './hooks.ts';
import { Interpreter, type Listener } from './interpreter.ts';
import { Packet } from './packet.ts';
import type { Refusal } from './refusals.ts';
import type { Routed } from './routing.ts';
import { outcomeOf } from './session.ts';
import type { ReadyChain, ReadyMatch, ReadyRule } from './tables.ts';
import type { RuleResult } from './walk.ts';
import type { Course } from './way.ts';

/** One thing that happened to the packet, in order. */
export type Event =
  | { kind: 'way'; way: Course; device: string }
  /** Defragmentation put this packet together. `packets`: the fragments by their numbers in the capture, in the order of their data. */
  | { kind: 'reassembled'; packets: number[] }
  | {
      kind: 'fragment';
      /** False: this one was thrown away. */
      kept: boolean;
      /** In the capture, by number: the fragments of the same packet that waited, this one too when it was kept. */
      packets: number[];
      fate: Fate;
      /** The packet that decided so; null while it waits. */
      by: number | null;
    }
  /** The host's own answer to a packet that a rule refused, by its number in the capture. `attached`: it has that one's connection. */
  | { kind: 'answer'; packet: number; attached: boolean }
  | { kind: 'hook'; hook: HookPoint; inInterface: string; outInterface: string; ttl: number; mark: number }
  | {
      kind: 'rule';
      table: TableName;
      chain: string;
      /** From 1. */
      number: number;
      /** As written in the rule file. */
      text: string;
      /** `assumed`: a match or target nobody understands decided, as --unsupported says. */
      result: 'match' | 'miss' | 'hotdrop' | 'assumed';
      /** Which option decided and what the packet has there; for `match` what it does now. */
      why: string;
    }
  | { kind: 'end'; table: TableName; chain: string; number: number; word: 'policy' | 'return'; policy: 'ACCEPT' | 'DROP' | null }
  | {
      kind: 'conntrack';
      state: string;
      tuple: string | null;
      direction: string;
      status: string[];
      expires: number;
      reason: string;
    }
  | { kind: 'confirmed' }
  | { kind: 'routing'; to: 'INPUT' | 'FORWARD'; out: string; dropped: string };

export interface Explanation {
  /** What `replay` says of the packet. */
  outcome: PacketOutcome;
  /** `192.0.2.1 > 198.51.100.2, tcp 1000 > 80`; '' when the packet never reached netfilter. */
  packet: string;
  events: Event[];
}

/** Takes the frames of a job, in order, and explains one of them; every frame before it is replayed, so that state is right. */
export class Explainer {
  readonly #job: Job;
  readonly #number: number;
  readonly #interpreter: Interpreter;
  #count = 0;
  #explanation: Explanation | undefined;
  /** The packet is a fragment that waits. */
  #waiting: Waiting | undefined;

  /** `number`: which frame, from 1. Throws RuleError as createReference does. */
  constructor(job: Job, number: number) {
    this.#job = job;
    this.#number = number;
    this.#interpreter = new Interpreter({ ...job, packets: { path: true } });
  }

  /** False: more frames change nothing. A fragment that is kept is followed until its packet is whole or given up. */
  frame(frame: Frame): boolean {
    this.#count++;
    if (this.#count === this.#number) this.#explain(frame);
    else if (this.#explanation === undefined || this.#waiting !== undefined) this.#interpreter.process(frame);
    else return false;
    const { queue, event } = this.#waiting ?? {};
    if (queue === undefined || event === undefined) return this.#explanation === undefined;
    if (queue.fate === 'waiting') return true;
    Object.assign(event, { packets: numbersOf(queue), fate: queue.fate, by: this.#count });
    this.#waiting = undefined;
    return false;
  }

  /** undefined when there was no such frame. */
  result(): Explanation | undefined {
    if (this.#waiting !== undefined) this.#waiting.event.packets = numbersOf(this.#waiting.queue);
    return this.#explanation;
  }

  #explain(frame: Frame): void {
    const recorder = new Recorder(this.#job, this.#number);
    const processed = this.#interpreter.process(frame, recorder);
    const { events, waiting } = recorder;
    this.#waiting = waiting;
    const outcome = outcomeOf(processed, frame, this.#number);
    if (!('unseen' in processed)) {
      this.#explanation = { outcome, packet: recorder.arrived ?? headline(processed.packet), events };
      return;
    }
    const { held } = processed;
    this.#explanation = {
      outcome,
      packet: held === undefined ? '' : headline(new Packet(held, this.#job.profile)),
      events,
    };
  }
}

/** A fragment that waits, and what is told of it. */
interface Waiting {
  queue: FragmentQueue;
  event: Extract<Event, { kind: 'fragment' }>;
}

const numbersOf = (queue: FragmentQueue): number[] => queue.fragments.map(({ received }) => received.frame);

/**
 * Replays the frames and explains one of them, 1-based, the last when no number is given. undefined when there is no such frame.
 * Throws RuleError as createReference does.
 */
export function explain(job: Job, frames: Iterable<Frame>, number?: number): Explanation | undefined {
  const all = [...frames];
  const explainer = new Explainer(job, number ?? all.length);
  for (const frame of all) if (!explainer.frame(frame)) break;
  return explainer.result();
}

function headline(packet: Packet): string {
  const ends = `${formatAddress(packet.source)} > ${formatAddress(packet.destination)}`;
  const name = packet.protocol < 0 ? 'unparsable header chain' : nameOf(packet.protocol);
  const ports = packet.transport.length >= 4 && (packet.protocol === 6 || packet.protocol === 17) && packet.fragmentOffset === 0;
  const port = (at: number): number => packet.transport[at]! * 256 + packet.transport[at + 1]!;
  return `${ends}, ${name}${ports ? ` ${port(0)} > ${port(2)}` : ''}, ${packet.length} bytes`;
}

const nameOf = (protocol: number): string => protocolName(protocol) ?? String(protocol);

class Recorder implements Listener {
  readonly events: Event[] = [];
  /** The packet as it came, before a rule could change it. */
  arrived: string | undefined;
  waiting: Waiting | undefined;
  readonly #profile: Job['profile'];
  readonly #number: number;
  #packet: Packet | undefined;

  constructor(job: Job, number: number) {
    this.#profile = job.profile;
    this.#number = number;
  }

  way(way: Course, device: string): void {
    this.events.push({ kind: 'way', way, device });
  }

  held(kept: boolean, queue: FragmentQueue | null): void {
    if (queue === null) return;
    const by = queue.fate === 'waiting' ? null : this.#number;
    const event: Waiting['event'] = { kind: 'fragment', kept, packets: numbersOf(queue), fate: queue.fate, by };
    this.events.push(event);
    if (kept) this.waiting = { queue, event };
  }

  reassembled(queue: FragmentQueue): void {
    this.events.push({ kind: 'reassembled', packets: numbersOf(queue) });
  }

  answers({ number }: Refusal, attached: boolean): void {
    this.events.push({ kind: 'answer', packet: number, attached });
  }

  hook(hook: HookPoint, packet: Packet): void {
    this.#packet = packet;
    this.arrived ??= headline(packet);
    const { inInterface, outInterface, ttl, mark } = packet;
    this.events.push({ kind: 'hook', hook, inInterface, outInterface, ttl, mark });
  }

  conntrack(packet: Packet): void {
    const { connection, ctstate, direction, invalidReason } = packet;
    const about = connection === null ? null : tupleText(connection.original);
    const status = statusWords(connection?.status ?? 0);
    const expires = connection?.expires ?? 0;
    this.events.push({ kind: 'conntrack', state: ctstate, tuple: about, direction, status, expires, reason: invalidReason });
  }

  confirmed(): void {
    this.events.push({ kind: 'confirmed' });
  }

  routed({ hook, out, drop }: Routed): void {
    this.events.push({ kind: 'routing', to: hook, out, dropped: STACK_WORDS[drop] ?? '' });
  }

  end({ table, name, policy }: ReadyChain, word: 'policy' | 'return', number: number): void {
    this.events.push({ kind: 'end', table, chain: name, number, word, policy });
  }

  rule(chain: ReadyChain, rule: ReadyRule, result: RuleResult, at: ReadyMatch | 'builtin' | null): void {
    const packet = this.#packet!;
    const why = at === null ? actionOf(rule) : at === 'builtin' ? this.#builtinReason(rule, packet) : matchReason(at, packet);
    const assumed = (at !== null && at !== 'builtin' && at.extension === undefined) || (at === null && restsOnAssumption(rule));
    this.events.push({
      kind: 'rule',
      table: chain.table,
      chain: chain.name,
      number: rule.number,
      text: rule.rule.text,
      // A drop that counts the rule ends the walk as any drop by a match does.
      result: assumed ? 'assumed' : result === 'matched drop' ? 'hotdrop' : result,
      why,
    });
  }

  /** The first of the built-in options that does not fit, asked one by one. */
  #builtinReason({ rule: { builtin } }: ReadyRule, packet: Packet): string {
    for (const [name, show] of BUILTIN_PARTS) {
      const part = builtin[name];
      if (part === undefined) continue;
      if (evaluateBuiltin({ [name]: part } as Builtin, packet, this.#profile) !== true) return show(packet);
    }
    return '';
  }
}

/** In the order the kernel looks at them. */
const BUILTIN_PARTS: readonly (readonly [keyof Builtin, (packet: Packet) => string])[] = [
  ['source', (packet) => `-s: source is ${formatAddress(packet.source)}`],
  ['destination', (packet) => `-d: destination is ${formatAddress(packet.destination)}`],
  ['inInterface', (packet) => `-i: ${deviceText('in', packet.inInterface)}`],
  ['outInterface', (packet) => `-o: ${deviceText('out', packet.outInterface)}`],
  [
    'protocol',
    (packet) => `-p: ${packet.protocol < 0 ? 'the header chain cannot be parsed' : `protocol is ${nameOf(packet.protocol)}`}`,
  ],
  ['fragment', (packet) => `-f: fragment offset is ${packet.fragmentOffset}`],
];

const deviceText = (side: string, name: string): string =>
  name === '' ? `no ${side} device at this hook` : `${side} device is ${name}`;

function matchReason({ match, extension }: ReadyMatch, packet: Packet): string {
  if (extension === undefined) return `-m ${match.name} is not supported, taken for ${match.assumed?.as ?? 'miss'}`;
  return `-m ${match.name}: ${extension.show(match.options, packet)}`;
}

function restsOnAssumption(rule: ReadyRule): boolean {
  return rule.matches.some(({ extension }) => extension === undefined);
}

function actionOf({ target, rule }: ReadyRule): string {
  switch (target.kind) {
    case 'none':
      return rule.target === null ? 'counted' : 'its target is not supported, taken for one that goes on';
    case 'verdict':
      return target.verdict;
    case 'chain':
      return `${target.goto ? 'goes' : 'jumps'} to ${target.chain.name}`;
    case 'extension':
      return target.extension.name;
  }
}

function tupleText({ source, destination, protocol, sourcePort, destinationPort }: TupleView): string {
  const ends = `${nameOf(protocol)} ${formatAddress(source)} > ${formatAddress(destination)}`;
  if (protocol === 1 || protocol === 58) {
    return `${ends} type ${destinationPort >> 8} code ${destinationPort & 255} id ${sourcePort}`;
  }
  return sourcePort === 0 && destinationPort === 0 ? ends : `${ends} ${sourcePort} > ${destinationPort}`;
}

const STATUS_BITS: readonly (readonly [number, string])[] = [
  [1, 'EXPECTED'],
  [2, 'SEEN_REPLY'],
  [4, 'ASSURED'],
  [8, 'CONFIRMED'],
  [16, 'SRC_NAT'],
  [32, 'DST_NAT'],
];

const statusWords = (status: number): string[] => STATUS_BITS.filter(([bit]) => (status & bit) !== 0).map(([, word]) => word);
