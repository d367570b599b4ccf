/** H.245 (nf_conntrack_h323_main.c): channels that are opened, on a connection of its own or through Q.931's messages. */

import { CT_ESTABLISHED, FIELD_CT_STATE } from '../../../src/abi/fields';
import { H245_MESSAGE, ROLE_ACKNOWLEDGED, ROLE_OPEN, ROLE_SEPARATE, ROLE_STACK, ROLE_STREAM } from '../../../src/abi/h323';
import { HELPER_NONE } from '../../../src/abi/helpers';
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../entry';
import { EXPECT_PERMANENT, unexpect } from '../expectations';
import { decode, findKept } from './h323-decode';
import { beginMessages, expectToSpeaker, portTold, takeOwnPlace } from './h323-expect';
import { expectHidden, expectHiddenStreams, isHidden } from './h323-nat';
import { firstPackage, nextPackage, packageAt, packageEnd } from './h323-tpkt';

const MOST: u32 = 18;

/** False: the packet is dropped. */
export function h245Help(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_CT_STATE * 4) !== CT_ESTABLISHED || !firstPackage(slot, entry)) return true;
  beginMessages(slot, entry, MOST);
  do {
    if (!decode(H245_MESSAGE, packageAt, packageEnd)) return true;
    if (!expectChannels(entry, 0)) return false;
  } while (nextPackage());
  return true;
}

/** Those in what is kept at `parent`. False: not all can be expected. */
export function expectChannels(entry: usize, parent: u32): bool {
  for (let open = findKept(ROLE_OPEN, parent, parent); open !== 0; open = findKept(ROLE_OPEN, parent, open)) {
    if (!expectStreams(entry, open)) return false;
    if (findKept(ROLE_SEPARATE, open, open) !== 0 && !expectStack(open)) return false;
  }
  const acknowledged = findKept(ROLE_ACKNOWLEDGED, parent, parent);
  return acknowledged === 0 || (expectStreams(entry, acknowledged) && expectStack(acknowledged));
}

/** RTP at an even port, RTCP behind it, whichever of them is told. */
function expectStreams(entry: usize, channel: u32): bool {
  for (let stream = findKept(ROLE_STREAM, channel, channel); stream !== 0; stream = findKept(ROLE_STREAM, channel, stream)) {
    if (!takeOwnPlace(stream)) continue;
    if (isHidden()) {
      expectHiddenStreams(stream);
      continue;
    }
    const even = portTold & ~1;
    if (!expectToSpeaker(PROTOCOL_UDP, even, 0, HELPER_NONE)) return false;
    if (expectToSpeaker(PROTOCOL_UDP, even + 1, 0, HELPER_NONE)) continue;
    unexpect(entry);
    return false;
  }
  return true;
}

/** T.120 beside the call. */
function expectStack(channel: u32): bool {
  const stack = findKept(ROLE_STACK, channel, channel);
  if (stack === 0 || !takeOwnPlace(stack)) return true;
  if (isHidden()) {
    expectHidden(stack, EXPECT_PERMANENT, HELPER_NONE, portTold);
    return true;
  }
  return expectToSpeaker(PROTOCOL_TCP, portTold, EXPECT_PERMANENT, HELPER_NONE);
}
