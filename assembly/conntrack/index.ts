/** Connection tracking: what the batch loop and the matches use. */
export {
  entryAddress,
  entryExpires,
  entryFamily,
  entryMark,
  entryPort,
  entryProtocol,
  entryStatus,
  entryTcpState,
  setEntryMark,
} from './accessors';
export { conntrackAhead } from './ahead';
export { counters, labelWord } from './extension';
export { entryMasterHelper } from './help';
export { helpPacket } from './helpers/index';
export { describeConnection } from './listing';
export { hasHelpers } from './parameters';
export { conntrackReset } from './reset';
export { conntrackReserve } from './room';
export { carve as conntrackCarve, tablePlaces as connectionPlaces } from './table';
export { conntrackTemplate } from './template';
export {
  conntrackConfirm,
  conntrackConfirmed,
  conntrackForget,
  conntrackIn,
  conntrackInit,
  conntrackLive,
  conntrackUntrack,
  natDone,
  natPending,
} from './track';
