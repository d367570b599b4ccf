/** Which addresses and ports a connection gets: get_unique_tuple and what it calls (net/netfilter/nf_nat_core.c of 6.18). */
import { STATUS_DST_NAT, STATUS_SRC_NAT } from '../../abi/fields.ts';
import { NAT_FEW, NAT_HARDER, NAT_TRIES } from '../../abi/nat.ts';
import type { NatPorts } from '../../model/nat.ts';
import type { Kernel } from '../../model/profile.ts';
import type { Words } from '../../model/ruleset.ts';
import { sameWords, swapped } from '../../packet/bytes.ts';
import { jhash2 } from '../../packet/jhash.ts';
import type { Connection } from '../conntrack/connection.ts';
import { REPLY } from '../conntrack/connection.ts';
import type { ConnectionTable } from '../conntrack/table.ts';
import { SYN_SENT, TIME_WAIT } from '../conntrack/tcp-state.ts';
import { GRE, ICMP, ICMPV6, invert, SCTP, sameTuple, TCP, type Tuple, UDP, UDPLITE } from '../conntrack/tuple.ts';

export type Manip = 'source' | 'destination';

/** struct nf_nat_range2. */
export interface Range {
  /** null: the address is not mapped. */
  addresses: { low: Words; high: Words } | null;
  ports: NatPorts | null;
  random: boolean;
  persistent: boolean;
}

export interface Choice {
  tuple: Tuple;
  /** The kernel draws lots for the port: this one is as good as any. */
  drawn: boolean;
}

const PORTED: readonly number[] = [TCP, UDP, UDPLITE, SCTP];
/** Those whose connections must not be taken for one another (allow_clash). */
const ORDERED: readonly number[] = [TCP, SCTP, ICMP, ICMPV6];
const kept = (tuple: Tuple): Choice => ({ tuple, drawn: false });

export class Chooser {
  readonly #table: ConnectionTable;
  readonly #connection: Connection;
  readonly #now: number;
  readonly #kernel: Kernel;

  constructor(table: ConnectionTable, connection: Connection, now: number, kernel: Kernel) {
    this.#table = table;
    this.#connection = connection;
    this.#now = now;
    this.#kernel = kernel;
  }

