/** Packets that the capture says went out, where connections of their family are translated: they are behind the translation, and only the connections tell whose they are (src/model/host.ts). */
import { ANSWER_WITHIN, COPY_WITHIN_SECONDS } from '../src/abi/answers.ts';
import { CONTROL_STRAYS, CONTROL_UNJUDGED } from '../src/abi/control.ts';
import { CT_RELATED, FIELD_CT_STATE, FIELD_DESTINATION, FIELD_FAMILY, FIELD_TTL } from '../src/abi/fields.ts';
import {
  PACKET_CT_ENTRY,
  PACKET_INTERFACE,
  PACKET_NUMBER,
  PACKET_TIME,
  PACKET_UNSEEN,
  PACKET_WAY,
  WAY_BROADCAST,
  WAY_OUTPUT,
  WAY_UNSEEN,
} from '../src/abi/packet.ts';
import { UNSEEN_OUTGOING_COPY } from '../src/abi/reasons.ts';
import {
  conntrackCarve,
  holdsKey,
  IS_ERROR,
  IS_NOTHING,
  identifiedError,
  identify,
  isEnded,
  isTcpReset,
  KEY_SIZE,
  leftBy,
  leftDirection,
  leftKnown,
  putKey,
} from './conntrack/index';
import { mayBeFragment } from './defrag/index.ts';
import { asAnswered, cameFromHere } from './nat/answer.ts';
import { translates } from './plan.ts';
import { isTakenAnswer } from './refusals.ts';
import { everythingArrives } from './stack/host.ts';
import { isLocal, leaveAsAnswer } from './stack/index.ts';
import { tallyFirst } from './tally.ts';

/** Beside IS_*: a reset, which is no copy of another packet with its ends. */
const IS_RESET: u32 = 3;
/** An error's type and code, above IS_ERROR: one is no copy of another that quotes the same. */
const ERROR_SHIFT: u32 = 8;

/**
 * A ring of packets that were sent on, and of which no connection tells so, as they left; in memory of its own, from the first one on. u64: the packet's number, 0: it was seen, or never used; u32: likeOf; u32: the second it was captured in; its key.
 * As many places as packets may lie between the two.
 */
const NUMBER: usize = 0;
const KIND: usize = 8;
const SECOND: usize = 12;
const KEY: usize = 16;
/** A multiple of what memory is given in. */
const PLACE_SIZE: usize = (KEY + KEY_SIZE + 127) & ~127;
let ring: usize = 0;
/** The place of the latest. */
let latest: usize = 0;
/** The number of the last packet that may be one of them. */
let awaitedUntil: u64 = 0;

/** What a copy has in common with the packet just identified, beside its key. */
function likeOf(slot: usize, identified: u32): u32 {
  if (identified === IS_ERROR) return IS_ERROR | (identifiedError << ERROR_SHIFT);
  return isTcpReset(slot) ? IS_RESET : identified;
}

/** A packet was sent on. It is remembered where it ended its connection, or has none, and what is an error or a reset: the host's own are alike. */
export function rememberSent(slot: usize): void {
  if (everythingArrives || !translates(isSix(slot))) return;
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  if (entry !== 0 && !isEnded(entry) && load<u32>(slot, FIELD_CT_STATE * 4) !== CT_RELATED && !isTcpReset(slot)) return;
  const kind = identify(slot);
  if (kind === IS_NOTHING) return;
  if (ring === 0) {
    ring = conntrackCarve(PLACE_SIZE * ANSWER_WITHIN);
    if (ring === 0) return;
    latest = ring;
  }
  latest = latest === ring + PLACE_SIZE * (ANSWER_WITHIN - 1) ? ring : latest + PLACE_SIZE;
  const number = load<u64>(slot, PACKET_NUMBER);
  store<u64>(latest, number, NUMBER);
  store<u32>(latest, likeOf(slot, kind), KIND);
  store<u32>(latest, secondOf(slot), SECOND);
  putKey(latest + KEY);
  awaitedUntil = number + ANSWER_WITHIN;
}

