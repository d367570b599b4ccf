/**
 * Answers to translated packets: addressed to what the other side saw, so that translations are met on their way back. The reference says what became of a packet; where the
 * kernel draws lots for a port nobody can answer.
 */
import type { Draw } from '../extensions/extension.ts';
import { formatAddress } from '../model/address.ts';
import { translates } from '../model/nat.ts';
import type { PacketOutcome } from '../model/outcome.ts';
import { u16, u32 } from '../packet/bytes.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import * as tcp from '../packet/tcp.ts';
import { createReference } from '../reference/index.ts';
import { fillChecksum, type IpFields, icmpMessage, ipPacket, tcpSegment, udpDatagram, usualFields } from './build-packet.ts';
import type { FuzzCase } from './case.ts';
import { jobOf } from './differential.ts';
import { ETHERNET, frameOf } from './links.ts';
import type { FuzzPacket } from './packets.ts';
import { answerTo } from './talk.ts';

const [TCP, UDP] = [6, 17];
const ICMP = { 4: 1, 6: 58 } as const;
/** Echo request and reply, and an error that quotes. */
const ECHO = { 4: [8, 0, 3], 6: [128, 129, 1] } as const;

/** The case's packets with answers between them, where its rules translate. */
export function withAnswers(draw: Draw, fuzzCase: FuzzCase): FuzzPacket[] {
  if (!translates(fuzzCase.ruleset)) return fuzzCase.packets;
  let outcome: PacketOutcome | undefined;
  const reference = createReference(jobOf(fuzzCase), (one) => {
    outcome = one;
  });
  reference.startCapture('answers');
  const out: FuzzPacket[] = [];
  const send = (packet: FuzzPacket): void => {
    const bytes = frameOf(packet, ETHERNET);
    reference.frame({ time: packet.time, linktype: ETHERNET, bytes, wire: bytes.length });
    out.push(packet);
  };
  for (const packet of fuzzCase.packets) {
    send(packet);
    for (const answer of answersTo(draw, packet, outcome)) send(answer);
  }
  return out;
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
