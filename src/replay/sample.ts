/** The first packets of a capture, as words of fields: what decision trees are cut for (compile/traffic.ts). */
import * as abi from '../abi/fields.ts';
import { needsConntrack } from '../compile/normalise.ts';
import type { Traffic } from '../compile/traffic.ts';
import type { Family, RuleSet, Words } from '../model/ruleset.ts';
import type { Frame } from '../model/witness.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { carriedBytes, readLink } from '../packet/link.ts';
import { countRules, holds, sizesOf } from './worthwhile.ts';

/** What a packet's bytes tell; interfaces, marks, connections and types of addresses are found out while it is judged. */
const KNOWN = [
  abi.FIELD_PROTOCOL,
  abi.FIELD_FRAGMENT,
  abi.FIELD_L4_LENGTH,
  abi.FIELD_SPORT,
  abi.FIELD_DPORT,
  abi.FIELD_TCP_FLAGS,
  abi.FIELD_ICMP_TYPE,
  abi.FIELD_ICMP_CODE,
  abi.FIELD_LENGTH,
  abi.FIELD_TTL,
  abi.FIELD_TOS,
  abi.FIELD_FAMILY,
  ...[0, 1, 2, 3].flatMap((word) => [abi.FIELD_SOURCE + word, abi.FIELD_DESTINATION + word]),
].reduce((bits, field) => bits | (1 << field), 0);

/** Fields in which packets of one direction of a connection are alike. */
const TUPLE = [
  abi.FIELD_PROTOCOL,
  abi.FIELD_SPORT,
  abi.FIELD_DPORT,
  ...[0, 1, 2, 3].flatMap((word) => [abi.FIELD_SOURCE + word, abi.FIELD_DESTINATION + word]),
];

/** Of fewer rules a way is short whoever goes it, and growing a tree for the first packets takes longer than some millions of packets save by it. */
const MANY_RULES = 1000;
const MANY_PACKETS = 2_000_000;

/** Where it pays to look at the first of `limit` packets before a tree is grown: what they are shown to. */
export async function sampleFor(
  captures: readonly string[],
  rules: readonly Partial<Record<Family, RuleSet>>[],
  limit?: number,
): Promise<PacketSample | undefined> {
  if (rules.every((one) => countRules(one) < MANY_RULES)) return undefined;
  return holds(await sizesOf(captures), limit, (packets) => packets >= MANY_PACKETS) ? new PacketSample() : undefined;
}

/** More packets cut a tree hardly better, and take longer to look at. */
const MOST = 2000;

export class PacketSample {
  /** How many frames it wants to see at most. */
  readonly wanted: number;
  readonly #words: Uint32Array;
  #packets = 0;
  #seen = 0;

  constructor(wanted = MOST) {
    this.wanted = wanted;
    this.#words = new Uint32Array(wanted * abi.FIELD_COUNT);
  }

  /** The next frame of the capture; one that is no readable IP is left out. */
  see(frame: Frame): void {
    if (this.#seen++ >= this.wanted) return;
    const link = readLink(frame);
    if (link.kind !== 'ip') return;
    const start = this.#packets * abi.FIELD_COUNT;
    if (readFields(carriedBytes(frame.bytes, link), this.#words.subarray(start, start + abi.FIELD_COUNT))) this.#packets++;
  }

  /** What was seen, for rules; undefined where it does not pay, or nothing was. Where there are connections, later packets of one rarely go down a tree (assembly/classify/known.ts): each of its directions is there once. */
  trafficFor(rules: Partial<Record<Family, RuleSet>>): Traffic | undefined {
    if (this.#packets === 0 || countRules(rules) < MANY_RULES) return undefined;
    const words = this.#words.subarray(0, this.#packets * abi.FIELD_COUNT);
    const tracked = [rules[4], rules[6]].some((ruleset) => ruleset !== undefined && needsConntrack(ruleset));
    return { words: tracked ? firstOfEach(words) : words, known: KNOWN };
  }
}

/** Packets of which none before had the same tuple. */
function firstOfEach(words: Uint32Array): Uint32Array {
  const known = new Set<string>();
  const kept = new Uint32Array(words.length);
  let length = 0;
  for (let start = 0; start < words.length; start += abi.FIELD_COUNT) {
    const key = TUPLE.map((field) => words[start + field]).join();
    if (known.has(key)) continue;
    known.add(key);
    kept.set(words.subarray(start, start + abi.FIELD_COUNT), length);
    length += abi.FIELD_COUNT;
  }
  return kept.subarray(0, length);
}

interface Carrier {
  family: Family;
  source: Words;
  destination: Words;
  protocol: number;
  fragment: number;
  length: number;
  /** Where the transport header begins. */
  transport: number;
  ttl: number;
  tos: number;
}

/** False where the packet cannot be read. */
function readFields(bytes: Uint8Array, words: Uint32Array): boolean {
  const carrier = (bytes[0] ?? 0) >> 4 === 6 ? readSix(bytes) : readFour(bytes);
  if (carrier === undefined) return false;
  const { family, source, destination, protocol, fragment, length, transport, ttl, tos } = carrier;
  const left = Math.max(0, length - transport);
  const byte = (at: number): number => (at < left ? (bytes[transport + at] ?? 0) : 0);
  words[abi.FIELD_FAMILY] = family;
  words[abi.FIELD_PROTOCOL] = protocol;
  words[abi.FIELD_FRAGMENT] = fragment;
  words[abi.FIELD_LENGTH] = length;
  words[abi.FIELD_TTL] = ttl;
  words[abi.FIELD_TOS] = tos;
  words[abi.FIELD_L4_LENGTH] = left;
  words[abi.FIELD_SPORT] = left >= 2 ? byte(0) * 256 + byte(1) : 0;
  words[abi.FIELD_DPORT] = left >= 4 ? byte(2) * 256 + byte(3) : 0;
  words[abi.FIELD_ICMP_TYPE] = left >= 2 ? byte(0) : 0;
  words[abi.FIELD_ICMP_CODE] = left >= 2 ? byte(1) : 0;
  words[abi.FIELD_TCP_FLAGS] = left >= 14 ? byte(13) & 0x3f : 0;
  words.set(source, abi.FIELD_SOURCE);
  words.set(destination, abi.FIELD_DESTINATION);
  return true;
}

function readFour(bytes: Uint8Array): Carrier | undefined {
  if (ipv4.checkHeader(bytes) !== null) return undefined;
  return {
    family: 4,
    source: ipv4.source(bytes),
    destination: ipv4.destination(bytes),
    protocol: ipv4.protocol(bytes),
    fragment: ipv4.fragmentOffset(bytes),
    length: ipv4.totalLength(bytes),
    transport: ipv4.headerLength(bytes),
    ttl: ipv4.ttl(bytes),
    tos: ipv4.tos(bytes),
  };
}

function readSix(bytes: Uint8Array): Carrier | undefined {
  if (bytes.length < ipv6.HEADER_LENGTH) return undefined;
  const upper = ipv6.findUpper(bytes);
  if (upper === null) return undefined;
  return {
    family: 6,
    source: ipv6.source(bytes),
    destination: ipv6.destination(bytes),
    protocol: upper.protocol,
    fragment: upper.fragmentOffset,
    length: ipv6.payloadLength(bytes) + ipv6.HEADER_LENGTH,
    transport: upper.offset,
    ttl: ipv6.hopLimit(bytes),
    tos: ipv6.trafficClass(bytes),
  };
}
