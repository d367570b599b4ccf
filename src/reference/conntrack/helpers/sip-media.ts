/** Session descriptions in SIP (RFC 4566), and the streams of RTP and RTCP that they announce: process_sdp of net/netfilter/nf_conntrack_sip.c, and what nf_nat_sip.c does with it, of 6.18. */

import type { Words } from '../../../model/ruleset.ts';
import { sameWords } from '../../../packet/bytes.ts';
import { opposite } from '../connection.ts';
import type { Foreseen } from '../expectations.ts';
import { UDP } from '../tuple.ts';
import { printAddress } from './address-text.ts';
import { expectPair, type Seen, thisSource, tupleIn } from './helper.ts';
import { seenAddress, tellThere } from './sip-nat.ts';
import { CONTENT_LENGTH, connectionLine, type Header, MEDIA, ownerLine, type Place, type SipText, VERSION } from './sip-text.ts';

type Verdict = 'accept' | 'drop';

/** Kinds of media and the class of what is expected of them. As many descriptions are looked at. */
const KINDS: readonly (readonly [string, number])[] = [
  ['audio ', 1],
  ['video ', 2],
  ['image ', 3],
];
const [LEAST_PORT, LAST_PORT] = [1024, 65535];

/** A stream: where it is sent to, and where the message tells its port. */
interface Stream {
  address: Words;
  port: number;
  kind: number;
  place: Place;
}

/** Everything the message describes. `drop`: it cannot be read, or not be expected. */
export function expectMedia(message: SipText, seen: Seen<unknown>): Verdict {
  const version = message.description(VERSION, 0);
  if (version === null || 'bad' in version) return 'accept';
  const session = addressIn(message, version.at);
  let last = session;
  let place = version.at;
  for (let described = 0; described < KINDS.length; ) {
    const media = message.description(MEDIA, place);
    if (media === null || 'bad' in media) break;
    place = media.at;
    const kind = KINDS.find(([word]) => media.length >= word.length && message.text.startsWith(word, media.at));
    if (kind === undefined) {
      place += media.length;
      continue;
    }
    place += kind[0].length;
    const port = message.number(place)?.value ?? 0;
    // 0 is a stream that is not used.
    if (port === 0) continue;
    const own = addressIn(message, place);
    const address = own ?? session;
    if (port < LEAST_PORT || port > LAST_PORT || address === null) return 'drop';
    const length = media.length - kind[0].length;
    last = expectStreams(message, seen, { address, port, kind: kind[1], place: { at: place, length } });
    if (last === null) return 'drop';
    if (own !== null && seen.translated && tellAddress(message, seen, connectionLine(message.family), place, last) !== 'told')
      return 'drop';
    if (own !== null && seen.translated && !tellLength(message, seen)) return 'drop';
    described++;
  }
  return last === null || !seen.translated ? 'accept' : tellSession(message, seen, version.at, last);
}

/** nf_nat_sdp_session: who describes, and where the session is, become that of the last stream. */
function tellSession(message: SipText, seen: Seen<unknown>, from: number, address: Words): Verdict {
  if (tellAddress(message, seen, ownerLine(message.family), from, address) !== 'told') return 'drop';
  if (tellAddress(message, seen, connectionLine(message.family), from, address) === 'too long') return 'drop';
  return tellLength(message, seen) ? 'accept' : 'drop';
}

/** Of the session, or of one of its media: before the next one. */
function addressIn(message: SipText, from: number): Words | null {
  const found = message.description(connectionLine(message.family), from, MEDIA.name);
  return found === null || 'bad' in found ? null : (message.address(found.at, false)?.address ?? null);
}

function tellAddress(
  message: SipText,
  seen: Seen<unknown>,
  line: Header,
  from: number,
  address: Words,
): 'told' | 'nowhere' | 'too long' {
  const found = message.description(line, from, MEDIA.name);
  if (found === null || 'bad' in found) return 'nowhere';
  return tellThere(message, seen, found, printAddress(address)) ? 'told' : 'too long';
}

/** mangle_content_len: how long the description is now. False: the message does not say, or the packet would be too long. */
function tellLength(message: SipText, seen: Seen<unknown>): boolean {
  const version = message.description(VERSION, 0);
  const found = message.header(CONTENT_LENGTH, 0);
  if (version === null || 'bad' in version || found === null || 'bad' in found) return false;
  return tellThere(message, seen, found, String(message.end - version.at + VERSION.name.length));
}

const tellPort = (message: SipText, seen: Seen<unknown>, { place }: Stream, port: number): boolean =>
  tellThere(message, seen, place, String(port)) && tellLength(message, seen);

/** set_expected_rtp_rtcp: an even port and the one behind it. Out: the address that is told; null: the packet is dropped. */
function expectStreams(message: SipText, seen: Seen<unknown>, stream: Stream): Words | null {
  const { direction, translated } = seen;
  const { kind } = stream;
  if (!sameWords(stream.address, tupleIn(seen, direction).source)) return stream.address;
  const { source } = tupleIn(seen, opposite(direction));
  const foreseen = (destination: Words, destinationPort: number): Foreseen => ({
    tuple: { protocol: UDP, source, sourcePort: 0, destination, destinationPort },
    mask: thisSource(source),
    kind,
    anyMaster: true,
  });
  // The same call over another connection; translated like this one, it tells where its stream really goes.
  let { address, port } = stream;
  let direct = false;
  let known = false;
  while (!known) {
    const other = seen.expectedAlready(foreseen(address, port).tuple);
    if (other === undefined || other.kind !== kind || !seen.isOfOther(other)) break;
    const { tuple, follows } = other;
    const saved = follows !== null && 'address' in follows ? follows : null;
    const differs = saved === null || !sameWords(saved.address, tuple.destination) || saved.port !== tuple.destinationPort;
    if (direct || !differs || !translated) known = true;
    else {
      address = saved?.address ?? address.map(() => 0);
      port = saved?.port ?? 0;
      direct = true;
    }
  }
  const even = port & ~1;
  if (direct && !tellPort(message, seen, stream, even)) return null;
  if (known) return address;
  if (translated && !direct) return expectSeen(message, seen, { ...stream, port: even }, foreseen);
  return expectPair(seen, foreseen(address, even), foreseen(address, even + 1), ['expected', 'already']) === 'expected'
    ? address
    : null;
}

/** nf_nat_sdp_media: streams to where the other side sees the sender, to the first pair of ports that is free. */
function expectSeen(
  message: SipText,
  seen: Seen<unknown>,
  stream: Stream,
  foreseen: (destination: Words, port: number) => Foreseen,
): Words | null {
  const { address } = stream;
  const destination = seenAddress(seen, address);
  const follows = (port: number) => ({ follows: { direction: opposite(seen.direction), address, port, media: true } });
  for (let port = stream.port; port <= LAST_PORT; port += 2) {
    const rtp = { ...foreseen(destination, port), ...follows(stream.port) };
    const rtcp = { ...foreseen(destination, port + 1), ...follows(stream.port + 1) };
    const answer = expectPair(seen, rtp, rtcp, ['expected']);
    if (answer === 'busy') continue;
    if (answer !== 'expected') return null;
    if (port === stream.port || tellPort(message, seen, stream, port)) return destination;
    seen.unexpect();
    seen.unexpect();
    return null;
  }
  return null;
}
