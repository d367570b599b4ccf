/** One packet's whole way: link layer, stack checks, hooks, routing. Knows the host and the rules; counts nothing but what rules count. */
import {
  STACK_IP_OPTIONS,
  UNSEEN_FAMILY,
  UNSEEN_FRAGMENT_DISCARDED,
  UNSEEN_FRAGMENT_KEPT,
  UNSEEN_LINK_TRUNCATED,
  UNSEEN_LINKTYPE,
  UNSEEN_NOT_IP,
  UNSEEN_OTHERHOST,
  UNSEEN_OUTGOING_COPY,
  UNSEEN_PORT,
} from '../abi/reasons.ts';
import { atTime, IpSets } from '../extensions/ipset-table.ts';
import { checkSets } from '../extensions/ipset-there.ts';
import { checkLoadedBefore } from '../extensions/loaded-before.ts';
import { helperNote } from '../model/helpers.ts';
import type { NotFollowed } from '../model/not-followed.ts';
import { jiffiesAt, sysctl } from '../model/profile.ts';
import type { Family, Words } from '../model/ruleset.ts';
import type { Sighted } from '../model/vantage.ts';
import type { Frame, Job } from '../model/witness.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { carriedBytes, type Link, type LinkReason, readLink } from '../packet/link.ts';
import type { EvaluateContext } from '../packet/view.ts';
import { askedOfHost } from './asked-of-host.ts';
import { Clock } from './clock.ts';
import { Conntrack } from './conntrack/conntrack.ts';
import { connectionsOf } from './conntrack/lookup.ts';
import { defragmenterFor, type Gathered } from './defrag/defrag.ts';
import { defragment } from './defrag/first.ts';
import { addressesOf, type Ends } from './ends.ts';
import type { FamilyRules, HookListener, Passage } from './hooks.ts';
import { type Decisions, type Departure, headerOf, Journey, type Judged } from './journey.ts';
import { masqueradeAddress } from './nat/addresses.ts';
import { Departures, type Left } from './nat/left.ts';
import { Nat } from './nat/nat.ts';
import { NumberedDevices } from './numbered-devices.ts';
import { Packet, type Received } from './packet.ts';
import { checkPrestack } from './prestack.ts';
import { randomNumbers } from './random.ts';
import { asSent, attachedTo, type Refusal, Refusals, UNREACHABLE } from './refusals.ts';
import { errorAboutDrop, errorAboutProtocol } from './reported.ts';
import { Routes } from './routes.ts';
import { type Routed, route } from './routing.ts';
import { SharedState } from './shared.ts';
import { gathersFragments, loadRules, needsConntrack, prepareTables, turnedOn } from './tables.ts';
import {
  arrivalDevice,
  type Course,
  chooseWay,
  departureDevice,
  departureOf,
  mayBeOwn,
  routedDevice,
  type Way,
  wentOut,
} from './way.ts';

/** UNSEEN_* number, or the packet and what became of it. */
export type Processed =
  | {
      unseen: number /** A fragment that defragmentation kept or threw away, or the copy of what was sent on. */;
      held?: Received;
    }
  | Judged;

/** Told of everything, for `trace`. */
export interface Listener extends HookListener {
  way(way: Course, device: string): void;
  /** The packet is the host's answer to one that a rule refused, and has its connection, if `attached`. */
  answers(refusal: Refusal, attached: boolean): void;
  routed(routed: Routed): void;
}

const LINK_REASONS: Readonly<Record<LinkReason, number>> = {
  'not-ip': UNSEEN_NOT_IP,
  'link-type': UNSEEN_LINKTYPE,
  truncated: UNSEEN_LINK_TRUNCATED,
};

