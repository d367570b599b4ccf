/**
 * Reading SIP messages and session descriptions (nf_conntrack_sip.c). Places are addresses of memory; 0 is no place. Headers begin lines and may go on in lines that begin with a blank.
 */
import { ADDRESS6, readAddress6 } from './address-text';
import { isDigit } from './text';

/** Words are pairs: where the bytes are, how many. ASCII, compared in any case unless said otherwise. */
const NAME_CSEQ: usize = memory.data<u8>([99, 115, 101, 113]);
const NAME_CONTACT: usize = memory.data<u8>([99, 111, 110, 116, 97, 99, 116]);
const NAME_EXPIRES: usize = memory.data<u8>([101, 120, 112, 105, 114, 101, 115]);
/** `content-length`. */
const NAME_LENGTH: usize = memory.data<u8>([99, 111, 110, 116, 101, 110, 116, 45, 108, 101, 110, 103, 116, 104]);
const NAME_VIA: usize = memory.data<u8>([118, 105, 97]);
const NAME_FROM: usize = memory.data<u8>([102, 114, 111, 109]);
const NAME_TO: usize = memory.data<u8>([116, 111]);
/** `udp `, `tcp `, which a Via has before the address. */
const OVER_UDP: usize = memory.data<u8>([117, 100, 112, 32]);
const OVER_TCP: usize = memory.data<u8>([116, 99, 112, 32]);
/** `sip:`. */
const SCHEME: usize = memory.data<u8>([115, 105, 112, 58]);
/** Of each of these three. */
const SCHEME_SIZE: u32 = 4;
const COMMA: usize = memory.data<u8>([44]);

export const HEADER_CSEQ: u32 = 0;
export const HEADER_CONTACT: u32 = 1;
export const HEADER_EXPIRES: u32 = 2;
export const HEADER_LENGTH: u32 = 3;
export const HEADER_VIA_UDP: u32 = 4;
export const HEADER_VIA_TCP: u32 = 5;
export const HEADER_FROM: u32 = 6;
export const HEADER_TO: u32 = 7;

export const ABSENT: u32 = 0;
export const BAD: u32 = 1;
export const FOUND: u32 = 2;

const CARRIAGE_RETURN: u32 = 13;
const LINE_FEED: u32 = 10;
const BLANK: u32 = 32;
const TAB: u32 = 9;
const COLON: u32 = 58;
const AT: u32 = 64;
const OPEN: u32 = 91;
const CLOSE: u32 = 93;
const DEFAULT_PORT: u32 = 5060;
const MOST_DIGITS: u32 = 11;

/** The message in hand, and its connection's family. */
export let begin: usize = 0;
export let limit: usize = 0;
let six: bool = false;

/** The value that was found: where, and how long. Of one that is BAD: from where the search goes on. */
export let valueAt: usize = 0;
export let valueLength: u32 = 0;
/** What readNumber, readAddress and readPort read, and where that ends. */
export let numberRead: u32 = 0;
export let portRead: u32 = 0;
export let readEnd: usize = 0;
/** The address, four words. */
export const ADDRESS: usize = memory.data(16, 16);

export function takeMessage(from: usize, to: usize, isSix: bool): void {
  begin = from;
  limit = to;
  six = isSix;
}

/** The message in hand lies `by` bytes further on, and is `grown` bytes longer. */
export function moveMessage(by: usize, grown: usize): void {
  begin += by;
  limit += by + grown;
}

export function byteOf(at: usize): u32 {
  return load<u8>(at) as u32;
}

/** Letters, those of Latin-1 too. */
export function isLetter(byte: u32): bool {
  if ((byte | 32) - 97 < 26) return true;
  return byte >= 0xc0 && byte !== 0xd7 && byte !== 0xf7;
}

function isBlank(byte: u32): bool {
  return byte === BLANK || byte === TAB;
}

function isLineEnd(byte: u32): bool {
  return byte === CARRIAGE_RETURN || byte === LINE_FEED;
}

