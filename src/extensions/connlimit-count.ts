/** The connections a `connlimit` rule counts, by address and zone: nf_conncount.c as 6.1.176, 6.12.117 and 6.18.44 have it. */
import { STATUS_CONFIRMED } from '../abi/fields.ts';
import type { Connections, PacketView, TupleView, ZoneView } from '../packet/view.ts';

interface Counted {
  tuple: TupleView;
  zone: ZoneView;
}

/** Of one address and zone. `looked` and `left`: the jiffies in which it was looked through last, and how many it had then. */
interface CountedList {
  connections: Counted[];
  looked: number;
  left: number;
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

  /** Counts the packet's connection, and how many there are under its key. 0: the packet has no tuple, or nobody is left: it is dropped. */
  count(packet: PacketView, key: string, now: number, connections: Connections): number {
    const list = this.#lists.get(key);
    if (list === undefined) return this.#begin(packet, key, now, connections);
    const { length } = list.connections;
    const added = add(list, packet, now, connections, this.#settled);
    if (added === 'no tuple') return 0;
    // A settled connection is not looked for; what is over among the others is, unless nobody was left.
    if (added === 'settled' && length > 0) collect(list, packet, now, connections);
    return list.connections.length;
  }

  #begin(packet: PacketView, key: string, now: number, connections: Connections): number {
    const subject = connections.subject(packet);
    if (subject === undefined) return 0;
    this.#lists.set(key, { connections: [subject], looked: now, left: 0 });
    return 1;
  }
}

/** __nf_conncount_add. */
function add(
  list: CountedList,
  packet: PacketView,
  now: number,
  connections: Connections,
  settled: number,
): 'added' | 'settled' | 'no tuple' {
  const subject = connections.subject(packet);
  if (subject === undefined) return 'no tuple';
  const status = subject.status ?? 0;
  const confirmed = (status & STATUS_CONFIRMED) !== 0;
  if ((status & settled) === settled) return 'settled';
  const lately = now === list.looked && list.connections.length - list.left < COLLECTED_AT_ONCE;
  if (confirmed || !lately) {
    if (isAmong(list, subject, packet, connections)) return 'added';
    list.looked = now;
    list.left = list.connections.length;
  }
  list.connections.push({ tuple: subject.tuple, zone: subject.zone });
  return 'added';
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
  list.looked = now;
  list.left = list.connections.length;
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
