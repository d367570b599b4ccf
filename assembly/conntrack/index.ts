/** Connection tracking: what the batch loop and the matches use. */
export {
  entryAddress,
  entryDrawn,
  entryExpires,
  entryFamily,
  entryMark,
  entryPort,
  entryProtocol,
  entryStatus,
  entryTcpState,
} from './accessors';
export { conntrackAhead, conntrackKeys, guessOf, Keys, putKey6 } from './ahead';
export { attachConnection, dropConnection, KEPT_SIZE, keepConnection } from './answered';
export { countConnections, countedOtherwise } from './count';
export { answeredConnection, datagramDirection, followDatagram, isSteady } from './datagram';
export { PROTOCOL_TCP, PROTOCOL_UDP } from './entry';
export { nextExpectation } from './expectations';
export { counters, labelWord, masterAddress, zonesOfOne } from './extension';
export { Follow, SLID_NOT } from './follow';
export {
  flagsIn,
  guessedEntry,
  HALF_PAIR,
  hasKeyOfHalf,
  isAnsweredHalf,
  isAskedHalf,
  isHalf,
  isOpenHalf,
  OPEN_STATUS,
  REFERENCE_HALF,
} from './half';
export { followHalf, HalfFollow } from './half-follow';
export {
  acknowledgeBare,
  acknowledgeHalf,
  answerBare,
  answerHalf,
  handshakesJudged,
  isAnsweredWord,
  isAskedWord,
} from './handshake';
export { entryMasterHelper } from './help';
export { helpPacket } from './helpers/index';
export { IS_ERROR, IS_NOTHING, identifiedError, identify, isEnded, leftBy, leftDirection, leftKnown } from './left';
export { describeConnection, describeExpectation } from './listing';
export { countedAt, keeperOf, toldOf } from './pairs';
export { hasHelpers } from './parameters';
export { tablePlaces as connectionPlaces } from './places';
export {
  directionOf,
  directionThrough,
  entryWord,
  FLAG_ACK,
  followBare,
  followBare6,
  hasKeyOf,
  hasNoOptions,
  hasShortWay,
  hasTimestampOnly,
  hasWholeKeyOf,
  isCollected,
  isOpenWord,
  isOver,
  openTranslated,
  segmentSumHolds,
  segmentSumHolds6,
  translatedDirection,
} from './plain';
export { carve as conntrackCarve } from './pool';
export { conntrackReset, isReset, isTcpReset } from './reset';
export { conntrackReserve } from './room';
export { FLAG_SYN, openBare, openHalf, synsOpened } from './syn';
export { conntrackConfirmed, halvesExpanded, setClock } from './table';
export { TIMESTAMP_ONLY_SIZE } from './tcp-options';
export { conntrackMark, conntrackTemplate, TEMPLATE } from './template';
export {
  conntrackConfirm,
  conntrackForget,
  conntrackHandshake,
  conntrackIn,
  conntrackInit,
  conntrackKill,
  conntrackLive,
  conntrackLook,
  conntrackPlain,
  conntrackUntrack,
} from './track';
export { holdsKey, KEY_SIZE, putKey } from './tuple';
