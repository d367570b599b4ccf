/** A packet at its hooks, one after the other, and what the stack does between them. */
import { STACK_FRAGMENT_DISCARDED, STACK_FRAGMENT_KEPT, STACK_NONE } from '../abi/reasons.ts';
import type { HookName, Verdict } from '../model/outcome.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { sameWords } from '../packet/bytes.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { hopByHopRight } from '../packet/ipv6-options.ts';
import type { Link } from '../packet/link.ts';
import type { EvaluateContext } from '../packet/view.ts';
import { answerWithReset } from './conntrack/reset.ts';
import { type FamilyRules, type HookPoint, type Passage, runHook } from './hooks.ts';
import { Packet } from './packet.ts';
import { isReported } from './reported.ts';
import { optionsFault, type Routed } from './routing.ts';
import type { WalkResult } from './walk.ts';
import type { Course } from './way.ts';

export interface Judged {
  packet: Packet;
  hook: HookName;
  verdict: Verdict;
  /** STACK_* number with verdict STACK. */
  stack: number;
  rule: string | null;
  passage: Passage;
}

/** As the kernel has it: tags are taken off. */
export function headerOf(link: Pick<Link, 'destinationMac' | 'sourceMac'>, family: Family): Uint8Array | null {
  const { destinationMac, sourceMac } = link;
  if (destinationMac === null || sourceMac === null) return null;
  return Uint8Array.from([...destinationMac, ...sourceMac, ...(family === 4 ? [0x08, 0x00] : [0x86, 0xdd])]);
}

/** ip6_rcv: what comes in over lo has options that its sender was free to send, and its receiver need not take. */
const isTaken = ({ family, bytes }: Packet): boolean =>
  family === 4 || ipv6.nextHeader(bytes) !== ipv6.HOP_BY_HOP || hopByHopRight(bytes);

/** ip_rcv_finish: over lo, too, options are looked at behind PREROUTING. */
const faultOf = (packet: Packet): number => (packet.family === 4 ? optionsFault(packet) : STACK_NONE);

/** Of the loopback device. */
const NO_MACS = { destinationMac: [0, 0, 0, 0, 0, 0], sourceMac: [0, 0, 0, 0, 0, 0] };

/** How a packet of this host goes on, and by which device. */
export interface Departure {
  way: Course;
  device: string;
}

/** What the stack decides between hooks. */
export interface Decisions {
  arrive(packet: Packet): Routed;
  /** Anew, for another destination. */
  leave(packet: Packet): Departure;
  broadcastMask(device: string, destination: Words): number | null;
  /** A rule refused the packet, and it is answered: with a reset, or an error. */
  refused(packet: Packet, reset: boolean): void;
  /** The stack dropped the packet behind PREROUTING: STACK_*. */
  lost(packet: Packet, reason: number): void;
  /** A packet that came in, and that conntrack has seen, is behind INPUT. */
  delivered(packet: Packet): void;
}

/** A packet at its hooks, one after the other. */
export class Journey {
  /** From the hook on that put it together another one: the whole. */
  #packet: Packet;
  readonly #rules: FamilyRules;
  readonly #plain: Omit<EvaluateContext, 'hook' | 'state'>;
  readonly #passage: Passage;
  readonly #decisions: Decisions;

  constructor(
    packet: Packet,
    rules: FamilyRules,
    plain: Omit<EvaluateContext, 'hook' | 'state'>,
    passage: Passage,
    decisions: Decisions,
  ) {
    this.#packet = packet;
    this.#rules = rules;
    this.#plain = plain;
    this.#passage = passage;
    this.#decisions = decisions;
  }

