/** Addresses in messages of H.323, and connections to them that are expected: by whoever the speaker talks to. */
import { ROLE_IPV4, ROLE_IPV6 } from '../../../abi/h323.ts';
import type { Words } from '../../../model/ruleset.ts';
import { sameWords, u16, words } from '../../../packet/bytes.ts';
import { opposite } from '../connection.ts';
import type { Foreseen } from '../expectations.ts';
import type { Kept } from './h323-per.ts';
import { type Seen, thisSource, tupleIn } from './helper.ts';

/** A message in hand. */
export interface Said {
  seen: Seen<unknown>;
  message: Uint8Array;
  /** Where it began in the packet when that came, behind the begin of the transport header. */
  at: number;
}

export interface Place {
  address: Words;
  port: number;
}

/** How long the kernel expects what H.323 announces, seconds. */
export const SECONDS = 240;

/** The address that was kept, if it is one of the connection's family. */
export function placeIn(kept: Kept | undefined, { seen: { packet }, message }: Said): Place | null {
  const found = kept?.first(packet.family === 4 ? ROLE_IPV4 : ROLE_IPV6);
  if (found === undefined) return null;
  const count = packet.family === 4 ? 1 : 4;
  return { address: words(message, found.at, count), port: u16(message, found.at + count * 4) };
}

/** The same, if it is the speaker's own. Who is told a port is heard at it. */
export function ownPlaceIn(kept: Kept | undefined, said: Said): Place | null {
  const place = placeIn(kept, said);
  if (place === null || place.port === 0) return null;
  return sameWords(place.address, tupleIn(said.seen, said.seen.direction).source) ? place : null;
}

/** Of the other side, to the speaker: where answers go. */
export const toSpeaker = (seen: Seen<unknown>, port: number): Place => ({
  address: tupleIn(seen, opposite(seen.direction)).destination,
  port,
});

/** False: it cannot be expected. */
export function expectAt(
  seen: Seen<unknown>,
  protocol: number,
  place: Place,
  more: Pick<Foreseen, 'permanent' | 'assigns'> = {},
): boolean {
  return seen.expect({ ...foreseenAt(seen, protocol, place), ...more }) === 'expected';
}

/** What is expected: the other side calls. */
export function foreseenAt(seen: Seen<unknown>, protocol: number, { address, port }: Place): Foreseen {
  const { source } = tupleIn(seen, opposite(seen.direction));
  const tuple = { protocol, source, sourcePort: 0, destination: address, destinationPort: port };
  return { tuple, mask: thisSource(source) };
}