export class Interpreter {
  readonly conntrack: Conntrack;
  readonly clock: Clock;
  readonly devices: NumberedDevices;
  readonly families = new Map<Family, FamilyRules>();
  /** Limits met on the way, for the report. */
  readonly notes = new Set<string>();
  /** What happened beside the way of the packets. */
  readonly notFollowed: NotFollowed = { dccp: false, toGroups: false, loopedParts: false };
  /** Packets whose answer hangs on when a jiffy begins. */
  readonly jiffyEdges: Sighted = { packets: 0, first: 0 };
  /** Of what rules ask for. */
  readonly ruleNotes: string[] = [];
  /** Fragments of this host's own datagrams that the capture has not held all of, so far. */
  parts = 0;
  readonly #job: Job;
  readonly #routes: Routes;
  readonly #plain: Omit<EvaluateContext, 'hook' | 'state'>;
  readonly shared = new SharedState();
  readonly #refusals: Refusals;
  readonly #departures: Departures;
  /** Made with the first frame: their timeouts run from then on. */
  #sets: IpSets | undefined;
  /** Jiffies of the first frame. */
  #began = 0n;
  #frames = 0;

  /** Throws RuleError when the rules hold what the registry does not know. */
  constructor(job: Job) {
    this.#job = job;
    this.#routes = new Routes(job.host);
    this.clock = new Clock(job.profile.hz);
    this.devices = new NumberedDevices(job.host);
    const turned = new Set(Object.values(job.rules).flatMap(turnedOn));
    this.conntrack = new Conntrack(job.profile, this.notes, turned, (...ends) => this.#routes.onSameSide(...ends));
    this.#departures = new Departures(this.conntrack);
    this.#plain = {
      profile: job.profile,
      ...askedOfHost(job.host, this.#routes),
      shared: this.shared.get,
      began: () => this.#began,
      connections: connectionsOf(this.conntrack),
      sets: atTime(
        () => this.#sets!,
        () => this.clock.jiffies,
      ),
      fingerprints: job.fingerprints ?? [],
      random: randomNumbers(job.profile.seed ?? 0),
      noteJiffyEdge: () => {
        if (this.jiffyEdges.packets++ === 0) this.jiffyEdges.first = this.#frames;
      },
    };
    this.#refusals = new Refusals(this.#plain);
    const { host, profile } = job;
    const nat = new Nat({ table: this.conntrack.table, host, routes: this.#routes, profile, notes: this.notes });
    checkLoadedBefore(Object.values(job.rules), profile.backend);
    for (const rules of Object.values(job.rules)) {
      const note = helperNote(rules);
      if (note !== undefined) this.ruleNotes.push(note);
      checkSets(rules, job.sets ?? []);
      const { family } = rules;
      const tables = prepareTables(rules);
      loadRules(rules, { profile: job.profile, shared: this.#plain.shared, family });
      const brought = needsConntrack(rules)
        ? { conntrack: this.conntrack, nat: tables.has('nat') ? nat : null }
        : { conntrack: null, nat: null };
      const defragmenter = gathersFragments(rules) ? defragmenterFor(family, job.profile) : null;
      const cut = defragmenter === null ? defragmenterFor(family, job.profile) : null;
      const delivery = family === 4 ? cut : null;
      const mayLeave = (packet: Packet): boolean => this.#routes.mayLeave(packet);
      this.families.set(family, { tables, defragmenter, delivery, cut, mayLeave, ...brought });
    }
  }

  process(captured: Frame, listener: Listener | null = null): Processed {
    this.#frames++;
    this.clock.advance(captured.time, this.#frames);
    if (this.#frames === 1) this.#began = this.clock.jiffies;
    this.#sets ??= new IpSets(this.#job.sets ?? [], this.clock.jiffies, this.#job.profile.hz);
    const link = readLink(captured);
    if (link.kind === 'unseen') return { unseen: LINK_REASONS[link.reason] };
    if (this.devices.isAtPort(link)) return { unseen: UNSEEN_PORT };
    const frame = this.devices.named(captured, link, this.#frames);
    const bytes = carriedBytes(frame.bytes, link);
    const { host, profile } = this.#job;
    const ends = addressesOf(bytes, link);
    const way =
      ends === null ? 'arrives' : chooseWay(frame, link, host, this.#routes, ends.family, ends.source, ends.destination);
    const device = ends === null ? '' : this.#deviceOf(way, frame, ends);
    const recorded = this.#packetType(way, link, frame, ends);
    if (recorded === 'otherhost') return { unseen: UNSEEN_OTHERHOST };
    const checked = checkPrestack(bytes, link.family, profile, { arrives: way === 'arrives', device });
    if ('unseen' in checked) return checked;
    const fromHere = ends !== null && this.#routes.isLocal(ends.family, ends.source);
    const candidate = { ...checked, number: this.#frames };
    const mtuOf = (one: Refusal): number | undefined =>
      ends === null ? undefined : this.#routes.interfaceNamed(this.#answerLeaves(one, frame, ends).device)?.mtu;
    const answered = mayBeOwn(frame, link, host, fromHere) ? this.#refusals.answeredBy(candidate, mtuOf) : undefined;
    const own = answered && ends ? this.#answerLeaves(answered, frame, ends) : { way, device };
    const rules = this.families.get(checked.family);
    const left = answered === undefined && wentOut(frame, link, host);
    if (own.way === 'outgoing-copy') {
      const taken = {
        ...checked,
        packetType: 'unicast',
        sourceMac: null,
        linkHeader: null,
        time: this.clock.now,
        frame: this.#frames,
      } as const;
      const sent = left && rules !== undefined ? this.#answerOfOthers(taken, rules, frame) : null;
      if (sent === null) return { unseen: UNSEEN_OUTGOING_COPY, held: taken };
      return this.#enter(sent.received, rules!, sent.start, { answered: undefined, left: false }, listener);
    }
    if (rules === undefined) return { unseen: UNSEEN_FAMILY };
    if (own.way === 'output' && ends !== null && this.#hearsGroup(ends, own.device)) this.notFollowed.toGroups = true;
    const arrived = own.way === 'arrives' ? link : null;
    const packetType = arrived === null ? 'unicast' : recorded;
    const sourceMac = arrived?.sourceMac ?? null;
    const linkHeader = arrived === null ? null : headerOf(arrived, checked.family);
    const received: Received = { ...checked, packetType, sourceMac, linkHeader, time: this.clock.now, frame: this.#frames };
    const copied = own.way === 'output' && ends !== null && this.#routes.isBroadcast(ends.family, ends.destination, own.device);
    return this.#enter(
      received,
      rules,
      { way: copied ? 'broadcast' : own.way, device: own.device },
      { answered, left },
      listener,
    );
  }

  /** A copy of what this host sends there may come back to it. */
  #hearsGroup({ family, destination }: Ends, device: string): boolean {
    const forwarding = sysctl(this.#job.profile, 'net.ipv6.conf.all.forwarding') !== 0;
    return this.#routes.hearsGroup(family, destination, device, forwarding);
  }

  /** A packet that went out, from none of this host's addresses: null, if it was only sent on; else it is the host's own answer in a connection that was turned to it, as OUTPUT had it. */
  #answerOfOthers(received: Received, rules: FamilyRules, frame: Frame): { received: Received; start: Departure } | null {
    const { host, profile } = this.#job;
    const packet = new Packet(received, profile);
    if (packet.family === 4 ? packet.isFragment : ipv6.mayBeFragment(packet.bytes)) return null;
    const own = this.#leftAs(packet, rules, departureDevice(frame, host, this.#routes, packet.family, packet.destination));
    if (own === 'unknown') this.conntrack.vantage.stranger(packet.number);
    if (typeof own === 'string') return null;
    const { bytes, elsewhere } = own;
    packet.rewrite(bytes);
    const named = elsewhere ? undefined : frame.interfaceName;
    const start = departureOf(host, this.#routes, packet.family, packet.destination, named);
    return { received: { ...received, bytes }, start };
  }

  #leftAs(packet: Packet, { conntrack, nat }: FamilyRules, device: string): Left {
    if (conntrack === null || nat === null) return 'known';
    return this.#departures.leftAs(packet, {
      isLocal: (address) => this.#routes.isLocal(packet.family, address),
      errorSource: (refused) => this.#errorSource(packet, refused, device),
      sourceTo: (receiver) => this.#sourceTo(packet.family, receiver),
    });
  }

  /** icmp_send, icmp6_send: an error comes from where the refused packet went, if that is the host itself; else from what the host is for its receiver. */
  #errorSource({ family, destination }: Packet, refused: Words, device: string): Words | undefined {
    if (this.#routes.isLocal(family, refused)) return refused;
    if (this.#routes.isLocal(family, destination)) return destination;
    return masqueradeAddress({ host: this.#job.host, routes: this.#routes }, family, device, destination);
  }

  #sourceTo(family: Family, receiver: Words): Words | undefined {
    const { host } = this.#job;
    const device = routedDevice(host, this.#routes, family, receiver);
    return masqueradeAddress({ host, routes: this.#routes }, family, device, receiver);
  }

  /** An answer is the host's own, whatever its addresses say; a router of which nothing else is known sends it back to where the refused packet came from. */
  #answerLeaves({ inInterface }: Refusal, frame: Frame, { family, destination }: Ends): { way: Way; device: string } {
    if (this.#routes.isLocal(family, destination)) return { way: 'loopback', device: 'lo' };
    const { host } = this.#job;
    const device = host.forward ? inInterface : departureDevice(frame, host, this.#routes, family, destination);
    return { way: 'output', device };
  }

  /** The sets of ipset as they are at a time in nanoseconds. */
  setsAt(at: bigint): ReturnType<IpSets['left']> {
    return this.#sets?.left(jiffiesAt(at, this.#job.profile.hz)) ?? [...(this.#job.sets ?? [])];
  }

  /** From the first hook on, which begins with defragmentation. */
  #enter(
    received: Received,
    rules: FamilyRules,
    start: Departure,
    { answered, left }: Known,
    listener: Listener | null,
  ): Processed {
    const { host, profile } = this.#job;
    const { way, device } = start;
    const gathered = defragment(received, rules, start, this.#routes, profile);
    if (way === 'output' || way === 'broadcast') this.#countParts(gathered);
    if (gathered.kind === 'kept' || gathered.kind === 'discarded') {
      const kept = gathered.kind === 'kept';
      listener?.way(way, device);
      listener?.held(kept, gathered.queue);
      return { unseen: kept ? UNSEEN_FRAGMENT_KEPT : UNSEEN_FRAGMENT_DISCARDED, held: received };
    }
    const packet = new Packet(gathered.received, profile);
    const was = left && (way === 'output' || way === 'broadcast') ? this.#leftAs(packet, rules, device) : 'known';
    if (was === 'copy') return { unseen: UNSEEN_OUTGOING_COPY, held: gathered.received };
    if (typeof was !== 'string') packet.rewrite(was.bytes);
    // nat OUTPUT has it yet to turn to somebody else.
    const { family, destination } = packet;
    const elsewhere = typeof was !== 'string' && (was.elsewhere || this.#routes.isLocal(family, destination));
    const begins = elsewhere ? departureOf(host, this.#routes, family, destination) : start;
    listener?.way(begins.way, begins.device);
    if (was === 'unknown') this.conntrack.vantage.stray(packet.number, packet.ttl);
    packet.annotation = this.#job.annotations?.get(this.#frames) ?? {};
    const attached = answered && attachedTo(answered, this.conntrack.table, packet.now);
    if (answered?.untracked) packet.tracking = { kind: 'answer' };
    if (answered && attached) {
      packet.tracking = { kind: 'entry', ...attached, state: 'RELATED' };
      packet.rewrite(asSent(packet, answered, attached, (refused) => this.#errorSource(packet, refused, device)));
    }
    packet.answersRefused = answered !== undefined;
    if (answered !== undefined) listener?.answers(answered, attached != null);
    if (gathered.kind === 'whole') {
      listener?.reassembled(gathered.queue);
      if (way === 'loopback' && packet.family === 6) this.notFollowed.loopedParts = true;
    }
    const arrive = (one: Packet): Routed => {
      const routed = route(one, { host, routes: this.#routes, profile });
      listener?.routed(routed);
      return routed;
    };
    const leave = ({ family, destination }: Packet): Departure => {
      const departure = departureOf(host, this.#routes, family, destination);
      listener?.way(departure.way, departure.device);
      return departure;
    };
    const broadcastMask: Decisions['broadcastMask'] = (...to) => this.#routes.broadcastMask(...to);
    const refused: Decisions['refused'] = (one, reset) => this.#refusals.remember(one, reset ? null : UNREACHABLE[one.family]);
    const lost: Decisions['lost'] = (one, reason) => {
      const error = reason !== STACK_IP_OPTIONS && this.#isSwallowed(one) ? null : errorAboutDrop(one, reason, this.#plain);
      if (error !== null) this.#refusals.remember(one, error);
    };
    const delivered: Decisions['delivered'] = (one) => {
      const error = errorAboutProtocol(one, this.#plain);
      if (error !== null) this.#refusals.remember(one, error);
    };
    const decisions = { arrive, leave, broadcastMask, refused, lost, delivered };
    const judged = new Journey(packet, rules, this.#plain, this.#journeyPassage(listener), decisions).go(begins);
    if (rules.nat !== null) this.#departures.judged(judged);
    return judged;
  }

  /** Every datagram that this host sends was whole once. */
  #countParts(gathered: Gathered): void {
    if (gathered.kind === 'kept') this.parts++;
    if (gathered.kind === 'whole') this.parts -= gathered.queue.fragments.length - 1;
  }

  /** ip_error, dst_discard: nobody is told of what a blackhole takes; with IPv4 of nothing where the host does not forward. */
  #isSwallowed({ family, destination }: Packet): boolean {
    const forwards = family === 6 || sysctl(this.#job.profile, 'net.ipv4.ip_forward') !== 0;
    return !forwards || this.#routes.outward(family, destination)?.type === 'blackhole';
  }

  #journeyPassage(listener: Listener | null): Passage {
    const path = this.#job.packets?.path ? [] : null;
    return { path, evaluations: 0, lastFilter: null, last: null, looked: false, listener };
  }

  #deviceOf(way: string, frame: Frame, { family, source, destination }: Ends): string {
    if (way === 'loopback') return 'lo';
    return way === 'output'
      ? departureDevice(frame, this.#job.host, this.#routes, family, destination)
      : arrivalDevice(frame, this.#job.host, this.#routes, family, source);
  }

  /**
   * eth_type_trans, or what the capture recorded. Frames to another unicast address than the device's are for another host; where the capture does not name it, any device may have been meant.
   * A recorded "for another host" is a frame that ip_rcv_core was given and dropped, whoever's addresses it bears: over lo, where nobody else sends, it is a packet socket's, which no OUTPUT saw.
   */
  #packetType(way: Way, link: Link, frame: Frame, ends: Ends | null): 'unicast' | 'broadcast' | 'multicast' | 'otherhost' {
    const { host } = this.#job;
    // Whoever captured it may not be the router.
    if (link.recordedType === 'otherhost') return host.forward ? 'unicast' : 'otherhost';
    // What this host sent was for whomever it chose; without a header to read, nothing but the frame tells (PACKET_OUTGOING).
    if (way !== 'arrives' || (ends === null && wentOut(frame, link, host))) return 'unicast';
    if (link.recordedType === 'broadcast' || link.recordedType === 'multicast') return link.recordedType;
    const mac = link.destinationMac;
    if (mac === null) return 'unicast';
    if (mac.every((byte) => byte === 0xff)) return 'broadcast';
    if ((mac[0]! & 1) === 1) return 'multicast';
    const device = frame.interfaceName;
    const asked = device === undefined ? host.interfaces : host.interfaces.filter(({ name }) => name === device);
    const known = asked.flatMap((one) => (one.mac === undefined || host.forward ? [] : [one.mac]));
    return known.length === 0 || known.some((own) => own.every((byte, i) => byte === mac[i])) ? 'unicast' : 'otherhost';
  }
}

/** What is known of a packet before its way begins: what it answers; the capture says that it went out, and it answers nothing that was refused. */
interface Known {
  answered: Refusal | undefined;
  left: boolean;
}
