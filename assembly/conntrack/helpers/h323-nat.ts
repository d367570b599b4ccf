/** H.323 in IPv4 connections whose addresses are translated (nf_nat_h323.c): other addresses take the places of those in the message in hand, six bytes of each. */
import { ROLE_IPV4 } from '../../../src/abi/h323';
import { replaceData } from '../../nat/replace.ts';
import { entryAddress, entryFamily, entryPort, entryProtocol } from '../accessors';
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../entry';
import {
  BUSY,
  EXPECT_ANNOUNCED,
  EXPECT_FOLLOWS,
  EXPECTED,
  FOLLOWS,
  FOLLOWS_ANNOUNCED,
  FOLLOWS_FORWARDED,
  FOLLOWS_PORT_SHIFT,
  FORESEEN,
  tryExpect,
  unexpect,
} from '../expectations';
import { ensureRecord, RECORD_MEMORY } from '../help';
import { findKept, firstIn, keptValue, nextTo } from './h323-decode';
import {
  ADDRESS,
  direction,
  entry,
  foreseeToSpeaker,
  header,
  isListeners,
  isSpeakers,
  most,
  now,
  portTold,
  SECONDS,
  slot,
  takePlace,
} from './h323-expect';
import { expectFreePort, foreseeFollowing, isTranslated } from './translated';

/** Of a connection u16 each, behind what helpers of H.323 remember besides: by direction where the speaker is called, and what the other side is told; four such pairs of streams. */
const SIGNALLING: usize = RECORD_MEMORY + 4;
const STREAMS: usize = RECORD_MEMORY + 8;
const CHANNELS: usize = 4;
const LAST_PORT: u32 = 65535;

const TOLD: usize = memory.data(8, 8);
const TOLD_SIZE: u32 = 6;

/** The message is rewritten, whoever speaks. */
export function isRewritten(): bool {
  return entryFamily(entry) === 4 && isTranslated(entry);
}

/** The other side sees the speaker of a stream elsewhere. */
export function isHidden(): bool {
  if (!isRewritten() || entryProtocol(entry) !== PROTOCOL_TCP) return false;
  return entryAddress(entry, direction, true, 0) !== entryAddress(entry, 1 - direction, false, 0);
}

/** In the place of the address at `index` the source or the destination of the other direction is told, with that port. */
export function tellEnd(index: u32, isSource: bool, port: u32): void {
  store<u32>(TOLD, bswap(entryAddress(entry, 1 - direction, isSource, 0)));
  store<u16>(TOLD, bswap(port as u16), 4);
  replaceData(
    slot,
    entryProtocol(entry),
    ((keptValue(findKept(ROLE_IPV4, index, index)) as usize) - header) as u32,
    TOLD_SIZE,
    TOLD,
    TOLD_SIZE,
  );
}

/** What the other side is told instead of where the speaker is called. */
export function signallingTold(): u32 {
  return load<u16>(ensureRecord(entry) + SIGNALLING + (((1 - direction) << 1) as usize)) as u32;
}

function signalling(): u32 {
  return load<u16>(ensureRecord(entry) + SIGNALLING + ((direction << 1) as usize)) as u32;
}

export function keepSignalling(port: u32, told: u32): void {
  const ports = ensureRecord(entry) + SIGNALLING;
  store<u16>(ports + ((direction << 1) as usize), port as u16);
  store<u16>(ports + (((1 - direction) << 1) as usize), told as u16);
}

/** The speaker's place in hand, which is at `index`, is expected where the other side sees it: at its port or at one that is free, `from` that on. Out: that; 0: nothing is. */
export function expectHidden(index: u32, flags: u32, assigns: u32, from: u32): u32 {
  const port = portTold;
  foreseeToSpeaker(PROTOCOL_TCP, from, flags, assigns);
  foreseeFollowing(1 - direction, port);
  const chosen = expectFreePort(entry, most, SECONDS, now);
  if (chosen !== 0) tellEnd(index, false, chosen);
  return chosen;
}

/** The same for where calls are signalled: what was told before is told again. */
export function expectSignalling(index: u32, flags: u32, assigns: u32): bool {
  const port = portTold;
  const chosen = expectHidden(index, flags, assigns, signalling() === port ? signallingTold() : port);
  if (chosen === 0) return false;
  keepSignalling(port, chosen);
  return true;
}

