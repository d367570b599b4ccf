/**
 * Answers that depend on what becomes of a packet, which the reference says: to translated packets, addressed to what the other side saw, so that translations are met on their way back (where the
 * kernel draws lots for a port nobody can answer); and the host's own to what REJECT refuses.
 */
import type { Draw } from '../extensions/extension.ts';
import type { RejectOptions } from '../extensions/reject.ts';
import { formatAddress } from '../model/address.ts';
import { translates } from '../model/nat.ts';
import type { PacketOutcome } from '../model/outcome.ts';
import type { Family, Rule, RuleSet } from '../model/ruleset.ts';
import { u16, u32 } from '../packet/bytes.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { addHops } from '../packet/rewrite.ts';
import * as tcp from '../packet/tcp.ts';
import { createReference } from '../reference/index.ts';
import {
  CHECKSUM_AT,
  fillChecksum,
  fillHeaderChecksum,
  type IpFields,
  icmpMessage,
  ipPacket,
  tcpSegment,
  udpDatagram,
  usualFields,
} from './build-packet.ts';
import type { FuzzCase } from './case.ts';
import { jobOf } from './differential.ts';
import type { Judge } from './features.ts';
import { ETHERNET, frameOf } from './links.ts';
import type { FuzzPacket } from './packets.ts';
import { LOCAL } from './pools.ts';
import { rejection } from './rejection.ts';
import { quotesTime } from './stamped.ts';
import { answerTo } from './talk.ts';

const [TCP, UDP] = [6, 17];
const ICMP = { 4: 1, 6: 58 } as const;
/** Echo request and reply, and an error that quotes. */
const ECHO = { 4: [8, 0, 3], 6: [128, 129, 1] } as const;

/** The case's packets with answers between them, where its rules translate or refuse. `judge`: who is asked; kernels on the capture's clock do not send answers of their own. */
export function withAnswers(draw: Draw, fuzzCase: FuzzCase, judge: Judge = 'software'): FuzzPacket[] {
  const translated = translates(fuzzCase.ruleset);
  // Of a router nothing tells what it sent itself (stack-answers.ts has those that tell).
  const answers = judge !== 'virtual' && !fuzzCase.host.forward;
  const refused = answers && refuses(fuzzCase.ruleset) && draw.chance(0.7);
  if (!translated && !refused) return fuzzCase.packets;
  return between(draw, fuzzCase, judge, {
    own: (packet, outcome) => (refused ? ownAnswer(packet, outcome, fuzzCase) : null),
    others: (packet, outcome) => (translated ? answersTo(draw, packet, outcome) : []),
  });
}

/** What answers a packet, by what became of it: the host itself, others. */
interface Answering {
  own(packet: FuzzPacket, outcome: PacketOutcome): FuzzPacket | null;
  others(packet: FuzzPacket, outcome: PacketOutcome | undefined): FuzzPacket[];
}

/** The case's packets with answers behind those they answer, most of them at once. */
export function between(draw: Draw, fuzzCase: FuzzCase, judge: Judge, { own: ownTo, others }: Answering): FuzzPacket[] {
  let outcome: PacketOutcome | undefined;
  const reference = createReference(jobOf(fuzzCase), (one) => {
    outcome = one;
  });
  reference.startCapture('answers');
  const out: FuzzPacket[] = [];
  /** Own answers on their way. */
  const late: FuzzPacket[] = [];
  const send = (packet: FuzzPacket, answers = true): void => {
    const bytes = frameOf(packet, ETHERNET);
    reference.frame({ time: packet.time, linktype: ETHERNET, bytes, wire: bytes.length });
    out.push(packet);
    // What a rule makes of an answer is answered by nobody.
    const foretold = answers && outcome ? ownTo(packet, outcome) : null;
    // The time that the kernel writes is its own.
    const own = judge === 'kernel' && foretold !== null && quotesTime(foretold) ? null : foretold;
    // What other processors received may lie between; the kernel that judges sends its answer at once.
    if (own !== null && judge === 'software' && draw.chance(0.3)) late.push(disturbed(draw, own));
    else if (own !== null) send(own, false);
  };
  for (const packet of fuzzCase.packets) {
    send(packet);
    for (const answer of others(packet, outcome)) send(answer);
    for (const own of late.length > 0 && draw.chance(0.3) ? late.splice(0) : []) send({ ...own, time: packet.time }, false);
  }
  return out;
}

