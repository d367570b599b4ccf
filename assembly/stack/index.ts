/** The stack's decisions about a decoded packet. */
import { addressTypeOnDevice } from './address-type.ts';
import { stackInit } from './host.ts';
import { optionsReason } from './ipv4.ts';
import { setLongestFragment } from './unfinished.ts';
import {
  deviceTo,
  isLocal,
  isMarkedLocal,
  isSwallowed,
  leaveAnew,
  leaveAsAnswer,
  mayBeOwn,
  mayLeave,
  mtuOfAnswer,
  readAddresses,
  routeAnew,
  routePacket,
  routePlain,
  simpleEnds,
  takeSimpleWay,
  tookSimpleWay,
} from './way.ts';
import { answerable, drawnBytes, faultAt, NO_FAULT, writeIntoOptions } from './written-options.ts';

export {
  addressTypeOnDevice,
  answerable,
  deviceTo,
  drawnBytes,
  faultAt,
  isLocal,
  isMarkedLocal,
  isSwallowed,
  leaveAnew,
  leaveAsAnswer,
  mayBeOwn,
  mayLeave,
  mtuOfAnswer,
  NO_FAULT,
  optionsReason,
  readAddresses,
  routeAnew,
  routePacket,
  routePlain,
  setLongestFragment,
  simpleEnds,
  stackInit,
  takeSimpleWay,
  tookSimpleWay,
  writeIntoOptions,
};
