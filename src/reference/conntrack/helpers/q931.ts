/** Q.931 with H.225.0's user-user information (net/netfilter/nf_conntrack_h323_main.c of 6.18; callforward_filter on, as it is by default): calls, and where H.245 and streams will be heard. */
import {
  H323_USER_INFORMATION,
  ROLE_ALTERNATIVE,
  ROLE_CALLED,
  ROLE_CALLER,
  ROLE_FAST_START,
  ROLE_FORWARDED,
  ROLE_H245,
  ROLE_TUNNELLED,
} from '../../../abi/h323.ts';
import { HELPER_H245, HELPER_Q931 } from '../../../abi/helpers.ts';
import { u8, u16 } from '../../../packet/bytes.ts';
import { opposite } from '../connection.ts';
import { TCP } from '../tuple.ts';
import { expectChannels } from './h245.ts';
import { expectAt, ownPlaceIn, placeIn, SECONDS, toSpeaker } from './h323-expect.ts';
import { expectHiddenForwarded, expectSignalling, isHidden, isRewritten, tellParties } from './h323-nat.ts';
import { type Kept, readMessage } from './h323-per.ts';
import { rememberTpkt, type StreamSaid, type TpktMemory, tpkts } from './h323-tpkt.ts';
import { type Helper, tupleIn } from './helper.ts';

const DISCRIMINATOR = 8;
const USER_USER = 0x7e;

export const q931: Helper<TpktMemory> = {
  name: 'Q.931',
  policy: { most: 20, seconds: SECONDS },
  remember: rememberTpkt,

  help(seen) {
    if (seen.state !== 'ESTABLISHED') return 'accept';
    for (const said of tpkts(seen)) {
      const { message } = said;
      const place = userInformation(message);
      const kept = place === null ? null : readMessage(H323_USER_INFORMATION, message.subarray(0, place.end), place.from);
      if (kept === null) break;
      if (!readCall(kept, said)) return 'drop';
    }
    return 'accept';
  },
};

/** DecodeQ931: behind the call's reference and the message's type, among the information elements, which it takes to have lengths all. */
function userInformation(message: Uint8Array): { from: number; end: number } | null {
  const { length } = message;
  if (length < 2 || u8(message, 0) !== DISCRIMINATOR) return null;
  const type = 2 + u8(message, 1);
  if (type + 2 > length) return null;
  let at = type + 1;
  if (u8(message, at) >= 0x80) at++;
  while (at < length) {
    if (u8(message, at) === USER_USER) {
      if (at + 3 > length) return null;
      const end = at + 3 + u16(message, at + 1);
      // Behind the length stands a protocol discriminator.
      return end > length || end <= at + 4 ? null : { from: at + 4, end };
    }
    if (at + 2 > length) return null;
    at += 2 + u8(message, at + 1);
  }
  return null;
}

function readCall(kept: Kept, said: StreamSaid): boolean {
  const understood = kept.first(ROLE_FORWARDED) === undefined ? readBody(kept, said) : expectForwarded(kept, said);
  const tunnelled = kept.first(ROLE_TUNNELLED)?.parts ?? [];
  return understood && tunnelled.every((control) => expectChannels(control.kept, said));
}

function readBody(kept: Kept, said: StreamSaid): boolean {
  const { seen } = said;
  const control = kept.first(ROLE_H245);
  const place = ownPlaceIn(control, said);
  if (place !== null && isHidden(seen)) expectSignalling(control, said, place, { assigns: HELPER_H245 });
  else if (place !== null && !expectAt(seen, TCP, toSpeaker(seen, place.port), { assigns: HELPER_H245 })) return false;
  if (isRewritten(seen)) tellParties(kept.first(ROLE_CALLED), kept.first(ROLE_CALLER), said);
  const offered = kept.first(ROLE_FAST_START);
  return offered === undefined || expectChannels(offered, said);
}

/** callforward_filter: not where the way there is the one that leads to the other side itself, which may be that of a router. */
function expectForwarded(kept: Kept, said: StreamSaid): boolean {
  const { seen } = said;
  const alternative = kept.first(ROLE_ALTERNATIVE);
  const place = placeIn(alternative, said);
  if (place === null || place.port === 0) return true;
  if (seen.onSameSide(place.address, tupleIn(seen, opposite(seen.direction)).source)) return true;
  if (!isHidden(seen)) return expectAt(seen, TCP, place, { assigns: HELPER_Q931 });
  expectHiddenForwarded(alternative, said, place, HELPER_Q931);
  return true;
}