/** `word` is in small letters. */
export function isWord(at: usize, word: usize, size: u32): bool {
  if (at + (size as usize) > limit) return false;
  for (let index: usize = 0; index < (size as usize); index++) {
    let byte = byteOf(at + index);
    if (byte - 65 < 26) byte += 32;
    if (byte !== byteOf(word + index)) return false;
  }
  return true;
}

/** A number of 32 bits up to `end`. False: there is none, or it is larger. */
export function readNumber(at: usize, end: usize): bool {
  let value: u64 = 0;
  let place = at;
  for (; place < end && isDigit(byteOf(place)); place++) {
    if (((place - at) as u32) >= MOST_DIGITS) return false;
    value = value * 10 + ((byteOf(place) - 48) as u64);
    if (value > 0xffffffff) return false;
  }
  numberRead = value as u32;
  readEnd = place;
  return place !== at;
}

/** An address. Of IPv6: in brackets where `bracketed` (sip_parse_addr), else without (sdp_parse_addr, which knows none). */
export function readAddress(at: usize, bracketed: bool): bool {
  memory.fill(ADDRESS, 0, 16);
  if (!six) return readAddress4(at);
  if (bracketed && (at >= limit || byteOf(at) !== OPEN)) return false;
  const from = bracketed ? at + 1 : at;
  let end = from;
  while (end < limit && isAddressByte(byteOf(end))) end++;
  const length = readAddress6(from, end, 0);
  if (length === 0) return false;
  memory.copy(ADDRESS, ADDRESS6, 16);
  readEnd = from + (length as usize);
  if (!bracketed) return true;
  if (readEnd >= limit || byteOf(readEnd) !== CLOSE) return false;
  readEnd++;
  return true;
}

function isAddressByte(byte: u32): bool {
  return isDigit(byte) || (byte | 32) - 97 < 6 || byte === COLON || byte === 46;
}

function readAddress4(at: usize): bool {
  let address: u32 = 0;
  let place = at;
  for (let part: u32 = 0; part < 4; part++) {
    if (part !== 0) {
      if (place >= limit || byteOf(place) !== 46) return false;
      place++;
    }
    const from = place;
    let value: u32 = 0;
    while (place < limit && isDigit(byteOf(place))) {
      value = value * 10 + (byteOf(place) - 48);
      if (value > 255) return false;
      place++;
    }
    if (place === from) return false;
    address = (address << 8) | value;
  }
  // Digits of a hexadecimal number and dots go on.
  if (place < limit && byteOf(place) !== COLON && isAddressByte(byteOf(place))) return false;
  store<u32>(ADDRESS, address);
  readEnd = place;
  return true;
}

/** `:port`, or nothing, which is the port of SIP. */
export function readPort(at: usize): bool {
  if (at >= limit) return false;
  portRead = DEFAULT_PORT;
  readEnd = at;
  if (byteOf(at) !== COLON) return true;
  let place = at + 1;
  let value: u32 = 0;
  while (place < limit && isDigit(byteOf(place)) && place - at < 7) {
    value = value * 10 + (byteOf(place) - 48);
    place++;
  }
  const digits = (place - at - 1) as u32;
  if (digits === 0 || digits > 5 || place >= limit || value < 1024 || value > 65535) return false;
  portRead = value;
  readEnd = place;
  return true;
}

/** Behind a line's end, where the line that follows goes on with it; 0 where it does not. */
function continued(at: usize, end: usize): usize {
  let place = at + 1;
  if (place >= end) return 0;
  if (byteOf(at) === CARRIAGE_RETURN && byteOf(place) === LINE_FEED) {
    place++;
    if (place >= end) return 0;
  }
  if (!isBlank(byteOf(place))) return 0;
  while (place < end && isBlank(byteOf(place))) place++;
  return place;
}

function skipBlank(at: usize): usize {
  let place = at;
  while (place < limit && isBlank(byteOf(place))) place++;
  if (place < limit && isLineEnd(byteOf(place))) place = continued(place, limit);
  return place < limit ? place : 0;
}

