/** The table of confirmed connections. Expiry is looked at when an entry is found, so nothing needs to collect them in time. */
import { STATUS_ASSURED, STATUS_CONFIRMED, STATUS_SRC_NAT } from '../../abi/fields.ts';
import type { Family } from '../../model/ruleset.ts';
import { type Connection, type Direction, ORIGINAL, REPLY } from './connection.ts';
import { keyOf, type Tuple } from './tuple.ts';
import { type Zone, zoneIn } from './zone.ts';

export interface Found {
  connection: Connection;
  direction: Direction;
}

/** Entries that expired are swept out whenever this many were added, so that a long capture does not keep them all. */
const SWEEP_EVERY = 4096;

export class ConnectionTable {
  readonly #removed: (connection: Connection) => void;
  readonly #stays: (connection: Connection) => boolean;
  /** By tuple and its zone, the newest first. */
  readonly #entries = new Map<string, Found[]>();
  /** All that are in it, in the order of their confirmation. */
  readonly #connections = new Set<Connection>();
  /** Connections whose source is translated, by that source, the newest first. */
  readonly #mapped = new Map<string, Connection[]>();
  #added = 0;
  /** How many were ever confirmed. */
  confirmed = 0;

  /** `removed`: told of every connection that is no more. `stays`: when its time is over only a packet that finds it ends it, or `collect`. */
  constructor(removed: (connection: Connection) => void, stays: (connection: Connection) => boolean = () => false) {
    this.#removed = removed;
    this.#stays = stays;
  }

  /** The live entry of a packet's tuple in its zone: first of those in the zone of the original direction, then of the reply's (nf_conntrack_find_get). */
  find(family: Family, zone: Zone, tuple: Tuple, now: number): Found | undefined {
    const found = this.#findIn(family, zone, ORIGINAL, tuple, now);
    return found !== undefined || zone.of === 'both' ? found : this.#findIn(family, zone, REPLY, tuple, now);
  }

  /** Whose packets the answers of a connection in that zone would be taken for (nf_conntrack_tuple_taken). */
  findAnswers(family: Family, zone: Zone, reply: Tuple, now: number): Found | undefined {
    return this.#findIn(family, zone, REPLY, reply, now);
  }

  /** Of the entries under a tuple and the zone of `side`: the newest whose own direction is in the same zone as that direction is in `zone` (nf_ct_key_equal). */
  #findIn(family: Family, zone: Zone, side: Direction, tuple: Tuple, now: number): Found | undefined {
    const id = zoneIn(zone, side);
    for (const found of [...(this.#entries.get(keyOf(family, id, tuple)) ?? [])]) {
      if (found.connection.timeout - now <= 0) this.remove(found.connection);
      else if (zoneIn(zone, found.direction) === id) return found;
    }
    return undefined;
  }

  /** The newest live entry of a tuple in the zone of the original direction; what expired stays. */
  peek(family: Family, zone: Zone, tuple: Tuple, now: number): Found | undefined {
    const all = this.#entries.get(keyOf(family, zoneIn(zone, ORIGINAL), tuple)) ?? [];
    return all.find(({ connection }) => connection.timeout - now > 0);
  }

  /** Live connections from that source (address, port, protocol) whose source is translated, the newest first (nf_nat_bysource). */
  mappedFrom(family: Family, zone: Zone, tuple: Tuple, now: number): readonly Connection[] {
    const all = this.#mapped.get(sourceKey(family, zone, tuple)) ?? [];
    return all.filter(({ timeout }) => timeout - now > 0);
  }

  /**
   * __nf_conntrack_confirm: its time begins to run now. False: answers to it could not be told from another connection's packets, so it is not taken. (What clashes without being the same is dropped, whatever
   * the protocol: nf_ct_can_merge.)
   */
  confirm(connection: Connection, now: number): boolean {
    const { family, zone, original, reply } = connection;
    if (this.find(family, zone, original, now) !== undefined) return false;
    if (this.findAnswers(family, zone, reply, now) !== undefined) return false;
    connection.timeout += now;
    connection.status |= STATUS_CONFIRMED;
    this.confirmed++;
    this.#connections.add(connection);
    for (const direction of [ORIGINAL, REPLY] as const) {
      const key = keyIn(connection, direction);
      this.#entries.set(key, [{ connection, direction }, ...(this.#entries.get(key) ?? [])]);
    }
    if (connection.has(STATUS_SRC_NAT)) {
      const key = sourceKey(family, zone, original);
      this.#mapped.set(key, [connection, ...(this.#mapped.get(key) ?? [])]);
    }
    if (++this.#added % SWEEP_EVERY === 0) this.#sweep(now);
    return true;
  }

  /** As many as `max` live. */
  holds(max: number, now: number): boolean {
    if (this.#connections.size >= max) this.#sweep(now);
    return this.#connections.size >= max;
  }

  /** Of those not ASSURED the one that was confirmed first. */
  oldestUnassured(): Connection | undefined {
    for (const connection of this.#connections) if (!connection.has(STATUS_ASSURED)) return connection;
    return undefined;
  }

  /** Everything that lives at `now`. */
  *live(now: number): Iterable<Connection> {
    for (const connection of this.#connections) if (connection.timeout - now > 0) yield connection;
  }

  remove(connection: Connection): void {
    connection.dead = true;
    this.#connections.delete(connection);
    this.#removed(connection);
    for (const direction of [ORIGINAL, REPLY] as const) {
      const key = keyIn(connection, direction);
      const others = (this.#entries.get(key) ?? []).filter((one) => one.connection !== connection);
      if (others.length > 0) this.#entries.set(key, others);
      else this.#entries.delete(key);
    }
    if (connection.has(STATUS_SRC_NAT)) this.#forgetMapping(connection);
  }

  #forgetMapping(connection: Connection): void {
    const key = sourceKey(connection.family, connection.zone, connection.original);
    const others = (this.#mapped.get(key) ?? []).filter((one) => one !== connection);
    if (others.length > 0) this.#mapped.set(key, others);
    else this.#mapped.delete(key);
  }

  /** Those that only a packet ends, and whose time was over at `limit`. */
  collect(limit: number): void {
    for (const connection of [...this.#connections])
      if (connection.timeout <= limit && !connection.dead && this.#stays(connection)) this.remove(connection);
  }

  #sweep(now: number): void {
    for (const connection of [...this.#connections])
      if (connection.timeout - now <= 0 && !this.#stays(connection)) this.remove(connection);
  }
}

const keyIn = ({ family, zone, original, reply }: Connection, direction: Direction): string =>
  keyOf(family, zoneIn(zone, direction), direction === ORIGINAL ? original : reply);

/** A zone of both directions is part of the hash (hash_by_src), that of the original direction is compared. */
const sourceKey = (family: Family, zone: Zone, { protocol, source, sourcePort }: Tuple): string =>
  `${family}|${zone.of === 'both' ? zone.id : 0}|${zoneIn(zone, ORIGINAL)}|${protocol}|${source.join('.')}|${sourcePort}`;
