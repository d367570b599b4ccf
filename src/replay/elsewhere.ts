/** A host model that is not the capture's: packets that are neither to nor from its addresses, and what they say of the machine that captured them. Node only. */

import { formatAddress } from '../model/address.ts';
import { count as total } from '../model/count.ts';
import type { Host } from '../model/host.ts';
import type { Words } from '../model/ruleset.ts';
import type { Frame, ReplayResult } from '../model/witness.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { carriedBytes, readLink } from '../packet/link.ts';
import { CaptureOpenError, isReadOnce } from './open.ts';
import { forEachFrame } from './replay.ts';

/** How many frames are looked at. */
const FRAMES = 2_000;
/** An address in so many of the packets is taken for that of the machine. */
const NEARLY_ALL = 0.9;
/** Addresses of the host that a note names. */
const NAMED = 4;

/**
 * Notes about captures of a host that was told, once they are judged: nothing went out from its addresses (but answers to what was refused, which are known by that), so that the first
 * packets are worth a look. A router that only forwards says nothing of itself, and is not told: what comes in there from an address goes back to it.
 * What has been judged is not lost when a capture is gone by then: there is no note.
 */
export async function elsewhereNotes(
  captures: readonly string[],
  host: Host,
  { captures: infos, hooks, unseen, answers }: ReplayResult,
): Promise<string[]> {
  const own = host.interfaces.flatMap(({ name, addresses }) =>
    name === 'lo' ? [] : addresses.map(({ address }) => formatAddress(address)),
  );
  const strange = hooks.FORWARD + (unseen['for another host'] ?? 0);
  if (host.forward || host.guessed || own.length === 0 || hooks.OUTPUT > answers || strange === 0) return [];
  const again = captures.filter((path, index) => !isReadOnce(path) && infos[index]?.damage?.unread !== true);
  const sights = new Sights(host, new Set(own));
  try {
    await forEachFrame(again, (frame, index) => {
      sights.see(frame);
      return index + 1 < FRAMES && !sights.isOwn;
    });
  } catch (error) {
    if (!(error instanceof CaptureOpenError)) throw error;
    return [];
  }
  const seen = sights.told();
  if (seen === undefined) return [];
  const named = own.length > NAMED ? `${own.slice(0, NAMED).join(', ')} and ${own.length - NAMED} more` : own.join(', ');
  return [
    `none of the first ${total(sights.packets)} packets is to or from an address of this host (${named}); ${seen}: were --addr or --local taken from another machine than the capture?`,
  ];
}

/** What first packets tell; those to groups and to everybody left out. */
class Sights {
  packets = 0;
  /** One is to or from the host, or its frame is. */
  isOwn = false;
  readonly #host: Host;
  readonly #own: ReadonlySet<string>;
  readonly #cameFrom = new Set<string>();
  readonly #cameTo = new Set<string>();
  readonly #sentBy = new Set<string>();
  readonly #ends = new Map<string, { count: number; address: Words }>();
  #tellsWays = true;

  constructor(host: Host, own: ReadonlySet<string>) {
    this.#host = host;
    this.#own = own;
  }

  see(frame: Frame): void {
    const link = readLink(frame);
    const ends = link.kind === 'ip' && !link.loopback ? endsOf(carriedBytes(frame.bytes, link)) : undefined;
    if (link.kind !== 'ip' || ends === undefined) return;
    this.packets++;
    const [source, destination] = ends.map(formatAddress) as [string, string];
    const isOfHost = (mac: readonly number[] | null): boolean =>
      this.#host.interfaces.some((one) => one.mac !== undefined && mac !== null && one.mac.every((byte, i) => byte === mac[i]));
    this.isOwn ||=
      this.#own.has(source) || this.#own.has(destination) || isOfHost(link.sourceMac) || isOfHost(link.destinationMac);
    for (const [at, name] of [source, destination].entries()) {
      const end = this.#ends.get(name) ?? { count: 0, address: ends[at]! };
      end.count++;
      this.#ends.set(name, end);
    }
    const way = link.recordedType === undefined ? frame.direction : link.recordedType === 'outgoing' ? 'out' : 'in';
    if (way === 'out') {
      this.#sentBy.add(source);
    } else {
      this.#tellsWays &&= way === 'in';
      this.#cameFrom.add(source);
      this.#cameTo.add(destination);
    }
  }

  /** What speaks for another machine; undefined: nothing does. */
  told(): string | undefined {
    if (this.isOwn || this.packets === 0) return undefined;
    const sent = [...this.#sentBy].filter((address) => !this.#cameFrom.has(address));
    if (sent.length > 0) return `what went out came from ${listed(sent)}`;
    const taken = [...this.#cameTo];
    if (this.#tellsWays && taken.every((address) => !this.#cameFrom.has(address))) return `what came in was for ${listed(taken)}`;
    if (this.#tellsWays) return undefined;
    const [most] = [...this.#ends].sort(([, a], [, b]) => b.count - a.count);
    const [name, { count, address }] = most!;
    // A neighbour of a router may well be all that talks.
    if (count < this.packets * NEARLY_ALL || this.#isNeighbour(address)) return undefined;
    return `${name} stands in ${total(count)} of them`;
  }

  #isNeighbour(address: Words): boolean {
    return this.#host.interfaces.some(({ name, addresses }) =>
      addresses.some(
        (one) => name !== 'lo' && one.address.length === address.length && commonBits(one.address, address) >= one.prefix,
      ),
    );
  }
}

const listed = (addresses: readonly string[]): string =>
  addresses.length > NAMED
    ? `${addresses.slice(0, NAMED).join(', ')} and ${addresses.length - NAMED} more`
    : addresses.join(', ');

function commonBits(one: Words, other: Words): number {
  const at = one.findIndex((word, i) => word !== other[i]);
  return at < 0 ? one.length * 32 : at * 32 + Math.clz32(one[at]! ^ other[at]!);
}

/** Source and destination of a packet from one host to one other. */
function endsOf(bytes: Uint8Array): [Words, Words] | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && ipv4.checkHeader(bytes) === null) {
    const [source, destination] = [ipv4.source(bytes), ipv4.destination(bytes)];
    return destination[0]! >>> 28 < 14 && source[0] !== 0 ? [source, destination] : undefined;
  }
  if (version !== 6 || bytes.length < ipv6.HEADER_LENGTH) return undefined;
  const [source, destination] = [ipv6.source(bytes), ipv6.destination(bytes)];
  return ipv6.isUnicast(source) && ipv6.isUnicast(destination) ? [source, destination] : undefined;
}
