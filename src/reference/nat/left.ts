/** What a capture shows of packets that left the host, where connections are translated: they are behind the translation, and only the connections tell whose they are (model/host.ts). */
import { ANSWER_WITHIN, COPY_WITHIN_SECONDS } from '../../abi/answers.ts';
import { STATUS_DST_NAT, STATUS_SRC_NAT } from '../../abi/fields.ts';
import type { Words } from '../../model/ruleset.ts';
import { sameWords } from '../../packet/bytes.ts';
import { type Connection, type Direction, ORIGINAL, opposite } from '../conntrack/connection.ts';
import { type Conntrack, protocolOf } from '../conntrack/conntrack.ts';
import { quotedTuple } from '../conntrack/icmp.ts';
import { isTcpReset } from '../conntrack/reset.ts';
import type { Found } from '../conntrack/table.ts';
import { invert, keyOf, type Tuple, tupleOf } from '../conntrack/tuple.ts';
import { NO_ZONE } from '../conntrack/zone.ts';
import type { Judged } from '../journey.ts';
import type { Packet } from '../packet.ts';
import { translate, translateQuoted, translateUnheard } from './translate.ts';

/** `copy`: it came in before, and was sent on. `known`: some connection has it as it is. `unknown`: none has it. */
export type Left = 'copy' | 'known' | 'unknown' | Own;

/** It is the host's own, and OUTPUT had these bytes; `elsewhere`: they were on their way to another one than its receiver, so that the device it was captured at is not theirs. */
export interface Own {
  bytes: Uint8Array;
  elsewhere: boolean;
}

export interface Ends {
  isLocal(address: Words): boolean;
  /** Where the host's own error about a packet to `refused` comes from. */
  errorSource(refused: Words): Words | undefined;
  /** What the host is for another one. */
  sourceTo(receiver: Words): Words | undefined;
}

/** What of a packet tells it from others: its own tuple, or that of the packet which an error quotes. */
interface Identity {
  error: boolean;
  tuple: Tuple;
}

/** In which a packet was captured. */
const secondOf = ({ time }: Packet): bigint => time / 1_000_000_000n;

export class Departures {
  readonly #conntrack: Conntrack;
  /** Packets that were sent on, and of which no connection tells so; as they left. */
  #sentOn: { number: number; second: bigint; key: string }[] = [];

  constructor(conntrack: Conntrack) {
    this.#conntrack = conntrack;
  }

  /** A packet is judged. What was sent on is remembered where it ended its connection, or has none, and what is an error or a reset: the host's own are alike. */
  judged({ packet, hook, verdict }: Judged): void {
    if (hook !== 'FORWARD' || verdict !== 'ACCEPT') return;
    const { tracking, number } = packet;
    if (tracking.kind === 'entry' && !tracking.connection.dead && tracking.state !== 'RELATED' && !isTcpReset(packet)) return;
    const identity = this.#identify(packet);
    if (identity === null) return;
    const recent = this.#sentOn.filter((one) => one.number > number - ANSWER_WITHIN);
    this.#sentOn = [{ number, second: secondOf(packet), key: textOf(packet, identity) }, ...recent];
  }

  /** A packet, which the capture says went out, and that no rule has seen. */
  leftAs(packet: Packet, ends: Ends): Left {
    const identity = this.#identify(packet);
    if (identity === null) return 'known';
    if (this.#wasSentOn(packet, identity)) return 'copy';
    return identity.error ? this.#asError(packet, identity.tuple, ends) : this.#plainly(packet, identity.tuple, ends);
  }

  #identify(packet: Packet): Identity | null {
    const { calls } = this.#conntrack;
    calls.now = packet.now;
    const sourceKey = calls.sourceKey.bind(calls);
    const quoted = quotedTuple(packet, sourceKey);
    if (quoted !== undefined) return quoted && { error: true, tuple: quoted };
    const protocol = protocolOf(packet);
    if (typeof protocol === 'object') return null;
    const tuple = tupleOf(packet.source, packet.destination, protocol, packet.upper, sourceKey);
    return tuple && invert(tuple) && { error: false, tuple };
  }

