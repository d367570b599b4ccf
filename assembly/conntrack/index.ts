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
export { describeConnection } from './listing';
export { conntrackReset } from './reset';
export { carve as conntrackCarve, reserve as conntrackReserve, tablePlaces as connectionPlaces } from './table';
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