  /** `given`: the tuple as it is so far. */
  choose(given: Tuple, range: Range, manip: Manip): Choice {
    if (manip === 'source' && !range.random) {
      if (inRange(given, range)) {
        if (!this.#isTaken(given) || this.#goesBack(given)) return kept(given);
      } else {
        const mapped = this.#mappedBefore(given, range);
        if (mapped !== undefined && !this.#isTaken(mapped)) return kept(mapped);
      }
    }
    const tuple = withAddress(given, range, manip, this.#connection.zone.id);
    if (!range.random) {
      const { ports } = range;
      if (ports === null) {
        if (!this.#isTaken(tuple)) return kept(tuple);
      } else if (ports.base === undefined && portInRange(tuple, ports, manip)) {
        if (ports.low === ports.high || !this.#isTaken(tuple)) return kept(tuple);
      }
    }
    return this.#withPort(tuple, range, manip);
  }

  /** nf_nat_used_tuple: replies to it could not be told from those to another connection. */
  #isTaken(tuple: Tuple): boolean {
    const { family, zone } = this.#connection;
    return this.#table.findAnswers(family, zone, invert(tuple)!, this.#now) !== undefined;
  }

  /**
   * nf_nat_used_tuple_new: who sends what would answer it (looked for as a packet's connection is) goes exactly the other way, and neither is translated. That is left to clash when it is confirmed, where the protocol has no order of its own.
   */
  #goesBack(given: Tuple): boolean {
    const { family, zone } = this.#connection;
    const isFree = (one: Connection): boolean => !one.has(STATUS_SRC_NAT | STATUS_DST_NAT) && one.shifts === null;
    if (ORDERED.includes(given.protocol) || !isFree(this.#connection)) return false;
    const answers = invert(given)!;
    const found = this.#table.find(family, zone, answers, this.#now);
    return found !== undefined && isFree(found.connection) && sameTuple(found.connection.original, answers);
  }

  /** find_appropriate_src: another connection from the same address and port is mapped into the range already; the newest counts. */
  #mappedBefore(given: Tuple, range: Range): Tuple | undefined {
    const { family, zone } = this.#connection;
    for (const { reply } of this.#table.mappedFrom(family, zone, given, this.#now)) {
      const { source, sourcePort } = invert(reply)!;
      const tuple = { ...given, source, sourcePort };
      if (inRange(tuple, range)) return tuple;
    }
    return undefined;
  }

  /** nf_nat_l4proto_unique_tuple. From 5.1 to 6.7, and in 6.1.176 yet, destinations begin at a drawn port of their range, too. */
  #withPort(tuple: Tuple, range: Range, manip: Manip): Choice {
    const field = this.#keyField(tuple, manip);
    if (field === null) return kept(tuple);
    if (range.ports === null && manip === 'destination' && PORTED.includes(tuple.protocol)) return kept(tuple);
    const [min, size] = portsToTry(tuple[field], range.ports, tuple.protocol);
    const lots = range.ports?.base === undefined && (range.random || manip === 'source' || this.#kernel === '6.1');
    let drawn = lots && size > 1;
    let offset = 0;
    if (range.ports?.base !== undefined) offset = (tuple[field] - range.ports.base) & 0xffff;
    else if (lots) offset = (tuple[field] >= min && tuple[field] < min + size ? tuple[field] - min : 0) + (size >> 1);
    let tries = Math.min(size, NAT_TRIES);
    for (;;) {
      let chosen = tuple;
      for (let i = 0; i < tries; i++, offset++) {
        chosen = { ...tuple, [field]: (min + ((offset & 0xffff) % size)) & 0xffff };
        if (!this.#isTakenHarder(chosen, tries - i)) return { tuple: chosen, drawn };
      }
      if (tries >= size || tries < NAT_FEW) return { tuple: chosen, drawn };
      tries = Math.floor(tries / 2);
      drawn = true;
    }
  }

  /** The part of the tuple that may be changed; of ICMP always the identifier. GRE has keys of its own only where a helper expected it; other protocols have none at all. */
  #keyField({ protocol }: Tuple, manip: Manip): 'sourcePort' | 'destinationPort' | null {
    if (isIcmp(protocol)) return 'sourcePort';
    if (!PORTED.includes(protocol) && (protocol !== GRE || this.#connection.master === null)) return null;
    return manip === 'source' ? 'sourcePort' : 'destinationPort';
  }

  /** nf_nat_used_tuple_harder: towards the end of the search a SYN takes the place of a connection that is over. */
  #isTakenHarder(tuple: Tuple, left: number): boolean {
    const { family, zone, tcp } = this.#connection;
    if (left > NAT_HARDER || tuple.protocol !== TCP || tcp?.state !== SYN_SENT) return this.#isTaken(tuple);
    const found = this.#table.find(family, zone, invert(tuple)!, this.#now);
    if (found === undefined) return false;
    const other = found.connection;
    if (found.direction !== REPLY || other.tcp === undefined || other.tcp.state < TIME_WAIT || !other.has(STATUS_SRC_NAT))
      return true;
    if (((tcp.sides[0].end - other.tcp.sides[0].end) | 0) <= 0) return true;
    this.#table.remove(other);
    return false;
  }
}

const isIcmp = (protocol: number): boolean => protocol === ICMP || protocol === ICMPV6;

/** First and number. Without ports in the rule a port stays among its like: below 512, below 1024, above. */
function portsToTry(port: number, ports: NatPorts | null, protocol: number): [min: number, size: number] {
  if (ports !== null) return [ports.low, ports.high - ports.low + 1];
  if (isIcmp(protocol)) return [0, 65536];
  if (protocol === GRE) return [1, 65535];
  if (port < 512) return [1, 511];
  return port < 1024 ? [600, 424] : [1024, 64512];
}

/** nf_in_range. */
function inRange(tuple: Tuple, { addresses, ports }: Range): boolean {
  if (addresses !== null) {
    const { low, high } = addresses;
    if (compare(tuple.source, low) < 0 || compare(tuple.source, high) > 0) return false;
  }
  return ports === null || portInRange(tuple, ports, 'source');
}

/** l4proto_in_range. */
function portInRange(tuple: Tuple, { low, high }: NatPorts, manip: Manip): boolean {
  const { protocol, sourcePort, destinationPort } = tuple;
  if (!isIcmp(protocol) && !PORTED.includes(protocol) && protocol !== GRE) return true;
  const port = isIcmp(protocol) || manip === 'source' ? sourcePort : destinationPort;
  return port >= low && port <= high;
}

function compare(a: Words, b: Words): number {
  for (const [i, word] of a.entries()) if (word !== b[i]) return word - b[i]!;
  return 0;
}

/** find_best_ips_proto: by a hash of both addresses (--persistent: of the source alone). */
function withAddress(tuple: Tuple, { addresses, persistent }: Range, manip: Manip, zone: number): Tuple {
  if (addresses === null) return tuple;
  const { low, high } = addresses;
  const put = (address: Words): Tuple =>
    manip === 'source' ? { ...tuple, source: address } : { ...tuple, destination: address };
  if (sameWords(low, high)) return put(low);
  const source = [0, 1, 2, 3].map((i) => swapped(tuple.source[i] ?? 0));
  let hash = jhash2(source, persistent ? 0 : (swapped(tuple.destination.at(-1)!) ^ zone) >>> 0);
  const chosen: number[] = [];
  let everything = false;
  for (const [i, least] of low.entries()) {
    const most = high[i]!;
    const [min, span] = everything ? [0, 0xffffffff] : [least, (most - least + 1) >>> 0];
    const word = (min + Number((BigInt(hash) * BigInt(span)) >> 32n)) >>> 0;
    chosen.push(word);
    if (word !== most) everything = true;
    // The kernel writes into the tuple it hashes: of a destination it mixes the new word.
    if (!persistent) hash = (hash ^ swapped(manip === 'destination' ? word : tuple.destination[i]!)) >>> 0;
  }
  return put(chosen);
}
