/**
 * H.245 (net/netfilter/nf_conntrack_h323_main.c of 6.18): channels that are opened, and where their streams will be heard. It has a connection of its own, which Q.931 announces, or goes through Q.931's messages.
 * The kernel registers the helper for UDP; connections get it from what Q.931 makes expected.
 */
import { H245_MESSAGE, ROLE_ACKNOWLEDGED, ROLE_OPEN, ROLE_SEPARATE, ROLE_STACK, ROLE_STREAM } from '../../../abi/h323.ts';
import { TCP, UDP } from '../tuple.ts';
import { expectAt, foreseenAt, ownPlaceIn, SECONDS, toSpeaker } from './h323-expect.ts';
import { expectHidden, expectHiddenStreams, isHidden } from './h323-nat.ts';
import { type Kept, readMessage } from './h323-per.ts';
import { rememberTpkt, type StreamSaid, type TpktMemory, tpkts } from './h323-tpkt.ts';
import { expectPair, type Helper } from './helper.ts';

export const h245: Helper<TpktMemory> = {
  name: 'H.245',
  policy: { most: 18, seconds: SECONDS },
  remember: rememberTpkt,

  help(seen) {
    if (seen.state !== 'ESTABLISHED') return 'accept';
    for (const said of tpkts(seen)) {
      const kept = readMessage(H245_MESSAGE, said.message);
      if (kept === null) break;
      if (!expectChannels(kept, said)) return 'drop';
    }
    return 'accept';
  },
};

/** Those that are opened, or whose opening is acknowledged; false: not all of them can be expected. */
export function expectChannels(kept: Kept, said: StreamSaid): boolean {
  // A stack of its own is opened only for data of that kind.
  const opened = kept.all(ROLE_OPEN).every((one) => expectChannel(one, said, one.first(ROLE_SEPARATE) !== undefined));
  return opened && kept.all(ROLE_ACKNOWLEDGED).every((one) => expectChannel(one, said, true));
}

function expectChannel(channel: Kept, said: StreamSaid, separate: boolean): boolean {
  if (!channel.all(ROLE_STREAM).every((stream) => expectStreams(stream, said))) return false;
  const { seen } = said;
  const stack = channel.first(ROLE_STACK);
  const place = separate ? ownPlaceIn(stack, said) : null;
  if (place === null) return true;
  if (!isHidden(seen)) return expectAt(seen, TCP, toSpeaker(seen, place.port), { permanent: true });
  expectHidden(stack, said, place, { permanent: true });
  return true;
}

/** expect_rtp_rtcp: whichever of the two is announced. */
function expectStreams(stream: Kept, said: StreamSaid): boolean {
  const { seen } = said;
  const place = ownPlaceIn(stream, said);
  if (place === null) return true;
  if (isHidden(seen)) {
    expectHiddenStreams(stream, said, place);
    return true;
  }
  const [rtp, rtcp] = [place.port & ~1, place.port | 1].map((port) => foreseenAt(seen, UDP, toSpeaker(seen, port)));
  return expectPair(seen, rtp!, rtcp!, ['expected']) === 'expected';
}