  /** The latest that is alike, each once. */
  #wasSentOn(packet: Packet, identity: Identity): boolean {
    if (this.#sentOn.length === 0) return false;
    const key = textOf(packet, identity);
    const found = this.#sentOn.find(
      ({ number, second, ...sent }) =>
        sent.key === key && packet.number <= number + ANSWER_WITHIN && secondOf(packet) - second <= COPY_WITHIN_SECONDS,
    );
    if (found !== undefined) this.#sentOn = this.#sentOn.filter((one) => one !== found);
    return found !== undefined;
  }

  #plainly(packet: Packet, tuple: Tuple, { isLocal }: Ends): Left {
    const { table } = this.#conntrack;
    // No other connection can have such packets on the wire: their answers could not be told from each other.
    const found = table.peek(packet.family, NO_ZONE, invert(tuple)!, packet.now);
    if (!isTranslated(found)) {
      return table.peek(packet.family, NO_ZONE, tuple, packet.now) === undefined ? 'unknown' : 'known';
    }
    const before = tupleIn(found.connection, opposite(found.direction));
    // The host itself resets what was INVALID, and so not translated back: it was to the address that the host translates to.
    if (!isLocal(before.source)) return isTcpReset(packet) && isLocal(packet.source) ? 'known' : 'copy';
    const bytes = new Uint8Array(packet.bytes);
    const isWhole =
      translate(bytes, packet.family, 0, before, 'source') && translate(bytes, packet.family, 0, before, 'destination');
    return isWhole ? { bytes, elsewhere: false } : 'known';
  }

  /** An error quotes a packet as its sender had it, who is told. It was not sent on: the host itself says it of what it delivers, or of what it could not send on. */
  #asError(packet: Packet, quoted: Tuple, ends: Ends): Left {
    const found = this.#conntrack.table.peek(packet.family, NO_ZONE, quoted, packet.now);
    if (!isTranslated(found) || !sameWords(quoted.source, packet.destination)) return 'known';
    const { connection, direction } = found;
    const before = tupleIn(connection, opposite(direction));
    const unheard = this.#unheard(packet, found, ends);
    if (unheard !== null) return unheard;
    if (!connection.has(direction === ORIGINAL ? STATUS_DST_NAT : STATUS_SRC_NAT)) return 'known';
    const bytes = new Uint8Array(packet.bytes);
    translateQuoted(bytes, packet.family, invert(before)!, ends.errorSource(before.source));
    return { bytes, elsewhere: false };
  }

  /** ipv4_link_failure, ip6_link_failure: no neighbour answered for a packet that was translated already. Told is who it bears then as its sender, whoever that is, and nat OUTPUT turns the error to who sent it; null: it is none of these. */
  #unheard(packet: Packet, { connection, direction }: Found, { isLocal, sourceTo }: Ends): Own | null {
    if (!connection.has(direction === ORIGINAL ? STATUS_SRC_NAT : STATUS_DST_NAT) || !tellsOfNeighbour(packet)) return null;
    const sent = invert(tupleIn(connection, opposite(direction)));
    if (sent === null) return null;
    const bytes = new Uint8Array(packet.bytes);
    // The source is on the wire as it was, but where the answer to a translated destination has to come from that.
    const kept = !connection.has(direction === ORIGINAL ? STATUS_DST_NAT : STATUS_SRC_NAT);
    const source = isLocal(sent.source) ? sent.source : kept ? packet.source : sourceTo(sent.source);
    translateUnheard(bytes, packet.family, sent, source ?? packet.source);
    return { bytes, elsewhere: true };
  }
}

/** Host unreachable; of IPv6 address unreachable. */
const tellsOfNeighbour = ({ family, upper }: Packet): boolean =>
  family === 4 ? upper[0] === 3 && upper[1] === 1 : upper[0] === 1 && upper[1] === 3;

/** A reset is no copy of another packet with its ends, nor is an error one of another that quotes the same. */
function textOf(packet: Packet, { error, tuple }: Identity): string {
  const [type, code] = packet.upper;
  const like = error ? `error ${type} ${code} ` : isTcpReset(packet) ? 'reset ' : '';
  return like + keyOf(packet.family, 0, tuple);
}

const isTranslated = (found: Found | undefined): found is Found =>
  found?.connection.has(STATUS_SRC_NAT | STATUS_DST_NAT) === true;

const tupleIn = ({ original, reply }: Connection, direction: Direction): Tuple => (direction === ORIGINAL ? original : reply);
