/** Connection tracking: what the batch loop and the matches use. */
export { entryAddress, entryExpires, entryFamily, entryPort, entryProtocol, entryStatus, entryTcpState } from './accessors';
export { conntrackAhead } from './ahead';
export { reserve as conntrackReserve } from './table';
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
