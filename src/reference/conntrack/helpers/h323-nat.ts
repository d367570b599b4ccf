/**
 * H.323 in IPv4 connections whose addresses are translated: net/ipv4/netfilter/nf_nat_h323.c of 6.18. Each side is told the addresses that it can reach, in as many bytes as before; what is expected is translated
 * like its master.
 */
import { ROLE_IPV4 } from '../../../abi/h323.ts';
import { sameWords } from '../../../packet/bytes.ts';
import { replaceData } from '../../nat/replace.ts';
import { opposite } from '../connection.ts';
import type { Foreseen } from '../expectations.ts';
import { TCP, UDP } from '../tuple.ts';
import { foreseenAt, type Place, placeIn, type Said, toSpeaker } from './h323-expect.ts';
import type { Kept } from './h323-per.ts';
import { expectPair, type Seen, tupleIn } from './helper.ts';
import { expectFreePort } from './translated.ts';

/** What is remembered of a connection, by direction: the port where the speaker is called, and what the other side is told instead; such pairs of streams, of RTP. 0: none. */
export interface Ports {
  signalling: [number, number];
  streams: [number, number][];
}

/** Pairs of streams. */
const CHANNELS = 4;
const LAST_PORT = 65535;

export const rememberPorts = (): Ports => ({
  signalling: [0, 0],
  streams: Array.from({ length: CHANNELS }, () => [0, 0] as [number, number]),
});

/** The message is to be rewritten, whoever speaks. */
export const isRewritten = ({ translated, packet }: Seen<unknown>): boolean => translated && packet.family === 4;

/** The other side sees the speaker of a stream at another address. */
export function isHidden(seen: Seen<unknown>): boolean {
  const { source } = tupleIn(seen, seen.direction);
  const { destination } = tupleIn(seen, opposite(seen.direction));
  return isRewritten(seen) && seen.connection.original.protocol === TCP && !sameWords(source, destination);
}

/** Another place is told than the one that was kept. */
export function tellPlace(kept: Kept | undefined, { seen, at }: Said, { address, port }: Place): void {
  const leaf = kept?.first(ROLE_IPV4);
  if (leaf === undefined) return;
  const [word = 0] = address;
  const bytes = [word >>> 24, word >>> 16, word >>> 8, word, port >> 8, port].map((byte) => String.fromCharCode(byte & 255));
  replaceData(seen.packet, seen.connection.original.protocol, at + leaf.at, bytes.length, bytes.join(''));
}

/** A connection to the speaker's place is expected where the other side sees it, at its port or at one that is free, `from` that on, which is told. Out: that; null: none is, and nothing is done. */
export function expectHidden(
  kept: Kept | undefined,
  said: Said,
  { port }: Place,
  more: Pick<Foreseen, 'permanent' | 'assigns'>,
  from = port,
): number | null {
  const { seen } = said;
  const follows = { direction: opposite(seen.direction), port, end: 'destination' } as const;
  const chosen = expectFreePort(seen, { ...foreseenAt(seen, TCP, toSpeaker(seen, from)), ...more, follows });
  if (chosen !== null) tellPlace(kept, said, toSpeaker(seen, chosen));
  return chosen;
}

/** The same for where calls are signalled: a port that was told before is told again. Out: something is expected. */
export function expectSignalling(
  kept: Kept | undefined,
  said: Said & { seen: Seen<{ ports: Ports }> },
  place: Place,
  more: Pick<Foreseen, 'permanent' | 'assigns'>,
): boolean {
  const { direction, memory } = said.seen;
  const { signalling } = memory.ports;
  const told = signalling[direction] === place.port ? signalling[opposite(direction)] : place.port;
  const chosen = expectHidden(kept, said, place, more, told);
  if (chosen === null) return false;
  signalling[direction] = place.port;
  signalling[opposite(direction)] = chosen;
  return true;
}

