/** Session descriptions in SIP (RFC 4566), and the streams of RTP and RTCP that they announce: process_sdp of net/netfilter/nf_conntrack_sip.c. */
import type { Words } from '../../../model/ruleset.ts';
import { sameWords } from '../../../packet/bytes.ts';
import { opposite } from '../connection.ts';
import { UDP } from '../tuple.ts';
import { type Seen, thisSource, tupleIn } from './helper.ts';
import { connectionLine, MEDIA, type SipText, VERSION } from './sip-text.ts';

type Verdict = 'accept' | 'drop';

/** Kinds of media and the class of what is expected of them. As many descriptions are looked at. */
const KINDS: readonly (readonly [string, number])[] = [
  ['audio ', 1],
  ['video ', 2],
  ['image ', 3],
];
const LEAST_PORT = 1024;

/** Everything the message describes. `drop`: it cannot be read, or not be expected. */
export function expectMedia(message: SipText, seen: Seen<unknown>): Verdict {
  const version = message.description(VERSION, 0);
  if (version === null || 'bad' in version) return 'accept';
  const session = addressIn(message, version.at);
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
    const address = addressIn(message, place) ?? session;
    if (port < LEAST_PORT || port > 65535 || address === null) return 'drop';
    if (expectStreams(seen, address, port, kind[1]) === 'drop') return 'drop';
    described++;
  }
  return 'accept';
}

/** Of the session, or of one of its media: before the next one. */
function addressIn(message: SipText, from: number): Words | null {
  const found = message.description(connectionLine(message.family), from, MEDIA.name);
  return found === null || 'bad' in found ? null : (message.address(found.at, false)?.address ?? null);
}

/** set_expected_rtp_rtcp: an even port and the one behind it. */
function expectStreams(seen: Seen<unknown>, destination: Words, port: number, kind: number): Verdict {
  const { direction } = seen;
  if (!sameWords(destination, tupleIn(seen, direction).source)) return 'accept';
  const { source } = tupleIn(seen, opposite(direction));
  const foreseen = (destinationPort: number) => ({
    tuple: { protocol: UDP, source, sourcePort: 0, destination, destinationPort },
    mask: thisSource(source),
    kind,
    anyMaster: true,
  });
  // The same call over another connection.
  const other = seen.expectedAlready(foreseen(port).tuple);
  if (other !== undefined && other.kind === kind && seen.isOfOther(other)) return 'accept';
  const rtp = seen.expect(foreseen(port & ~1));
  if (rtp !== 'expected' && rtp !== 'already') return 'drop';
  const rtcp = seen.expect(foreseen((port & ~1) + 1));
  if (rtcp === 'expected' || rtcp === 'already') return 'accept';
  if (rtp === 'expected') seen.unexpect();
  return 'drop';
}
