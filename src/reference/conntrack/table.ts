/** The table of confirmed connections. Expiry is looked at when an entry is found, so nothing needs to collect them in time. */
import { STATUS_ASSURED, STATUS_CONFIRMED, STATUS_SRC_NAT } from '../../abi/fields.ts';
import type { Family } from '../../model/ruleset.ts';
import { type Connection, type Direction, ORIGINAL, REPLY } from './connection.ts';
import { keyOf, type Tuple } from './tuple.ts';

export interface Found {
  connection: Connection;
  direction: Direction;
}

/** Entries that expired are swept out whenever this many were added, so that a long capture does not keep them all. */
const SWEEP_EVERY = 4096;

export class ConnectionTable {
  readonly #removed: (connection: Connection) => void;
  readonly #entries = new Map<string, Found>();
  /** All that are in it, in the order of their confirmation. */
  readonly #connections = new Set<Connection>();
  /** Connections whose source is translated, by that source, the newest first. */
  readonly #mapped = new Map<string, Connection[]>();
  #added = 0;
  /** How many were ever confirmed. */
  confirmed = 0;

  /** `removed`: told of every connection that is no more. */
  constructor(removed: (connection: Connection) => void) {
    this.#removed = removed;
  }

  /** The live entry of a tuple in a zone. */
  find(family: Family, zone: number, tuple: Tuple, now: number): Found | undefined {
    const found = this.#entries.get(keyOf(family, zone, tuple));
    if (found === undefined) return undefined;
    if (found.connection.timeout - now > 0) return found;
    this.remove(found.connection);
    return undefined;
  }

  /** The same, but what expired stays. */
  peek(family: Family, zone: number, tuple: Tuple, now: number): Found | undefined {
    const found = this.#entries.get(keyOf(family, zone, tuple));
    return found !== undefined && found.connection.timeout - now > 0 ? found : undefined;
  }

  /** Live connections from that source (address, port, protocol) whose source is translated, the newest first (nf_nat_bysource). */
  mappedFrom(family: Family, zone: number, tuple: Tuple, now: number): readonly Connection[] {
    const all = this.#mapped.get(sourceKey(family, zone, tuple)) ?? [];
    return all.filter(({ timeout }) => timeout - now > 0);
  }

  /** __nf_conntrack_confirm: its time begins to run now. False: answers to it could not be told from another connection's packets, so it is not taken. */
  confirm(connection: Connection, now: number): boolean {
    const { family, zone, original, reply } = connection;
    if (this.find(family, zone, original, now) !== undefined || this.find(family, zone, reply, now) !== undefined) return false;
    connection.timeout += now;
    connection.status |= STATUS_CONFIRMED;
    this.confirmed++;
    this.#connections.add(connection);
    this.#entries.set(keyOf(connection.family, connection.zone, connection.original), { connection, direction: ORIGINAL });
    this.#entries.set(keyOf(connection.family, connection.zone, connection.reply), { connection, direction: REPLY });
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
    for (const tuple of [connection.original, connection.reply]) {
      const key = keyOf(connection.family, connection.zone, tuple);
      if (this.#entries.get(key)?.connection === connection) this.#entries.delete(key);
    }
    if (connection.has(STATUS_SRC_NAT)) this.#forgetMapping(connection);
  }

  #forgetMapping(connection: Connection): void {
    const key = sourceKey(connection.family, connection.zone, connection.original);
    const others = (this.#mapped.get(key) ?? []).filter((one) => one !== connection);
    if (others.length > 0) this.#mapped.set(key, others);
    else this.#mapped.delete(key);
  }

  #sweep(now: number): void {
    for (const connection of [...this.#connections]) if (connection.timeout - now <= 0) this.remove(connection);
  }
}

const sourceKey = (family: Family, zone: number, { protocol, source, sourcePort }: Tuple): string =>
  `${family}|${zone}|${protocol}|${source.join('.')}|${sourcePort}`;