/** The stream's place in hand, which is at `index`, as one of a pair whose ports are free (nat_rtp_rtcp). Where there is none, or no place to remember it, nothing is done. */
export function expectHiddenStreams(index: u32): void {
  const odd = portTold & 1;
  const even = portTold - odd;
  const pair = pairFor(even);
  if (pair === 0 || even === 0) return;
  for (let port = even; port < LAST_PORT; port += 2) {
    let answer = expectStream(port, even);
    if (answer === EXPECTED) {
      answer = expectStream(port + 1, even + 1);
      if (answer !== EXPECTED) unexpect(entry);
    }
    if (answer === BUSY) continue;
    if (answer !== EXPECTED) return;
    tellEnd(index, false, port + odd);
    store<u16>(pair + ((direction << 1) as usize), even as u16);
    store<u16>(pair + (((1 - direction) << 1) as usize), port as u16);
    return;
  }
}

function pairFor(port: u32): usize {
  const streams = ensureRecord(entry) + STREAMS;
  for (let pair = streams; pair < streams + (CHANNELS << 2); pair += 4) {
    const known: u32 = load<u16>(pair + ((direction << 1) as usize));
    if (known === port || known === 0) return pair;
  }
  return 0;
}

function expectStream(port: u32, own: u32): u32 {
  foreseeToSpeaker(PROTOCOL_UDP, port, 0, 0);
  foreseeFollowing(1 - direction, own);
  return tryExpect(entry, most, SECONDS, now, false);
}

/** The place in hand is where a call is forwarded to: it is expected where the other side sees the speaker. */
export function expectHiddenForwarded(index: u32, assigns: u32): void {
  const port = portTold;
  foreseeToSpeaker(PROTOCOL_TCP, port, 0, assigns);
  memory.copy(FORESEEN + EXPECT_ANNOUNCED, ADDRESS, 16);
  const kind = FOLLOWS | FOLLOWS_ANNOUNCED | FOLLOWS_FORWARDED;
  store<u32>(FORESEEN, kind | ((1 - direction) << 1) | (port << FOLLOWS_PORT_SHIFT), EXPECT_FOLLOWS);
  const chosen = expectFreePort(entry, most, SECONDS, now);
  if (chosen !== 0) tellEnd(index, false, chosen);
}

/** Who is called and who calls, in what is kept, where the other side knows them otherwise. */
export function tellParties(called: u32, caller: u32): void {
  if (called !== 0 && takePlace(called) && !isListeners(true)) tellEnd(called, true, entryPort(entry, 1 - direction, true));
  if (caller !== 0 && takePlace(caller) && !isListeners(false)) tellEnd(caller, false, entryPort(entry, 1 - direction, false));
}

/** The first of the RAS places in what is kept (`single`: that itself is one) that is where the speaker speaks from is told as the other side sees it. */
export function tellRas(places: u32, single: bool): void {
  for (let place = single ? places : firstIn(places); place !== 0; place = single ? 0 : nextTo(place)) {
    if (!takePlace(place) || !isSpeakers(true) || portTold !== entryPort(entry, direction, true)) continue;
    tellEnd(place, false, entryPort(entry, 1 - direction, false));
    return;
  }
}

/** The same for the first place where calls are signalled, of either side. Whoever names its loopback first means that. */
export function tellSignalling(places: u32, single: bool): void {
  const first = single ? places : firstIn(places);
  for (let place = first; place !== 0; place = single ? 0 : nextTo(place)) {
    if (!takePlace(place) || portTold !== signalling()) continue;
    if (isSpeakers(true)) {
      tellEnd(place !== first && isLoopback(first) ? first : place, false, signallingTold());
      return;
    }
    if (!isSpeakers(false)) continue;
    tellEnd(place, true, signallingTold());
    return;
  }
}

export function isLoopback(index: u32): bool {
  return takePlace(index) && load<u32>(ADDRESS) >>> 24 === 127;
}

/** Who answers tells where it is called, who asks where it calls from. */
export function tellAdmission(called: u32, caller: u32): void {
  if (called !== 0 && takePlace(called) && isSpeakers(true) && portTold === signalling()) {
    tellEnd(called, false, signallingTold());
  } else if (caller !== 0 && takePlace(caller) && isSpeakers(true)) {
    tellEnd(caller, false, portTold);
  }
}
