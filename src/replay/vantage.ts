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

/** Where the checksums of ICMP, TCP and UDP lie. */
const CHECKSUM_AT: ReadonlyMap<number, number> = new Map([
  [1, 2],
  [6, 16],
  [17, 6],
]);

interface Sent {
  family: Family;
  source: string;
  ttl: number;
  /** Equal for a packet and itself one router further on: all its bytes but TTL and header checksum. */
  key: string;
  /** The same without what a translation changes: addresses, ports and checksums. '' where that does not tell packets from each other. */
  inner: string;
}

/** What the first frames tell. */
export interface Sight {
  /** Notes of the report; mostly none. */
  notes: string[];
  /** Of a router of which nothing else is known (`forward`): the capture says of packets that came in and were sent on that they went out, too; the number of the first copy. */
  sentOn?: number;
}

/** Looks at the first frames of the captures, for these rules and this host. */
export function lookAtVantage(frames: readonly Frame[], rules: readonly RuleSet[], host: Host): Sight {
  const own = new Set(host.interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => formatAddress(address))));
  // Where rules set it, the TTL says nothing of the way.
  const translating = new Set(rules.filter((half) => translatesSources(half) && !setsHops(half)).map(({ family }) => family));
  const came = new Came();
  const copies = { packets: 0, first: 0 };
  const forwarded = { packets: 0, first: 0 };
  let sentOn: number | undefined;
  for (const [index, frame] of frames.slice(0, VANTAGE_FRAMES).entries()) {
    const link = readLink(frame);
    const sent = link.kind === 'ip' ? readSent(carriedBytes(frame.bytes, link)) : undefined;
    if (link.kind !== 'ip' || sent === undefined) continue;
    if (isOutgoing(frame, link, host)) {
      // Of what went out connections tell, or the device.
      if (host.forward && !knowsCopies(host, frame, link) && came.asOther(sent, frame.time)) sentOn ??= index + 1;
      continue;
    }
    if (own.has(sent.source)) {
      if (translating.has(sent.family) && FORWARDED_TTLS.has(sent.ttl) && forwarded.packets++ === 0) forwarded.first = index + 1;
      continue;
    }
    if (came.asItself(sent, frame.time) && copies.packets++ === 0) copies.first = index + 1;
    came.see(sent, frame.time);
  }
  return { notes: [...forwardedNote(forwarded), ...copiesNote(copies)], ...(sentOn !== undefined && { sentOn }) };
}

/** Packets that came in. */
class Came {
  readonly #seen = new Map<string, { ttl: number; time: bigint }>();

  see({ key, inner, ttl }: Sent, time: bigint): void {
    for (const one of [key, inner]) if (one !== '') this.#seen.set(one, { ttl, time });
  }

  /** It came shortly before, one router earlier. */
  asItself({ key, ttl }: Sent, time: bigint): boolean {
    return this.#has(key, ttl, time);
  }

  /** The same where its addresses may have been translated. */
  asOther({ key, inner, ttl }: Sent, time: bigint): boolean {
    return this.#has(key, ttl, time) || this.#has(inner, ttl, time);
  }

  #has(key: string, ttl: number, time: bigint): boolean {
    const before = this.#seen.get(key);
    const since = before === undefined ? -1n : time - before.time;
    return before?.ttl === ttl + 1 && since >= 0n && since <= FORWARDING;
  }
}

/** A packet of a router whose device the capture names, and nobody else: if it went out, it is known for a copy. */
const knowsCopies = (host: Host, frame: Frame, link: Link): boolean =>
  host.recordedWays === true &&
  (frame.interfaceName !== undefined || host.interfaces.some(({ index }) => index !== undefined && index === link.device));

/** As reference/way.ts has it. */
export function isOutgoing(frame: Frame, link: Link, { interfaces, forward }: Host): boolean {
  if (link.loopback || frame.interfaceName === 'lo') return false;
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
    const inner =
      key === ''
        ? ''
        : `${bytes[9]} ${latin(bytes.subarray(2, 8))}${withoutPorts(bytes[9]!, bytes.subarray(ipv4.headerLength(bytes)))}`;
    return { family: 4, source: formatAddress(ipv4.source(bytes)), ttl: ipv4.ttl(bytes), key, inner };
  }
  if (version === 6 && bytes.length >= ipv6.HEADER_LENGTH) {
    const key = `${latin(bytes.subarray(0, 7))}${latin(bytes.subarray(8))}`;
    return { family: 6, source: formatAddress(ipv6.source(bytes)), ttl: ipv6.hopLimit(bytes), key, inner: '' };
  }
  return undefined;
}

/** A transport header and what follows, but for ports (or what stands for them) and checksum. */
function withoutPorts(protocol: number, transport: Uint8Array): string {
  const sum = CHECKSUM_AT.get(protocol);
  const kept =
    sum === undefined ? transport : transport.filter((_, at) => at > (protocol === 1 ? 5 : 3) && at !== sum && at !== sum + 1);
  return `|${latin(kept)}`;
}

const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