/** A word in a header's value, before `end`; one that ends there is not found. */
function searchWord(at: usize, end: usize, word: usize, size: u32): usize {
  const last = end - (size as usize);
  for (let place = at; place < last; place++) {
    if (isLineEnd(byteOf(place))) {
      place = continued(place, last);
      if (place === 0) return 0;
    } else if (isWord(place, word, size)) {
      return place;
    }
  }
  return 0;
}

/** The begin of the line that follows the next line's end from `from` on. */
function nextLine(from: usize): usize {
  for (let place = from; place < limit; place++) {
    if (!isLineEnd(byteOf(place))) continue;
    place++;
    if (place >= limit) return 0;
    if (byteOf(place - 1) === CARRIAGE_RETURN && byteOf(place) === LINE_FEED) {
      place++;
      if (place >= limit) return 0;
    }
    return place;
  }
  return 0;
}

/** Where a header's name ends at the begin of a line; 0: it is another's. */
function behindName(header: u32, line: usize): usize {
  if (header === HEADER_CSEQ) return isWord(line, NAME_CSEQ, 4) ? line + 4 : 0;
  if (header === HEADER_EXPIRES) return isWord(line, NAME_EXPIRES, 7) ? line + 7 : 0;
  if (header === HEADER_CONTACT) return isWord(line, NAME_CONTACT, 7) ? line + 7 : behindLetter(line, 109);
  if (header === HEADER_FROM) return isWord(line, NAME_FROM, 4) ? line + 4 : behindLetter(line, 102);
  if (header === HEADER_TO) return isWord(line, NAME_TO, 2) ? line + 2 : behindLetter(line, 116);
  if (header !== HEADER_LENGTH) return isWord(line, NAME_VIA, 3) ? line + 3 : behindLetter(line, 118);
  return isWord(line, NAME_LENGTH, 14) ? line + 14 : behindLetter(line, 108);
}

/** The short name, which no letter follows. */
function behindLetter(line: usize, letter: u32): usize {
  if (line + 2 > limit || (byteOf(line) | 32) !== letter || !isLetter(byteOf(line))) return 0;
  return isLetter(byteOf(line + 1)) ? 0 : line + 1;
}

/** The next such header behind `from`: ABSENT, BAD, FOUND. */
export function findHeader(header: u32, from: usize): u32 {
  for (let line = nextLine(from); line !== 0; line = nextLine(line + 1)) {
    if (isBlank(byteOf(line))) continue;
    const name = behindName(header, line);
    if (name === 0) continue;
    const colon = skipBlank(name);
    if (colon === 0 || byteOf(colon) !== COLON || colon + 1 >= limit) return ABSENT;
    const value = skipBlank(colon + 1);
    if (value === 0) return ABSENT;
    valueAt = value;
    if (header === HEADER_CSEQ || header === HEADER_EXPIRES || header === HEADER_LENGTH) return measureDigits(value);
    const over = header === HEADER_VIA_UDP ? OVER_UDP : header === HEADER_VIA_TCP ? OVER_TCP : SCHEME;
    const scheme = searchWord(value, limit, over, SCHEME_SIZE);
    if (scheme === 0) return BAD;
    const uri = scheme + (SCHEME_SIZE as usize);
    return over === SCHEME ? measureUri(uri) : measureHost(uri);
  }
  return ABSENT;
}

/** The next contact of a list with commas. */
function findNextContact(from: usize): u32 {
  const comma = searchWord(from, limit, COMMA, 1);
  if (comma === 0) return ABSENT;
  const scheme = searchWord(comma, limit, SCHEME, SCHEME_SIZE);
  if (scheme === 0) return ABSENT;
  valueAt = scheme + (SCHEME_SIZE as usize);
  return measureUri(valueAt);
}

function measureDigits(at: usize): u32 {
  let end = at;
  while (end < limit && isDigit(byteOf(end))) end++;
  if (end === at) return BAD;
  valueAt = at;
  valueLength = (end - at) as u32;
  return FOUND;
}

