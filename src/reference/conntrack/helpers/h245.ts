/**
 * H.245 (net/netfilter/nf_conntrack_h323_main.c of 6.18): channels that are opened, and where their streams will be heard. It has a connection of its own, which Q.931 announces, or goes through Q.931's messages.
 * The kernel registers the helper for UDP; connections get it from what Q.931 makes expected.
 */
import { H245_MESSAGE, ROLE_ACKNOWLEDGED, ROLE_OPEN, ROLE_SEPARATE, ROLE_STACK, ROLE_STREAM } from '../../../abi/h323.ts';
import { TCP, UDP } from '../tuple.ts';
import { expectAt, ownPlaceIn, type Said, SECONDS, toSpeaker } from './h323-expect.ts';
import { type Kept, readMessage } from './h323-per.ts';
import { rememberTpkt, type TpktMemory, tpkts } from './h323-tpkt.ts';
import type { Helper } from './helper.ts';

export const h245: Helper<TpktMemory> = {
  name: 'H.245',
  policy: { most: 18, seconds: SECONDS },
  remember: rememberTpkt,

  help(seen) {
    if (seen.state !== 'ESTABLISHED') return 'accept';
    for (const message of tpkts(seen)) {
      const kept = readMessage(H245_MESSAGE, message);
      if (kept === null) break;
      if (!expectChannels(kept, { seen, message })) return 'drop';
    }
    return 'accept';
  },
};

/** Those that are opened, or whose opening is acknowledged; false: not all of them can be expected. */
export function expectChannels(kept: Kept, said: Said): boolean {
  // A stack of its own is opened only for data of that kind.
  const opened = kept.all(ROLE_OPEN).every((one) => expectChannel(one, said, one.first(ROLE_SEPARATE) !== undefined));
  return opened && kept.all(ROLE_ACKNOWLEDGED).every((one) => expectChannel(one, said, true));
}

function expectChannel(channel: Kept, said: Said, separate: boolean): boolean {
  if (!channel.all(ROLE_STREAM).every((stream) => expectStreams(stream, said))) return false;
  const stack = separate ? ownPlaceIn(channel.first(ROLE_STACK), said) : null;
  return stack === null || expectAt(said.seen, TCP, toSpeaker(said.seen, stack.port), { permanent: true });
}

/** expect_rtp_rtcp: whichever of the two is announced. */
function expectStreams(stream: Kept, said: Said): boolean {
  const { seen } = said;
  const place = ownPlaceIn(stream, said);
  if (place === null) return true;
  if (!expectAt(seen, UDP, toSpeaker(seen, place.port & ~1))) return false;
  if (expectAt(seen, UDP, toSpeaker(seen, place.port | 1))) return true;
  seen.unexpect();
  return false;
}