/** Mostly as it is; now and then another byte, so that it is no answer. */
function disturbed(draw: Draw, own: FuzzPacket): FuzzPacket {
  if (draw.chance(0.8)) return own;
  const bytes = new Uint8Array(own.bytes);
  bytes[draw.integer(own.family === 4 ? 20 : 40, bytes.length - 1)]! ^= 1;
  return { ...own, bytes };
}

const refuses = ({ tables }: RuleSet): boolean => tables.some(({ chains }) => chains.some(({ rules }) => rules.some(isReject)));

const isReject = ({ target }: Rule): boolean => target?.kind === 'extension' && target.name === 'REJECT';

/** What the host answers to a packet that REJECT refused; null: nothing, or nothing that can be foretold. */
export function ownAnswer(
  packet: FuzzPacket,
  { verdict, rule, rewritten, hook }: PacketOutcome,
  fuzzCase: FuzzCase,
): FuzzPacket | null {
  const { family } = packet;
  if (verdict !== 'REJECT' || rule === undefined || rewritten === undefined || packet.kind !== 'host') return null;
  const rejectWith = answerOf(rule, fuzzCase.ruleset);
  if (rejectWith === undefined) return null;
  const refused = asItCame(rewritten, packet);
  if (refused === null) return null;
  if (hook === 'FORWARD') addHops(refused, family, -1);
  // The kernel that judges sends the host's packets by a raw socket, and then looks at checksums that a device would have made.
  if (packet.direction === 'out' && !isSummed(refused, family)) return null;
  const to = destinationOf(refused, family);
  const from = (hook === 'INPUT' && !GROUP.test(to)) || to !== destinationOf(rewritten, family) ? to : LOCAL[family];
  const bytes = rejection(refused, family, rejectWith, from);
  return bytes === null ? null : { ...packet, time: packet.time + 10n, bytes, direction: 'out' };
}

/** What rules made of a packet, with the destination it came for: that is what answers to translated packets bear. null: it cannot be told from what else rules did. */
function asItCame(rewritten: Uint8Array, { bytes, family }: FuzzPacket): Uint8Array | null {
  const out = new Uint8Array(rewritten);
  if (destinationOf(bytes, family) === destinationOf(rewritten, family)) return out;
  const [at, end] = family === 4 ? [16, 20] : [24, 40];
  const upper = upperOf(bytes, family);
  if (upper === 'unparsable' || out.length > bytes.length || out.length < upper.offset + 20) return null;
  out.set(bytes.subarray(at, end), at);
  if (family === 4) fillHeaderChecksum(out.subarray(0, ipv4.headerLength(bytes)));
  if (![TCP, UDP].includes(upper.protocol)) return null;
  const checksum = upper.offset + CHECKSUM_AT[upper.protocol]!;
  out.set(bytes.subarray(upper.offset + 2, upper.offset + 4), upper.offset + 2);
  out.set(bytes.subarray(checksum, checksum + 2), checksum);
  return out;
}

const upperOf = (bytes: Uint8Array, family: Family): { protocol: number; offset: number } | 'unparsable' =>
  family === 6 ? ipv6.skipExtensions(bytes) : { protocol: ipv4.protocol(bytes), offset: ipv4.headerLength(bytes) };

/** Addresses that errors do not come from. */
export const GROUP = /^(?:22[4-9]|23\d|255)\.|\.255$|^ff/;

/** False where a checksum of TCP or UDP, if there is one, is not right. */
export function isSummed(bytes: Uint8Array, family: Family): boolean {
  const upper = upperOf(bytes, family);
  if (upper === 'unparsable' || ![TCP, UDP].includes(upper.protocol)) return true;
  const at = CHECKSUM_AT[upper.protocol]!;
  const payload = bytes.subarray(upper.offset);
  if (payload.length < at + 2) return false;
  if (upper.protocol === UDP && u16(payload, at) === 0) return true;
  const summed = new Uint8Array(payload);
  const source = formatAddress((family === 4 ? ipv4 : ipv6).source(bytes));
  fillChecksum(summed, at, { family, source, destination: destinationOf(bytes, family), protocol: upper.protocol });
  return u16(payload, at) === u16(summed, at);
}

