/**
 * Whether the captures were taken where devices make the checksums (veth, virtio, what GRO put together): then the kernel knows which are unfinished, and asks nobody else for them. Guessed from what came in: what the host
 * itself sends is unfinished on nearly every machine, and never asked.
 */

import { CaptureReader } from '../capture/frames.ts';
import { formatAddress } from '../model/address.ts';
import { count } from '../model/count.ts';
import type { Host } from '../model/host.ts';
import type { Profile } from '../model/profile.ts';
import type { Frame } from '../model/witness.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { carriedBytes, readLink } from '../packet/link.ts';
import { isUnfinished } from '../packet/unfinished.ts';
import { isReadOnce } from './open.ts';
import { beginningOf, type Prepared } from './replay.ts';
import { isOutgoing } from './vantage.ts';

/** A wire brings no larger packets; what put smaller ones together leaves the checksum of the whole unfinished. */
const WIRE_MOST = 1500;
/** What is looked at: captures, frames of each, which may be as large as 64 KiB, and so many bytes at a time. Each costs time before anything is judged. */
const MOST_CAPTURES = 8;
const MOST_FRAMES = 200;
const MOST_BYTES = 1 << 19;
const STEP = 1 << 13;
/** TCP and UDP. */
const SUMMED: readonly number[] = [6, 17];

/** What one address sent that came in. */
interface Sender {
  unfinished: number;
  finished: number;
  large: boolean;
}

/** One unfinished checksum may be an accident, or made by hand. */
const leaves = ({ unfinished, finished, large }: Sender): boolean => large || (unfinished > 1 && unfinished > finished);

/** Looks at frames one by one, and keeps none. */
export class OffloadGuess {
  readonly #host: Host;
  readonly #own: ReadonlySet<string>;
  readonly #senders = new Map<string, Sender>();

  constructor(host: Host) {
    this.#host = host;
    this.#own = new Set(
      host.interfaces.flatMap(({ addresses }) => addresses.map(({ address, family }) => `${family} ${formatAddress(address)}`)),
    );
  }

  see(frame: Frame): void {
    const link = readLink(frame);
    if (link.kind !== 'ip' || link.loopback || isOutgoing(frame, link, this.#host)) return;
    const packet = readPacket(carriedBytes(frame.bytes, link));
    if (packet === undefined) return;
    const name = `${packet.family} ${formatAddress(packet.source)}`;
    if (this.#own.has(name)) return;
    const sender = this.#senders.get(name) ?? { unfinished: 0, finished: 0, large: false };
    this.#senders.set(name, sender);
    if (!isUnfinished(packet)) {
      sender.finished++;
      return;
    }
    sender.unfinished++;
    sender.large ||= packet.length > WIRE_MOST;
  }

  /** Addresses whose checksums came unfinished. */
  get senders(): string[] {
    return [...this.#senders].filter(([, sender]) => leaves(sender)).map(([name]) => name.slice(2));
  }
}

/** TCP and UDP, no fragments. */
function readPacket(bytes: Uint8Array) {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && ipv4.checkHeader(bytes) === null) {
    if (!SUMMED.includes(ipv4.protocol(bytes)) || ipv4.fragmentOffset(bytes) !== 0 || ipv4.moreFragments(bytes)) return undefined;
    const [source, destination] = [ipv4.source(bytes), ipv4.destination(bytes)];
    return { family: 4 as const, bytes, source, destination, length: ipv4.totalLength(bytes) };
  }
  if (version !== 6 || bytes.length < ipv6.HEADER_LENGTH) return undefined;
  const upper = ipv6.findUpper(bytes);
  if (upper === null || upper.fragment || !SUMMED.includes(upper.protocol)) return undefined;
  const [source, destination] = [ipv6.source(bytes), ipv6.destination(bytes)];
  return { family: 6 as const, bytes, source, destination, length: ipv6.payloadLength(bytes) + ipv6.HEADER_LENGTH };
}

/** How checksums are taken where the profile does not say so, and a note of why. Of what can be read once only what was read ahead is looked at. */
export async function withChecksums(prepared: Prepared, profile: Profile): Promise<{ prepared: Prepared; profile: Profile }> {
  if (profile.checksums !== undefined || profile.prestack === 'lenient') return { prepared, profile };
  const senders = await sendersOf(prepared);
  const checksums = senders.length === 0 ? 'wire' : 'offload';
  const notes = [...(prepared.notes ?? []), ...offloadNotes(senders)];
  return { prepared: notes.length === 0 ? prepared : { ...prepared, notes }, profile: { ...profile, checksums } };
}

async function sendersOf({ captures, host, ahead }: Prepared): Promise<string[]> {
  const guess = new OffloadGuess(host);
  for (const path of captures.slice(0, MOST_CAPTURES)) {
    const known = ahead?.path === path ? ahead.chunks : undefined;
    if (known === undefined && isReadOnce(path)) continue;
    show(known ?? [await beginningOf(path, MOST_BYTES)], guess);
  }
  return guess.senders;
}

/** The first frames. */
function show(chunks: readonly Uint8Array[], guess: OffloadGuess): void {
  let frames = 0;
  const reader = new CaptureReader((frame) => {
    if (frames++ < MOST_FRAMES) guess.see(frame);
  });
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length && frames < MOST_FRAMES; at += STEP) reader.push(chunk.subarray(at, at + STEP));
  }
}

function offloadNotes([first, ...others]: readonly string[]): string[] {
  if (first === undefined) return [];
  const also = others.length === 0 ? '' : ` and ${count(others.length)} more`;
  return [
    `packets of ${first}${also} came in with TCP or UDP checksums that a device was to make (veth, virtio, GRO): such count as right, whoever sent them, as for the kernel; --checksums wire takes all as their bytes say`,
  ];
}