/** An address and a port, behind a user if there is one. */
function measureUri(at: usize): u32 {
  let place = at;
  while (place < limit && byteOf(place) !== AT && !isLineEnd(byteOf(place))) place++;
  return measureHost(place < limit && byteOf(place) === AT ? place + 1 : at);
}

/** An address and a port: in hand then. */
function measureHost(at: usize): u32 {
  if (!readAddress(at, true) || !readPort(readEnd)) return BAD;
  valueAt = at;
  valueLength = (readEnd - at) as u32;
  return FOUND;
}

/** The address and the port of a URI in the next such header behind `from`, in hand then, with readEnd behind them. `listed`: another one of the same header first. ABSENT, FOUND. */
export function findUri(header: u32, from: usize, listed: bool): u32 {
  let place = from;
  let inList = listed;
  while (true) {
    const found = inList ? findNextContact(place) : findHeader(header, place);
    if (found === FOUND) return FOUND;
    if (found === BAD) place = valueAt;
    else if (inList) inList = false;
    else return ABSENT;
  }
}

/** The same of the first line of a request. */
export function findRequested(): bool {
  let at = begin;
  while (at < limit && isLetter(byteOf(at))) at++;
  if (at === begin) return false;
  for (at++; at + (SCHEME_SIZE as usize) < limit && !isLineEnd(byteOf(at)); at++) {
    if (isWord(at, SCHEME, SCHEME_SIZE)) return measureUri(at + (SCHEME_SIZE as usize)) === FOUND;
  }
  return false;
}

/** The value of a parameter behind `from`, before the next comma; `parameterEnd`: where values end. 0: there is none. */
export function findParameter(from: usize, name: usize, size: u32): usize {
  const comma = searchWord(from, limit, COMMA, 1);
  parameterEnd = comma === 0 ? limit : comma;
  const found = searchWord(from, parameterEnd, name, size);
  return found === 0 ? 0 : found + (size as usize);
}

export let parameterEnd: usize = 0;

export const LINE_VERSION: u32 = 118;
export const LINE_MEDIA: u32 = 109;
export const LINE_CONNECTION: u32 = 99;
export const LINE_OWNER: u32 = 111;
const EQUALS: u32 = 61;

/** A line `letter=` of a session description behind `from`, before one with the letter `before` (0: anywhere). */
export function findLine(letter: u32, from: usize, before: u32): u32 {
  for (let line = nextLine(from); line !== 0; line = nextLine(line + 1)) {
    if (before !== 0 && isLine(line, before)) return ABSENT;
    if (!isLine(line, letter)) continue;
    const value = line + 2;
    valueAt = value;
    if (letter === LINE_VERSION) return measureDigits(value);
    if (letter === LINE_MEDIA) return measureMedia(value);
    const address = behindNetwork(value);
    if (address === 0 || !readAddress(address, false)) return BAD;
    valueAt = address;
    valueLength = (readEnd - address) as u32;
    return FOUND;
  }
  return ABSENT;
}

function isLine(line: usize, letter: u32): bool {
  return line + 2 <= limit && (byteOf(line) | 32) === letter && byteOf(line) >= 65 && byteOf(line + 1) === EQUALS;
}

function measureMedia(at: usize): u32 {
  let place = at;
  while (place < limit && isLetter(byteOf(place))) place++;
  if (place >= limit || byteOf(place) !== BLANK) return BAD;
  place++;
  while (place < limit && isDigit(byteOf(place))) place++;
  valueLength = (place - at) as u32;
  return FOUND;
}

/** `IN IP4 ` or `IN IP6 ` in a line. */
function behindNetwork(at: usize): usize {
  for (let place = at; place + 7 < limit && !isLineEnd(byteOf(place)); place++) {
    if (load<u32>(place) !== 0x49204e49 || byteOf(place + 4) !== 80) continue;
    if (byteOf(place + 5) === (six ? 54 : 52) && byteOf(place + 6) === BLANK) return place + 7;
  }
  return 0;
}
