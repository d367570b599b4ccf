/** What HMARK hashes of a packet, as net/netfilter/xt_HMARK.c has it: the reference's. */
import type { Words } from '../model/ruleset.ts';
import { u32, words } from '../packet/bytes.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { jhash2 } from '../packet/jhash.ts';
import type { PacketView } from '../packet/view.ts';
import type { HmarkOptions } from './hmark-target.ts';

/** What is hashed: addresses by their masked words, 32 bits of ports or SPI, protocol. */
interface Hashed {
  source: Words;
  destination: Words;
  /** undefined: there are none, and nothing of the rule takes their place. */
  ports?: number;
  protocol: number;
}

const ICMP = 1;
const ICMPV6 = 58;
const AUTHENTICATION = 51;
/** TCP, UDP, DCCP, ESP, AH, SCTP, UDP-Lite. */
const WITH_PORTS: readonly number[] = [6, 17, 33, 50, AUTHENTICATION, 132, 136];
const ICMP_HEADER = 8;
/** ICMPv6 types below this one are errors. */
const FIRST_QUESTION = 128;
const ICMP_ERRORS: readonly number[] = [3, 4, 5, 11, 12];
const NOTHING: Hashed = { source: [], destination: [], protocol: 0 };

/** undefined: the mark stays as it is. `whole`: an extension header that is longer than the packet cannot be walked over. */
export function hashedMark(options: HmarkOptions, packet: PacketView, whole: boolean): number | undefined {
  const ofPacket = packet.family === 4 ? ofPacket4 : ofPacket6;
  const found = options.connection ? ofConnection(packet) : ofPacket(packet.bytes, whole);
  if (found === undefined) return undefined;
  const [low, high] = [folded(found.source, options.source), folded(found.destination, options.destination)].sort(
    (a, b) => a - b,
  ) as [number, number];
  const ports = found.ports === undefined ? 0 : swapped(((found.ports & options.mask) | options.set) >>> 0);
  const hash = (jhash2([low, high, ports], options.seed) ^ (found.protocol & options.protocolMask)) >>> 0;
  return Number(((BigInt(hash) * BigInt(options.modulus)) >> 32n) + BigInt(options.offset ?? 0)) % 2 ** 32;
}

/** IPv6 addresses are folded to one word. */
function folded(address: Words, mask: Words = []): number {
  return address.reduce((sum, word, index) => sum ^ (word & (mask[index] ?? 0)), 0) >>> 0;
}

/** Both directions hash alike: the larger port first. */
function swapped(ports: number): number {
  const [source, destination] = [ports >>> 16, ports & 0xffff];
  return (destination > source ? (destination << 16) | source : ports) >>> 0;
}

/** Who opened it and who answers. */
function ofConnection({ connection }: PacketView): Hashed | undefined {
  if (connection === null) return undefined;
  const { original, reply } = connection;
  const ports = ((original.sourcePort << 16) | reply.sourcePort) >>> 0;
  const ends = { source: original.source, destination: reply.source, protocol: original.protocol };
  return original.protocol === ICMP ? ends : { ...ends, ports };
}

/** Of an ICMP error: the packet it is about. */
function ofPacket4(bytes: Uint8Array): Hashed | undefined {
  const after = ipv4.headerLength(bytes);
  const isError = ipv4.protocol(bytes) === ICMP && bytes.length >= after + ICMP_HEADER && ICMP_ERRORS.includes(bytes[after]!);
  const inner = isError ? bytes.subarray(after + ICMP_HEADER) : bytes;
  if (inner.length < 20) return undefined;
  const protocol = ipv4.protocol(inner);
  const ends = { source: ipv4.source(inner), destination: ipv4.destination(inner), protocol };
  if (protocol === ICMP || ipv4.fragmentOffset(inner) !== 0 || ipv4.moreFragments(inner)) return ends;
  return withPorts(ends, inner, ipv4.headerLength(inner));
}

/** A chain that cannot be walked hashes as nothing at all; that of a quoted packet leaves the mark alone. */
function ofPacket6(bytes: Uint8Array, whole: boolean): Hashed | undefined {
  const outer = ipv6.findUpper(bytes, { stopAtAuthentication: true, whole });
  if (outer === null) return NOTHING;
  const type = outer.protocol === ICMPV6 && bytes.length >= outer.offset + ICMP_HEADER ? bytes[outer.offset]! : 0;
  if (outer.fragment || type === 0 || type >= FIRST_QUESTION) return upper6(bytes, outer);
  const inner = bytes.subarray(outer.offset + ICMP_HEADER);
  if (inner.length < ipv6.HEADER_LENGTH || ipv6.version(inner) !== 6) return undefined;
  const quoted = ipv6.findUpper(inner, { stopAtAuthentication: true, whole });
  return quoted === null ? undefined : upper6(inner, quoted);
}

function upper6(bytes: Uint8Array, { protocol, offset, fragment }: ipv6.Upper): Hashed {
  const ends = { source: words(bytes, 8, 4), destination: words(bytes, 24, 4), protocol };
  return protocol === ICMPV6 || fragment ? ends : withPorts(ends, bytes, offset);
}

/** Four bytes: two ports, or an SPI, which an authentication header has behind four others. */
function withPorts(ends: Hashed, bytes: Uint8Array, offset: number): Hashed {
  if (!WITH_PORTS.includes(ends.protocol)) return ends;
  const at = offset + (ends.protocol === AUTHENTICATION ? 4 : 0);
  return bytes.length < at + 4 ? ends : { ...ends, ports: u32(bytes, at) };
}
