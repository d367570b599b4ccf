/**
 * Calls of PPTP: its control connection (helpers/pptp.ts) says which keys the two directions of the data have, GRE whose packets bear the receiver's key only (the keymap of
 * net/netfilter/nf_conntrack_proto_gre.c); and both end together (nf_conntrack_pptp.c).
 */
import type { Words } from '../../model/ruleset.ts';
import { sameWords } from '../../packet/bytes.ts';
import { type Connection, type Direction, ORIGINAL } from './connection.ts';
import type { Expectation, ExpectationTable } from './expectations.ts';
import type { ConnectionTable } from './table.ts';
import { GRE, invert, type Tuple } from './tuple.ts';

/** The ids of the last call: of the client's side (PNS) and of the server's (PAC). */
export interface Call {
  pns: number;
  pac: number;
}

interface Keys {
  master: Connection;
  direction: Direction;
  tuple: Tuple;
}

export class Calls {
  readonly #table: () => ConnectionTable;
  readonly #expectations: () => ExpectationTable;
  /** In the order they were told. */
  #keys: Keys[] = [];
  /** The data's connection that began last. */
  #opened: Connection | null = null;
  /** Jiffies of the packet in hand. */
  now = 0;

  constructor(table: () => ConnectionTable, expectations: () => ExpectationTable) {
    this.#table = table;
    this.#expectations = expectations;
  }

  /** The key of the sender of a packet to that key (gre_keymap_lookup); 0 when nobody told it. */
  sourceKey(source: Words, destination: Words, key: number): number {
    this.#settle();
    const wanted = { source, destination, destinationPort: key };
    return this.#keys.find(({ tuple }) => bearsAlike(tuple, wanted))?.tuple.sourcePort ?? 0;
  }

  /** nf_ct_gre_keymap_add. False: the connection has told others for that direction. */
  tell(master: Connection, direction: Direction, tuple: Tuple): boolean {
    this.#settle();
    const told = this.#keys.find((one) => one.master === master && one.direction === direction);
    if (told !== undefined) return bearsAlike(told.tuple, tuple);
    this.#keys.push({ master, direction, tuple });
    return true;
  }

  /** nf_ct_gre_keymap_destroy. */
  forget(master: Connection): void {
    this.#keys = this.#keys.filter((one) => one.master !== master);
  }

  /** pptp_expectfn: a connection begins that was expected; the other direction needs no expectation any more. */
  begin(connection: Connection, expectation: Expectation): void {
    this.#opened = connection;
    const { family, zone } = connection;
    const other = this.#expectations().find(family, zone.id, otherWay(expectation), this.now);
    if (other !== undefined) this.#expectations().remove(other);
  }

  /** pptp_destroy_siblings: what there is of the data of the last call ends. */
  end(master: Connection, { pns, pac }: Call): void {
    this.forget(master);
    const { family, zone, original, reply } = master;
    for (const tuple of [
      { ...original, protocol: GRE, sourcePort: pns, destinationPort: pac },
      { ...reply, protocol: GRE, sourcePort: pac, destinationPort: pns },
    ]) {
      const data = this.#table().find(family, zone, tuple, this.now);
      const expected = data === undefined ? this.#expectations().find(family, zone.id, tuple, this.now) : undefined;
      if (data !== undefined) this.#table().remove(data.connection);
      if (expected !== undefined) this.#expectations().remove(expected);
    }
  }

  /** It is data, or a control connection: when it ends, others do. */
  concerns(connection: Connection): boolean {
    const { master, help, original } = connection;
    if (original.protocol === GRE) return master !== null;
    return help?.helper.name === 'pptp';
  }

  /** A connection is no more: data takes the keys along, a control connection the data. */
  gone(connection: Connection): void {
    const { master, help, original } = connection;
    if (original.protocol === GRE && master !== null) this.forget(master);
    if (help?.helper.name === 'pptp') this.end(connection, help.memory as Call);
  }

  /** A packet that opened data and was dropped took the keys along. */
  #settle(): void {
    const opened = this.#opened;
    this.#opened = null;
    if (opened?.master != null && !opened.confirmed) this.forget(opened.master);
  }
}

/** The tuple under which the other direction is looked for. Where the master is translated (pptp_nat_expected) and the server calls first, ids are read that only a control connection has: they are zero. */
function otherWay({ tuple, follows, master }: Expectation): Tuple {
  if (follows === null || !('end' in follows)) return invert(tuple)!;
  if (follows.direction !== ORIGINAL) return { ...master.original, protocol: GRE, sourcePort: 0, destinationPort: 0 };
  const { pns, pac } = master.help!.memory as Call;
  return { ...master.reply, protocol: GRE, sourcePort: pac, destinationPort: pns };
}

/** gre_key_cmpfn. */
const bearsAlike = (
  a: Pick<Tuple, 'source' | 'destination' | 'destinationPort'>,
  b: Pick<Tuple, 'source' | 'destination' | 'destinationPort'>,
): boolean => a.destinationPort === b.destinationPort && sameWords(a.source, b.source) && sameWords(a.destination, b.destination);
