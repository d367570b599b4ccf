/** The stack's decisions about a decoded packet. */
import { addressTypeOnDevice } from './address-type.ts';
import { stackInit } from './host.ts';
import { optionsReason } from './ipv4.ts';
import { setLongestFragment } from './mtu.ts';
import {
  isLocal,
  isMarkedLocal,
  isSwallowed,
  leaveAnew,
  leaveAsAnswer,
  mayBeOwn,
  mayLeave,
  readAddresses,
  routeAnew,
  routePacket,
  routePlain,
} from './way.ts';

export {
  addressTypeOnDevice,
  isLocal,
  isMarkedLocal,
  isSwallowed,
  leaveAnew,
  leaveAsAnswer,
  mayBeOwn,
  mayLeave,
  optionsReason,
  readAddresses,
  routeAnew,
  routePacket,
  routePlain,
  setLongestFragment,
  stackInit,
};
