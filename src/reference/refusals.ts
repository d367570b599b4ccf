/**
 * The host's own answers to packets that REJECT refused, where the capture holds them: the reset of nf_send_reset, the error of icmp_send (nf_reject_ipv4.c, nf_reject_ipv6.c, ipv4/icmp.c, ipv6/icmp.c).
 * The kernel gives them the connection of the refused packet (nf_ct_attach), so that they are RELATED at OUTPUT, also where that connection never comes to be.
 */
import { ANSWER_WITHIN, ERROR_MOST4, ERROR_MOST6, LEARNT_LEAST4 } from '../abi/answers.ts';
import { STATUS_DST_NAT, STATUS_SRC_NAT } from '../abi/fields.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { sameWords, u8, u16, u32 } from '../packet/bytes.ts';
import * as icmp from '../packet/icmp.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import * as tcp from '../packet/tcp.ts';
import { type Connection, type Direction, ORIGINAL, opposite } from './conntrack/connection.ts';
import type { ConnectionTable } from './conntrack/table.ts';
import { ICMP, ICMPV6, invert, TCP, type Tuple } from './conntrack/tuple.ts';
import { translate, translateQuoted } from './nat/translate.ts';
import type { Packet } from './packet.ts';
import { compiledOptions, type Types } from './reported.ts';

/** An ICMP error; without a code: of whatever code. `rest`: of a parameter problem of IPv4, the word behind its checksum. */
export interface ErrorKind {
  readonly type: number;
  readonly code?: number;
  readonly rest?: number;
}

export const UNREACHABLE: Readonly<Record<Family, ErrorKind>> = { 4: { type: 3 }, 6: { type: 1 } };
/** What was too big is told for what: IPv4's code of "unreachable", ICMPv6's type. */
const FRAGMENTATION_NEEDED = 4;
const PACKET_TOO_BIG = 2;
/** Of ICMPv6: says where the header lies that nobody knows. */
const PARAMETER_PROBLEM = 4;

const FIXED_HEADER = 20;
/** What hops change: the TTL, and with it the checksum of IPv4's header. */
const CHANGED: Readonly<Record<Family, readonly number[]>> = { 4: [8, 10, 11], 6: [7] };

/** A refused packet, as it was then. */
export interface Refusal {
  /** Of the refused packet. */
  readonly number: number;
  /** The error that answers it; null: a TCP reset does. */
  readonly error: ErrorKind | null;
  readonly family: Family;
  readonly source: Words;
  readonly destination: Words;
  readonly bytes: Uint8Array;
  /** Places of bytes that an error quotes otherwise: the TTL, the header's checksum, what the stack wrote into options. */
  readonly changed: readonly number[];
  readonly length: number;
  readonly upper: Uint8Array;
  readonly upperLength: number;
  readonly inInterface: string;
  readonly of: { readonly connection: Connection; readonly direction: Direction; readonly inTable: boolean } | null;
  /** It was UNTRACKED, not INVALID. */
  readonly untracked: boolean;
  /** Its destination was another one when it came, which is what answers bear on the wire; the rest of this is as it came. */
  readonly translated: boolean;
}

/** A packet of the capture that may be an answer; its bytes as far as they were captured. */
export interface Candidate {
  number: number;
  family: Family;
  bytes: Uint8Array;
  length: number;
}

export class Refusals {
  /** The latest first. */
  #waiting: Refusal[] = [];
  readonly #context: Types;

  constructor(context: Types) {
    this.#context = context;
  }

