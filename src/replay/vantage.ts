/** Where a capture was taken, told from its first packets alone: what a router sends on looks as if it were its own, or comes twice (model/vantage.ts has what connections tell). */
import { formatAddress } from '../model/address.ts';
import type { Host } from '../model/host.ts';
import { setsHops, translatesSources } from '../model/nat.ts';
import type { Family, RuleSet } from '../model/ruleset.ts';
import { copiesNote, FORWARDED_TTLS, forwardedNote } from '../model/vantage.ts';
import type { Frame } from '../model/witness.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { carriedBytes, type Link, readLink } from '../packet/link.ts';

/** How many frames are looked at. */
export const VANTAGE_FRAMES = 2_000;

/** Nanoseconds within which a router sends on what came in. */
const FORWARDING = 10_000_000n;

interface Sent {
  family: Family;
  source: string;
  ttl: number;
  /** Equal for a packet and itself one router further on: all its bytes but TTL and header checksum. */
  key: string;
}

/** Notes about the first frames of the captures, for these rules and this host; mostly none. */
export function lookAtVantage(frames: readonly Frame[], rules: readonly RuleSet[], host: Host): string[] {
  const own = new Set(host.interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => formatAddress(address))));
  // Where rules set it, the TTL says nothing of the way.
  const translating = new Set(rules.filter((half) => translatesSources(half) && !setsHops(half)).map(({ family }) => family));
  const came = new Map<string, { ttl: number; time: bigint }>();
  const copies = { packets: 0, first: 0 };
  const forwarded = { packets: 0, first: 0 };
  for (const [index, frame] of frames.slice(0, VANTAGE_FRAMES).entries()) {
    const link = readLink(frame);
    const sent = link.kind === 'ip' ? readSent(carriedBytes(frame.bytes, link)) : undefined;
    if (link.kind !== 'ip' || sent === undefined) continue;
    const { family, source, ttl, key } = sent;
    if (own.has(source)) {
      // Of what went out connections tell.
      const told = !host.forward && isOutgoing(frame, link, host);
      if (!told && translating.has(family) && FORWARDED_TTLS.has(ttl) && forwarded.packets++ === 0) forwarded.first = index + 1;
      continue;
    }
    if (isOutgoing(frame, link, host) && knowsCopies(host, frame, link)) continue;
    if (key === '') continue;
    const before = came.get(key);
    const since = before === undefined ? -1n : frame.time - before.time;
    if (before?.ttl === ttl + 1 && since >= 0n && since <= FORWARDING && copies.packets++ === 0) copies.first = index + 1;
    came.set(key, { ttl, time: frame.time });
  }
  return [...forwardedNote(forwarded), ...copiesNote(copies)];
}

/** The capture says of a packet that it went out: the replay knows it for a copy, but of a router whose packets all arrive at --in. */
const knowsCopies = (host: Host, frame: Frame, link: Link): boolean =>
  !host.forward ||
  (host.recordedWays === true &&
    (frame.interfaceName !== undefined || host.interfaces.some(({ index }) => index !== undefined && index === link.device)));

/** As reference/way.ts has it. */
function isOutgoing(frame: Frame, link: Link, { interfaces, forward }: Host): boolean {
  if (link.recordedType !== undefined) return link.recordedType === 'outgoing';
  if (frame.direction !== undefined) return frame.direction === 'out';
  return (
    !forward && interfaces.some(({ mac }) => mac !== undefined && link.sourceMac?.every((byte, i) => byte === mac[i]) === true)
  );
}

function readSent(bytes: Uint8Array): Sent | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && ipv4.checkHeader(bytes) === null) {
    const [first, second] = [latin(bytes.subarray(0, 8)), latin(bytes.subarray(12))];
    // Without an identification two packets may be the same without being one.
    const key = (bytes[4] ?? 0) === 0 && (bytes[5] ?? 0) === 0 ? '' : `${bytes[9]} ${first}${second}`;
    return { family: 4, source: formatAddress(ipv4.source(bytes)), ttl: ipv4.ttl(bytes), key };
  }
  if (version === 6 && bytes.length >= ipv6.HEADER_LENGTH) {
    const key = `${latin(bytes.subarray(0, 7))}${latin(bytes.subarray(8))}`;
    return { family: 6, source: formatAddress(ipv6.source(bytes)), ttl: ipv6.hopLimit(bytes), key };
  }
  return undefined;
}

const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