/** The packet of that kind whose key is in hand was sent on: the latest that is alike, each once. */
function wasSentOn(slot: usize, identified: u32): bool {
  const kind = likeOf(slot, identified);
  const number = load<u64>(slot, PACKET_NUMBER);
  if (number > awaitedUntil) return false;
  let place = latest;
  for (let i = 0; i < ANSWER_WITHIN; i++) {
    const sent = load<u64>(place, NUMBER);
    if (sent !== 0) {
      if (sent + ANSWER_WITHIN < number) return false;
      const later = secondOf(slot) - load<u32>(place, SECOND);
      if (load<u32>(place, KIND) === kind && (later as i32) <= COPY_WITHIN_SECONDS && holdsKey(place + KEY)) {
        store<u64>(place, 0, NUMBER);
        return true;
      }
    }
    place = place === ring ? ring + PLACE_SIZE * (ANSWER_WITHIN - 1) : place - PLACE_SIZE;
  }
  return false;
}

function secondOf(slot: usize): u32 {
  return (load<u64>(slot, PACKET_TIME) / 1000000000) as u32;
}

/** A decoded, routed packet that went out, is whole, or waits, and that no rule has seen: it is a copy of one that was sent on (PACKET_UNSEEN), or the host's own, as OUTPUT had it. */
export function takeLeft(slot: usize): void {
  if (everythingArrives || !translates(isSix(slot))) return;
  const unseen = load<u32>(slot, PACKET_UNSEEN);
  const foreign = unseen === <u32>UNSEEN_OUTGOING_COPY;
  if (unseen !== 0 && !foreign) return;
  const way = load<u32>(slot, PACKET_WAY);
  if (!foreign && way !== WAY_OUTPUT && way !== WAY_BROADCAST) return;
  const number = load<u64>(slot, PACKET_NUMBER);
  // Fragments of what bears others' addresses are not put together.
  if ((foreign && mayBeFragment(slot)) || isTakenAnswer(number)) return;
  const kind = identify(slot);
  if (kind === IS_NOTHING) return;
  if (wasSentOn(slot, kind)) {
    isCopy(slot);
    return;
  }
  const entry = leftBy(slot, kind);
  if (entry === 0) {
    const strays = !foreign && !leftKnown && looksForwarded(load<u32>(slot, FIELD_TTL * 4));
    if (strays) tallyFirst(CONTROL_STRAYS, number);
    if (foreign && !leftKnown) tallyFirst(CONTROL_UNJUDGED, number);
    return;
  }
  const isError = kind === IS_ERROR;
  if (!isError && !cameFromHere(slot, entry, leftDirection)) {
    // The host itself resets what conntrack found INVALID, and so did not translate back: from the address that it translates to.
    if (foreign || !isTcpReset(slot)) isCopy(slot);
    return;
  }
  if (!asAnswered(slot, entry, leftDirection, isError)) return;
  if (foreign || isElsewhere(slot)) leaveAsAnswer(slot, 0);
}

/** On its way to itself, or, an error about what left translated, to whose address that bore: nat OUTPUT has it yet to turn to somebody else. */
function isElsewhere(slot: usize): bool {
  return load<u32>(slot, PACKET_INTERFACE) === 0 || isLocal(slot + FIELD_DESTINATION * 4, isSix(slot));
}

function isSix(slot: usize): bool {
  return load<u32>(slot, FIELD_FAMILY * 4) === 6;
}

function isCopy(slot: usize): void {
  store<u32>(slot, UNSEEN_OUTGOING_COPY, PACKET_UNSEEN);
  store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
}

/** What systems send with, less one to three routers (src/model/vantage.ts). */
function looksForwarded(ttl: u32): bool {
  return (ttl >= 61 && ttl <= 63) || (ttl >= 125 && ttl <= 127) || (ttl >= 252 && ttl <= 254);
}