  /** A rule refused the packet, or the stack did not forward it, and it is answered with a TCP reset (null) or an ICMP error; its connection is not yet forgotten. */
  remember(packet: Packet, error: ErrorKind | null): void {
    // Of an answer that is refused in its turn, over lo, the kernel's answer is not looked for.
    if (packet.answersRefused) return;
    const { number, family, source, length, tracking, inInterface, upperOffset } = packet;
    // A capture reader uses its memory again.
    const bytes = new Uint8Array(packet.bytes);
    const options = compiledOptions(packet, this.#context);
    if (options !== null) bytes.set(options.bytes, FIXED_HEADER);
    const changed = [...CHANGED[family], ...(options?.drawn ?? []).map((at) => FIXED_HEADER + at)];
    let { destination } = packet;
    let of: Refusal['of'] = null;
    let translated = false;
    if (tracking.kind === 'entry') {
      const { connection, direction } = tracking;
      of = { connection, direction, inTable: connection.confirmed && !connection.dead };
      translated = movesDestination(connection, direction);
      const came = tupleOf(connection, direction);
      if (translated && !translate(bytes, family, 0, came, 'destination')) return;
      if (translated) destination = came.destination;
    }
    const upper = bytes.subarray(Math.min(upperOffset, bytes.length));
    const upperLength = length - upperOffset;
    const refusal = {
      number,
      error,
      family,
      source,
      destination,
      bytes,
      changed,
      length,
      upper,
      upperLength,
      inInterface,
      of,
      untracked: tracking.kind === 'untracked',
      translated,
    };
    this.#waiting = [refusal, ...this.#waiting.filter((one) => one.number > number - ANSWER_WITHIN)];
  }

  /** The refusal that a packet, which may be the host's own, is the answer to: the latest, and each once. `mtuOf`: of the device the answer to one leaves by, where it is known. */
  answeredBy(candidate: Candidate, mtuOf: (refusal: Refusal) => number | undefined): Refusal | undefined {
    if (this.#waiting.length === 0) return undefined;
    const found = this.#waiting.find(
      (one) =>
        candidate.number <= one.number + ANSWER_WITHIN &&
        candidate.family === one.family &&
        (one.error === null ? isReset(candidate, one) : isError(candidate, one, one.error, mtuOf(one))),
    );
    if (found !== undefined) this.#waiting = this.#waiting.filter((one) => one !== found);
    return found;
  }
}

/** What the answer gets: the connection, in the other direction; null where the refused packet had none, or it is gone meanwhile. */
export function attachedTo(
  { of }: Refusal,
  table: ConnectionTable,
  now: number,
): { connection: Connection; direction: Direction } | null {
  if (of === null) return null;
  const { connection, inTable } = of;
  const direction = opposite(of.direction);
  if (!inTable) return { connection, direction };
  const found = table.find(connection.family, connection.zone, connection.original, now);
  return found === undefined ? null : { connection: found.connection, direction };
}

/** Packets of that direction go to another destination than they came for. */
const movesDestination = (connection: Connection, direction: Direction): boolean =>
  connection.has(direction === ORIGINAL ? STATUS_DST_NAT : STATUS_SRC_NAT);

const tupleOf = ({ original, reply }: Connection, direction: Direction): Tuple => (direction === ORIGINAL ? original : reply);

/** The answer of a capture as OUTPUT had it: its translation is taken back. `select`: the address that errors come from if the host is not the other end itself. */
export function asSent(
  { bytes, family }: Pick<Packet, 'bytes' | 'family'>,
  { error, translated }: Refusal,
  { connection, direction }: { connection: Connection; direction: Direction },
  select: (destination: Words) => Words | undefined,
): Uint8Array {
  if (!translated || !movesDestination(connection, opposite(direction))) return bytes;
  const own = tupleOf(connection, direction);
  const out = new Uint8Array(bytes);
  if (error === null) translate(out, family, 0, own, 'source');
  else translateQuoted(out, family, invert(own)!, select(own.source));
  return out;
}

const addressesOf = ({ family, bytes }: Candidate): { source: Words; destination: Words } => {
  const ip = family === 4 ? ipv4 : ipv6;
  return { source: ip.source(bytes), destination: ip.destination(bytes) };
};

/** Where the message begins if the packet is a whole one of this protocol, with nothing between it and the IP header but IPv4's options. */
function messageAt({ family, bytes }: Candidate, protocol: number): number | null {
  if (family === 6) return ipv6.nextHeader(bytes) === protocol ? ipv6.HEADER_LENGTH : null;
  const whole = ipv4.fragmentOffset(bytes) === 0 && !ipv4.moreFragments(bytes);
  return whole && ipv4.protocol(bytes) === protocol ? ipv4.headerLength(bytes) : null;
}

/** nf_reject_iphdr_put, nf_reject_ip_tcphdr_put. TTL and TOS are what rules made of them, and the checksum may be left to the device. */
function isReset(candidate: Candidate, { source, destination, upper, upperLength }: Refusal): boolean {
  const at = messageAt(candidate, TCP);
  if (at === null || candidate.length !== at + tcp.MINIMUM_HEADER || candidate.bytes.length < candidate.length) return false;
  const ends = addressesOf(candidate);
  if (!sameWords(ends.source, destination) || !sameWords(ends.destination, source)) return false;
  // No identification, and not to be fragmented.
  if (candidate.family === 4 && u32(candidate.bytes, 4) !== 0x4000) return false;
  const header = candidate.bytes.subarray(at);
  const swapped = tcp.sourcePort(header) === tcp.destinationPort(upper) && tcp.destinationPort(header) === tcp.sourcePort(upper);
  if (!swapped || u8(header, 12) !== 0x50 || tcp.window(header) !== 0 || u16(header, 18) !== 0) return false;
  const flags = tcp.flags(upper);
  if ((flags & tcp.ACK) !== 0) {
    const sequence = tcp.acknowledgement(upper);
    return tcp.flags(header) === tcp.RST && tcp.sequence(header) === sequence && tcp.acknowledgement(header) === 0;
  }
  const counted = ((flags & tcp.SYN) === 0 ? 0 : 1) + ((flags & tcp.FIN) === 0 ? 0 : 1);
  const acknowledged = (tcp.sequence(upper) + counted + upperLength - tcp.headerLength(upper)) >>> 0;
  const answers = tcp.flags(header) === (tcp.RST | tcp.ACK) && tcp.acknowledgement(header) === acknowledged;
  return answers && tcp.sequence(header) === 0;
}

/** The error that quotes the refused packet as the host had it then. */
function isError(candidate: Candidate, refusal: Refusal, { type, code, rest }: ErrorKind, mtu: number | undefined): boolean {
  const { family, bytes, length } = candidate;
  const at = messageAt(candidate, family === 4 ? ICMP : ICMPV6);
  if (at === null) return false;
  const quotedAt = at + icmp.HEADER_LENGTH;
  if (bytes.length < quotedAt || !isOfLength(family, length - quotedAt, refusal.length, quotedAt, mtu)) return false;
  const message = bytes.subarray(at);
  const bearsMore =
    family === 4
      ? type === UNREACHABLE[4].type && icmp.code(message) === FRAGMENTATION_NEEDED
      : type === PACKET_TOO_BIG || type === PARAMETER_PROBLEM;
  if (icmp.type(message) !== type || (code !== undefined && icmp.code(message) !== code)) return false;
  if (rest !== undefined ? u32(message, 4) !== rest : u32(message, 4) !== 0 && !bearsMore) return false;
  if (!sameWords(addressesOf(candidate).destination, refusal.source)) return false;
  const quoted = bytes.subarray(quotedAt, length);
  return quoted.every((byte, i) => i >= refusal.bytes.length || byte === refusal.bytes[i] || refusal.changed.includes(i));
}

/** icmp_send, icmp6_send: so much of a packet is quoted behind headers of that size. IPv4 quotes less where the path's MTU (dst_mtu) says so: the device's, or one that was learnt, which a capture does not tell. */
function isOfLength(family: Family, quoted: number, whole: number, headers: number, mtu: number | undefined): boolean {
  const roomOf = (most: number): number => Math.min(whole, most - headers);
  if (family === 6) return quoted === roomOf(ERROR_MOST6);
  const most = Math.min(ERROR_MOST4, mtu ?? ERROR_MOST4);
  // It makes no sense without a whole header.
  if (most - headers <= FIXED_HEADER) return false;
  return quoted === roomOf(most) || (quoted < roomOf(most) && headers + quoted >= LEARNT_LEAST4);
}
