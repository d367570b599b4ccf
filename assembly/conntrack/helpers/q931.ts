/** Q.931 (nf_conntrack_h323_main.c; nf_conntrack_h323_asn1.c, DecodeQ931): calls, and what they announce in their user-user information. */
import { CT_ESTABLISHED, FIELD_CT_STATE } from '../../../src/abi/fields';
import {
  H323_USER_INFORMATION,
  ROLE_ALTERNATIVE,
  ROLE_CALLED,
  ROLE_CALLER,
  ROLE_FAST_START,
  ROLE_FORWARDED,
  ROLE_H245,
  ROLE_TUNNELLED,
} from '../../../src/abi/h323';
import { HELPER_H245, HELPER_Q931 } from '../../../src/abi/helpers';
import { PROTOCOL_TCP } from '../entry';
import { expectChannels } from './h245';
import { decode, findKept, firstIn, nextTo } from './h323-decode';
import {
  beginMessages,
  expectToPlace,
  expectToSpeaker,
  isBesideListener,
  portTold,
  takeOwnPlace,
  takePlace,
} from './h323-expect';
import { expectHiddenForwarded, expectSignalling, isHidden, isRewritten, tellParties } from './h323-nat';
import { firstPackage, nextPackage, packageAt, packageEnd } from './h323-tpkt';

const MOST: u32 = 20;
const DISCRIMINATOR: u32 = 8;
const USER_USER: u32 = 0x7e;

/** Where the user-user information of the message in hand is. */
let informationAt: usize = 0;
let informationEnd: usize = 0;

/** False: the packet is dropped. */
export function q931Help(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_CT_STATE * 4) !== CT_ESTABLISHED || !firstPackage(slot, entry)) return true;
  beginMessages(slot, entry, MOST);
  do {
    if (!findInformation(packageAt, packageEnd)) return true;
    if (!decode(H323_USER_INFORMATION, informationAt, informationEnd)) return true;
    if (!readCall(entry)) return false;
  } while (nextPackage());
  return true;
}

/** Among elements that are a byte, a length of one byte, and as much; this one's length has two. */
function findInformation(from: usize, to: usize): bool {
  if (from + 2 > to || (load<u8>(from) as u32) !== DISCRIMINATOR) return false;
  let at = from + 2 + (load<u8>(from, 1) as usize);
  if (at + 2 > to) return false;
  // The message's type may have two bytes.
  at += load<u8>(at, 1) & 0x80 ? 2 : 1;
  while (at < to) {
    const left = (to - at) as u32;
    if ((load<u8>(at) as u32) === USER_USER) {
      if (left < 3) return false;
      const length = bswap(load<u16>(at, 1)) as u32;
      // A protocol discriminator is the first of it.
      if (length < 2 || length > left - 3) return false;
      informationAt = at + 4;
      informationEnd = at + 3 + (length as usize);
      return true;
    }
    if (left < 2) return false;
    at += 2 + (load<u8>(at, 1) as usize);
  }
  return false;
}

function readCall(entry: usize): bool {
  if (findKept(ROLE_FORWARDED, 0, 0) !== 0) {
    if (!expectForwarded()) return false;
  } else {
    const control = findKept(ROLE_H245, 0, 0);
    if (control !== 0 && takeOwnPlace(control)) {
      if (isHidden()) expectSignalling(control, 0, HELPER_H245);
      else if (!expectToSpeaker(PROTOCOL_TCP, portTold, 0, HELPER_H245)) return false;
    }
    if (isRewritten()) tellParties(findKept(ROLE_CALLED, 0, 0), findKept(ROLE_CALLER, 0, 0));
    const offered = findKept(ROLE_FAST_START, 0, 0);
    if (offered !== 0 && !expectChannels(entry, offered)) return false;
  }
  const tunnelled = findKept(ROLE_TUNNELLED, 0, 0);
  for (let message = tunnelled === 0 ? 0 : firstIn(tunnelled); message !== 0; message = nextTo(message)) {
    if (!expectChannels(entry, message)) return false;
  }
  return true;
}

/** A call goes on elsewhere, unless that is on the side of whoever called (callforward_filter). */
function expectForwarded(): bool {
  const alternative = findKept(ROLE_ALTERNATIVE, 0, 0);
  if (alternative === 0 || !takePlace(alternative) || portTold === 0 || isBesideListener()) return true;
  if (!isHidden()) return expectToPlace(PROTOCOL_TCP, 0, HELPER_Q931);
  expectHiddenForwarded(alternative, HELPER_Q931);
  return true;
}
