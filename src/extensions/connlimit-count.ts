/** The connections a `connlimit` rule counts, by address and zone: nf_conncount.c as 6.1.176, 6.12.117 and 6.18.44 have it. */
import { LISTED_AT_MOST } from '../abi/conntrack.ts';
import { STATUS_CONFIRMED } from '../abi/fields.ts';
import type { Connections, PacketView, TupleView, ZoneView } from '../packet/view.ts';

interface Counted {
  tuple: TupleView;
  zone: ZoneView;
}

/** Of one address and zone. `looked` and `left`: the jiffies in which it was looked through last, and how many it had then; `time`: of that packet, in nanoseconds. */
interface CountedList {
  connections: Counted[];
  looked: number;
  left: number;
  time: bigint;
}

/** How many there are; `otherwise`: if a jiffy had begun since the last look, or had not, where the times of the two packets allow for either. */
export interface Count {
  count: number;
  otherwise: number;
}

/** Dead ones that one look takes away, or a little more; and as many new ones are taken within a jiffy without another look. */
const COLLECTED_AT_ONCE = 64;

export class ConnectionCount {
  readonly #settled: number;
  readonly #lists = new Map<string, CountedList>();

  /** `settled`: IPS_* of connections that are not counted anew, nor looked for. */
  constructor(settled: number) {
    this.#settled = settled;
  }

  /** Counts the packet's connection, and how many there are under its key. 0: the packet has no tuple, or nobody is left: it is dropped. `jiffy`: its length in nanoseconds. */
  count(packet: PacketView, key: string, now: number, jiffy: bigint, connections: Connections): Count {
    const list = this.#lists.get(key);
    if (list === undefined) return this.#begin(packet, key, now, connections);
    const near = packet.time - list.time < jiffy && list.connections.length <= LISTED_AT_MOST;
    const ended = near ? endedIn(list, packet, connections) : 0;
    const { length } = list.connections;
    const added = add(list, packet, now, connections, this.#settled);
    if (added === 'no tuple') return { count: 0, otherwise: 0 };
    // A settled connection is not looked for; what is over among the others is, unless nobody was left.
    const collects = added === 'settled' && length > 0;
    const another = collects && now !== list.looked;
    if (another) collect(list, packet, now, connections);
    const count = list.connections.length;
    if (!near) return { count, otherwise: count };
    if (added === 'skipped' || (collects && !another)) return { count, otherwise: count - ended };
    const gone = length + (added === 'looked' ? 1 : 0) - count;
    return { count, otherwise: added === 'looked' || another ? count + gone : count };
  }

  #begin(packet: PacketView, key: string, now: number, connections: Connections): Count {
    const subject = connections.subject(packet);
    if (subject === undefined) return { count: 0, otherwise: 0 };
    this.#lists.set(key, { connections: [subject], looked: now, left: 0, time: packet.time });
    return { count: 1, otherwise: 1 };
  }
}

/** How many of the list are no more, or over; as many as one look takes away. */
const endedIn = (list: CountedList, packet: PacketView, connections: Connections): number =>
  Math.min(
    COLLECTED_AT_ONCE + 1,
    list.connections.filter((one) => connections.find(packet, one.zone, one.tuple)?.over !== false).length,
  );

/** `skipped`: it was added without a look, so shortly after the last; `looked`: behind one, for another jiffy had begun; `known`: whenever the last was, the list was looked through, and has it. */
type Added = 'skipped' | 'looked' | 'known' | 'settled' | 'no tuple';

/** __nf_conncount_add. */
function add(list: CountedList, packet: PacketView, now: number, connections: Connections, settled: number): Added {
  const subject = connections.subject(packet);
  if (subject === undefined) return 'no tuple';
  const status = subject.status ?? 0;
  const confirmed = (status & STATUS_CONFIRMED) !== 0;
  if ((status & settled) === settled) return 'settled';
  const another = now !== list.looked;
  const lately = !another && list.connections.length - list.left < COLLECTED_AT_ONCE;
  if (confirmed || !lately) {
    if (isAmong(list, subject, packet, connections)) return 'known';
    looked(list, packet, now);
  }
  list.connections.push({ tuple: subject.tuple, zone: subject.zone });
  if (confirmed) return 'known';
  return lately ? 'skipped' : another ? 'looked' : 'known';
}

/** The zone of the original direction. */
const asking = ({ id, of }: ZoneView): number => (of === 'reply' ? 0 : id);

/** Looks for it, and takes away on the way what is no more, and what is over. */
function isAmong(list: CountedList, subject: Counted, packet: PacketView, connections: Connections): boolean {
  let collected = 0;
  for (const one of [...list.connections]) {
    if (collected > COLLECTED_AT_ONCE) break;
    const found = connections.find(packet, one.zone, one.tuple);
    if (found !== undefined && sameTuple(one.tuple, subject.tuple) && asking(found.zone) === asking(subject.zone)) return true;
    if (found !== undefined && !found.over) continue;
    forget(list, one);
    collected++;
  }
  return false;
}

/** __nf_conncount_gc_list. */
function collect(list: CountedList, packet: PacketView, now: number, connections: Connections): void {
  if (now === list.looked) return;
  let collected = 0;
  for (const one of [...list.connections]) {
    const found = connections.find(packet, one.zone, one.tuple);
    if (found === undefined || found.over) {
      forget(list, one);
      collected++;
    } else if (collected > COLLECTED_AT_ONCE) break;
  }
  looked(list, packet, now);
}

function looked(list: CountedList, packet: PacketView, now: number): void {
  list.looked = now;
  list.left = list.connections.length;
  list.time = packet.time;
}

function forget(list: CountedList, gone: Counted): void {
  list.connections = list.connections.filter((one) => one !== gone);
}

const sameTuple = (a: TupleView, b: TupleView): boolean =>
  a.protocol === b.protocol &&
  a.sourcePort === b.sourcePort &&
  a.destinationPort === b.destinationPort &&
  a.source.join() === b.source.join() &&
  a.destination.join() === b.destination.join();