/** nat_rtp_rtcp: a pair of ports that is free. Where there is none, and behind the last of the pairs that are remembered, nothing is done. */
export function expectHiddenStreams(kept: Kept, said: Said & { seen: Seen<{ ports: Ports }> }, { port }: Place): void {
  const { seen } = said;
  const { direction } = seen;
  const there = opposite(direction);
  const even = port & ~1;
  const pair = seen.memory.ports.streams.find((known) => known[direction] === even || known[direction] === 0);
  if (pair === undefined || even === 0) return;
  const foreseen = (at: number, own: number): Foreseen => ({
    ...foreseenAt(seen, UDP, toSpeaker(seen, at)),
    follows: { direction: there, port: own, end: 'destination' },
  });
  for (let told = even; told < LAST_PORT; told += 2) {
    const answer = expectPair(seen, foreseen(told, even), foreseen(told + 1, even + 1), ['expected']);
    if (answer === 'busy') continue;
    if (answer !== 'expected') return;
    tellPlace(kept, said, toSpeaker(seen, told + (port & 1)));
    pair[direction] = even;
    pair[there] = told;
    return;
  }
}

/** nat_callforwarding: the call is expected where the other side sees the speaker. */
export function expectHiddenForwarded(kept: Kept | undefined, said: Said, { address, port }: Place, assigns: number): void {
  const { seen } = said;
  const follows = { direction: opposite(seen.direction), forwardedTo: address, port };
  const chosen = expectFreePort(seen, { ...foreseenAt(seen, TCP, toSpeaker(seen, port)), assigns, follows });
  if (chosen !== null) tellPlace(kept, said, toSpeaker(seen, chosen));
}

/** Who is called, and who calls, where those are not what the other side knows. */
export function tellParties(called: Kept | undefined, caller: Kept | undefined, said: Said): void {
  const other = tupleIn(said.seen, opposite(said.seen.direction));
  const to = placeIn(called, said);
  if (to !== null && !sameWords(to.address, other.source))
    tellPlace(called, said, { address: other.source, port: other.sourcePort });
  const from = placeIn(caller, said);
  if (from !== null && !sameWords(from.address, other.destination))
    tellPlace(caller, said, { address: other.destination, port: other.destinationPort });
}

/** set_ras_addr: the first that is where the speaker speaks from. */
export function tellRas(places: readonly (Kept | undefined)[], said: Said): void {
  const own = tupleIn(said.seen, said.seen.direction);
  const other = tupleIn(said.seen, opposite(said.seen.direction));
  for (const kept of places) {
    const place = placeIn(kept, said);
    if (place === null || !sameWords(place.address, own.source) || place.port !== own.sourcePort) continue;
    tellPlace(kept, said, { address: other.destination, port: other.destinationPort });
    return;
  }
}

/** set_sig_addr: the first that is where calls are signalled of either side. */
export function tellSignalling(places: readonly (Kept | undefined)[], said: Said & { seen: Seen<{ ports: Ports }> }): void {
  const { direction, memory } = said.seen;
  const own = tupleIn(said.seen, direction);
  const other = tupleIn(said.seen, opposite(direction));
  const port = memory.ports.signalling[opposite(direction)];
  for (const kept of places) {
    const place = placeIn(kept, said);
    if (place === null || place.port !== memory.ports.signalling[direction]) continue;
    if (sameWords(place.address, own.source)) {
      // An endpoint that names its loopback first means that.
      const instead = kept !== places[0] && isLoopback(places[0], said) ? places[0] : kept;
      tellPlace(instead, said, { address: other.destination, port });
      return;
    }
    if (!sameWords(place.address, own.destination)) continue;
    tellPlace(kept, said, { address: other.source, port });
    return;
  }
}

export function isLoopback(kept: Kept | undefined, said: Said): boolean {
  const [word = 0] = placeIn(kept, said)?.address ?? [];
  return word >>> 24 === 127;
}