export const destinationOf = (bytes: Uint8Array, family: Family): string =>
  formatAddress((family === 4 ? ipv4 : ipv6).destination(bytes));

/** What the rule that a path names answers with. */
function answerOf(path: string, { tables }: RuleSet): string | undefined {
  const [table, chain, , number] = path.split(':');
  const rules = tables.find(({ name }) => name === table)?.chains.find(({ name }) => name === chain)?.rules;
  const target = rules?.[Number(number) - 1]?.target;
  return target?.kind === 'extension' && target.name === 'REJECT' ? (target.options as RejectOptions).with : undefined;
}

/** None, an answer, an error about the packet, or both; a moment later. */
function answersTo(draw: Draw, packet: FuzzPacket, outcome: PacketOutcome | undefined): FuzzPacket[] {
  const { rewritten, verdict, hook, drawn } = outcome ?? {};
  if (rewritten === undefined || verdict !== 'ACCEPT' || drawn !== undefined || hook == null) return [];
  const seen = read(rewritten, packet.family);
  if (seen === null || outcome?.ctstate === 'INVALID' || !draw.chance(0.7)) return [];
  // What came in for the host it answers itself.
  const direction = hook === 'INPUT' ? 'out' : 'in';
  const bytes = [...(draw.chance(0.8) ? [reply(draw, seen)] : []), ...(draw.chance(0.3) ? [error(seen, rewritten)] : [])];
  return bytes.flatMap((one, index) =>
    one === null
      ? []
      : [{ ...packet, time: packet.time + BigInt(index + 1) * 10n, bytes: one, direction, kind: 'host' as const }],
  );
}

interface Seen {
  fields: IpFields;
  transport: Uint8Array;
}

/** The packet as its receiver sees it; `fields` are already those of an answer. null: one that nobody would answer. */
function read(bytes: Uint8Array, family: 4 | 6): Seen | null {
  const upper = family === 6 ? ipv6.skipExtensions(bytes) : undefined;
  if (upper === 'unparsable') return null;
  const ip = family === 4 ? ipv4 : ipv6;
  const protocol = upper?.protocol ?? ipv4.protocol(bytes);
  const offset = upper?.offset ?? ipv4.headerLength(bytes);
  if (bytes.length < offset + 8 || upper?.fragment === true) return null;
  const [source, destination] = [formatAddress(ip.destination(bytes)), formatAddress(ip.source(bytes))];
  const fields = usualFields({ family, source, destination, protocol });
  return { fields, transport: bytes.subarray(offset) };
}

function reply(draw: Draw, { fields, transport }: Seen): Uint8Array | null {
  const { protocol, family } = fields;
  const [from, to] = [u16(transport, 2), u16(transport, 0)];
  const [request, answer] = ECHO[family];
  if (protocol === UDP) return packetOf(fields, udpDatagram(from, to, draw.chance() ? answerTo(transport.subarray(8)) : 4), 6);
  if (protocol === ICMP[family] && transport[0] === request) {
    return packetOf(fields, icmpMessage(answer, 0, u32(transport, 4), new Uint8Array(0)), 2);
  }
  if (protocol !== TCP || !tcp.hasHeader(transport)) return null;
  const syn = (tcp.flags(transport) & (tcp.SYN | tcp.ACK)) === tcp.SYN;
  const data = Math.max(0, transport.length - tcp.headerLength(transport));
  const segment = tcpSegment({
    sourcePort: from,
    destinationPort: to,
    sequence: syn ? 5000 : tcp.acknowledgement(transport),
    acknowledged: (tcp.sequence(transport) + (syn ? 1 : data)) >>> 0,
    flags: syn ? tcp.SYN | tcp.ACK : tcp.ACK,
    window: 8192,
    options: new Uint8Array(0),
    data: 0,
  });
  return packetOf(fields, segment, 16);
}

function error({ fields }: Seen, quoted: Uint8Array): Uint8Array {
  const message = icmpMessage(ECHO[fields.family][2], 1, 0, quoted.subarray(0, 128));
  return packetOf({ ...fields, protocol: ICMP[fields.family] }, message, 2);
}

function packetOf(fields: IpFields, payload: Uint8Array, checksumAt: number): Uint8Array {
  fillChecksum(payload, checksumAt, fields);
  return ipPacket(fields, payload);
}