  go(start: Departure): Judged {
    const { leave, broadcastMask } = this.#decisions;
    if (start.way === 'arrives') return this.#arrive(start.device);
    this.#packet.hasSocket = true;
    const sentTo = this.#packet.destination;
    const before = this.#hook('OUTPUT', '', start.device);
    // Translated to another destination it takes the way there; the rest of OUTPUT had the old device still.
    const moved = before === null && !sameWords(sentTo, this.#packet.destination);
    const { way, device } = moved ? leave(this.#packet) : start;
    if (before === null && way === 'broadcast') {
      this.#copy(device);
      this.#packet.broadcastMask = broadcastMask(device, this.#packet.destination);
    }
    const sent = before ?? this.#hook('POSTROUTING', '', device);
    if (sent !== null) return this.#end('OUTPUT', sent);
    if (way !== 'loopback' || !isTaken(this.#packet)) return this.#end('OUTPUT', null);
    this.#packet.linkHeader = headerOf(NO_MACS, this.#packet.family);
    const stopped = this.#hook('PREROUTING', device, '');
    const fault = stopped === null ? faultOf(this.#packet) : STACK_NONE;
    if (fault !== STACK_NONE) return this.#dropped('INPUT', fault);
    return this.#end('INPUT', stopped ?? this.#deliver(device));
  }

  /**
   * ip_mc_output: a broadcast comes back to its sender, as a copy that goes ahead of it. The two share the connection, and what becomes of the copy is not what becomes of the packet.
   */
  #copy(device: string): void {
    const packet = this.#packet;
    const { mark, packetType, tracking, invalidReason, bytes, annotation } = packet;
    const { lastFilter, last } = this.#passage;
    this.#packet.hasSocket = false;
    this.#packet.linkHeader = new Uint8Array(0);
    this.#packet.looped = true;
    this.#packet.annotation = {};
    if (this.#hook('POSTROUTING', '', device) === null) {
      this.#packet.packetType = 'broadcast';
      if (this.#hook('PREROUTING', device, '') === null && faultOf(packet) === STACK_NONE) this.#deliver(device);
    }
    this.#packet = packet;
    Object.assign(packet, {
      mark,
      packetType,
      tracking,
      invalidReason,
      hasSocket: true,
      looped: false,
      linkHeader: null,
      annotation,
    });
    packet.rewrite(bytes);
    Object.assign(this.#passage, { lastFilter, last });
  }

  #arrive(device: string): Judged {
    const before = this.#hook('PREROUTING', device, '', true);
    const { hook, drop, out } = this.#decisions.arrive(this.#packet);
    if (before !== null) return this.#end(hook, before);
    if (drop !== STACK_NONE) this.#decisions.lost(this.#packet, drop);
    if (drop !== STACK_NONE) return this.#dropped(hook, drop);
    if (hook === 'INPUT') {
      const stopped = this.#deliver(device, true);
      if (stopped === null && this.#passage.looked) this.#decisions.delivered(this.#packet);
      return this.#end('INPUT', stopped);
    }
    this.#packet.decrementTtl();
    const result = this.#hook('FORWARD', device, out, true) ?? this.#hook('POSTROUTING', device, out, true);
    return this.#end('FORWARD', result);
  }

  /** ip_local_deliver: INPUT meets whole packets only. */
  #deliver(device: string, offTheWire = false): WalkResult | null {
    return this.#gather(device) ?? this.#hook('INPUT', device, '', offTheWire);
  }

  /** A fragment waits or is thrown away (what ends its way), or was the last that was missing: then the whole goes on in its place, null as for what is no fragment. */
  #gather(device: string): WalkResult | null {
    const packet = this.#packet;
    const { delivery } = this.#rules;
    if (delivery === null || !packet.isFragment) return null;
    const { listener } = this.#passage;
    const gathered = delivery.gather(packet.received, 'INPUT', device, packet.now);
    if (gathered.kind === 'kept' || gathered.kind === 'discarded') {
      const kept = gathered.kind === 'kept';
      listener?.held(kept, gathered.queue);
      return { verdict: 'DROP', rule: null, tcpReset: false, stack: kept ? STACK_FRAGMENT_KEPT : STACK_FRAGMENT_DISCARDED };
    }
    if (gathered.kind === 'on') return null;
    listener?.reassembled(gathered.queue);
    const { annotation, looped, hasSocket, logged } = packet;
    this.#packet = Object.assign(new Packet(gathered.received, this.#plain.profile), { annotation, looped, hasSocket, logged });
    return null;
  }

  /** POSTROUTING knows the device a forwarded packet came from, too. */
  #hook(hook: HookPoint, inInterface: string, outInterface: string, offTheWire = false): WalkResult | null {
    const packet = this.#packet;
    packet.inInterface = inInterface;
    packet.outInterface = outInterface;
    const result = runHook(hook, packet, this.#rules, this.#passage, this.#plain, offTheWire);
    if (result?.verdict !== 'REJECT') return result;
    const answers = result.tcpReset ? answerWithReset : isReported;
    const answered = answers(packet, { ...this.#plain, hook }, offTheWire);
    // Nobody answers a broadcast.
    if (answered && !packet.looped) this.#decisions.refused(packet, result.tcpReset);
    return result;
  }

  /** By the stack: STACK_*. */
  #dropped(hook: HookName, stack: number): Judged {
    return { ...this.#end(hook, null), verdict: 'STACK', stack, rule: null };
  }

  #end(hook: HookName, stopped: WalkResult | null): Judged {
    const { lastFilter, last } = this.#passage;
    return {
      packet: this.#packet,
      hook,
      verdict: stopped?.stack !== undefined ? 'STACK' : (stopped?.verdict ?? 'ACCEPT'),
      stack: stopped?.stack ?? STACK_NONE,
      rule: stopped === null ? (lastFilter ?? last) : stopped.rule,
      passage: this.#passage,
    };
  }
}
