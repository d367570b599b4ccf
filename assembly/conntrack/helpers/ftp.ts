/** FTP (net/netfilter/nf_conntrack_ftp.c, `loose` off): a client says in PORT or EPRT where it waits for a connection, a server in 227 or 229. */
import { CT_ESTABLISHED, FIELD_CT_DIRECTION, FIELD_CT_STATE } from '../../../src/abi/fields';
import { PACKET_JIFFIES } from '../../../src/abi/packet';
import { entryAddress, entryFamily } from '../accessors';
import { PROTOCOL_TCP } from '../entry';
import { expect } from '../expectations';
import { ensureRecord, RECORD_MEMORY } from '../help';
import { ADDRESS6, readAddress6 } from './address-text';
import { dataAt, dataEnd, dataLength, foresee, foreseeSource, hasTcpData, sequence } from './foresee';
import { TELL_EXTENDED, TELL_EXTENDED_PORT, TELL_SIX } from './telling';
import { ANYTHING, addressOfNumbers, isDigit, number, readNumbers, readPort } from './text';
import { expectTold, isTranslated } from './translated';

/** A helper's memory, for each direction: two sequence numbers behind ends of lines, and how many of them there are. */
const LINES_SIZE: usize = 12;
const LINES_COUNT: usize = 8;

const MOST: u32 = 1;
const SECONDS: u32 = 300;

/** Words of commands, first letter lowest. */
const PORT: u32 = 0x54524f50;
const EPRT: u32 = 0x54525045;
const PASSIVE: u32 = 0x20373232;
const EXTENDED_PASSIVE: u32 = 0x20393232;
const WORD: u32 = 4;

const ABSENT: u32 = 0;
const PARTIAL: u32 = 1;
const FOUND: u32 = 2;

const LINE_FEED: u32 = 10;
const CARRIAGE_RETURN: u32 = 13;
const BLANK: u32 = 32;
const PARENTHESIS: u32 = 40;
const COMMA: u32 = 44;
const FULL_STOP: u32 = 46;

/** What a command announced: a port, and the address, four words, where it named one. */
let port: u32 = 0;
const ADDRESS: usize = memory.data(16, 16);
/** Where that stands, and in which way. */
let placeAt: usize = 0;
let placeLength: u32 = 0;
let telling: u32 = TELL_SIX;

/** False: the packet is dropped. */
export function ftpHelp(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_CT_STATE * 4) !== CT_ESTABLISHED || !hasTcpData(slot)) return true;
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  const lines = ensureRecord(entry) + RECORD_MEMORY + (direction as usize) * LINES_SIZE;
  let goesOn = true;
  if (follows(lines, sequence)) {
    for (let word: usize = 0; word < 4; word++) {
      store<u32>(ADDRESS + (word << 2), entryAddress(entry, direction, true, word as u32));
    }
    const found = direction === 0 ? clientCommand(entryFamily(entry)) : serverAnswer();
    if (found === PARTIAL) return false;
    if (found === FOUND) goesOn = announced(slot, entry, direction);
  }
  const last = dataAt + ((dataLength - 1) as usize);
  if (last < dataEnd && (load<u8>(last) as u32) === LINE_FEED) remember(lines, sequence + dataLength);
  return goesOn;
}

/** Whether the segment begins where a line ended. */
function follows(lines: usize, at: u32): bool {
  const count = load<u32>(lines, LINES_COUNT);
  return (count > 0 && load<u32>(lines) === at) || (count > 1 && load<u32>(lines, 4) === at);
}

/** The two newest are kept. */
function remember(lines: usize, next: u32): void {
  if (follows(lines, next)) return;
  const count = load<u32>(lines, LINES_COUNT);
  if (count < 2) {
    store<u32>(lines + ((count as usize) << 2), next);
    store<u32>(lines, count + 1, LINES_COUNT);
    return;
  }
  const oldest = lines + (((load<u32>(lines) - load<u32>(lines, 4)) as i32) < 0 ? 0 : 4);
  if (((next - load<u32>(oldest)) as i32) > 0) store<u32>(oldest, next);
}

function clientCommand(family: u32): u32 {
  let found = begins(PORT);
  if (found === FOUND) {
    const at = behind(BLANK);
    return at !== 0 && sixNumbers(at, CARRIAGE_RETURN) ? FOUND : PARTIAL;
  }
  if (found === PARTIAL) return PARTIAL;
  found = begins(EPRT);
  if (found !== FOUND) return found;
  const at = behind(BLANK);
  return at !== 0 && extendedPort(at, family) ? FOUND : PARTIAL;
}

function serverAnswer(): u32 {
  let found = begins(PASSIVE);
  if (found === FOUND) {
    let at = dataAt + (WORD as usize);
    while (at < dataEnd && !isDigit(load<u8>(at) as u32)) at++;
    return sixNumbers(at, ANYTHING) ? FOUND : PARTIAL;
  }
  if (found === PARTIAL) return PARTIAL;
  found = begins(EXTENDED_PASSIVE);
  if (found !== FOUND) return found;
  const at = behind(PARENTHESIS);
  return at !== 0 && extendedPassive(at) ? FOUND : PARTIAL;
}

/** Whether the data begins with a word, in any case, and goes on behind it; or ends in it. */
function begins(word: u32): u32 {
  const present = (dataEnd - dataAt) as u32;
  const compared = min(present, WORD);
  for (let index: u32 = 0; index < compared; index++) {
    let byte = load<u8>(dataAt + (index as usize)) as u32;
    if (byte - 97 < 26) byte -= 32;
    if (byte !== ((word >>> (index << 3)) & 255)) return ABSENT;
  }
  return present <= WORD ? PARTIAL : FOUND;
}

/** The place behind the first such byte that follows the word; 0 when there is none. */
function behind(byte: u32): usize {
  for (let at = dataAt + (WORD as usize); at < dataEnd; at++) if ((load<u8>(at) as u32) === byte) return at + 1;
  return 0;
}

/** An IPv4 address, whatever the family, and the two halves of a port. */
function sixNumbers(at: usize, stop: u32): bool {
  const length = readNumbers(at, dataEnd, 6, COMMA, stop);
  if (length === 0) return false;
  putPlace(at, length, TELL_SIX);
  store<u32>(ADDRESS, addressOfNumbers());
  port = ((number(4) << 8) | number(5)) & 0xffff;
  return true;
}

function putPlace(at: usize, length: u32, kind: u32): void {
  placeAt = at;
  placeLength = length;
  telling = kind;
}

/** From `at` on, up to and with the delimiter behind the port at `from`. */
function putExtended(at: usize, from: usize, mark: u32, kind: u32): void {
  let end = from;
  while ((load<u8>(end) as u32) !== mark) end++;
  putPlace(at, (end + 1 - at) as u32, kind);
}

/** 0: what is there cannot be a delimiter, or nothing can follow. */
function delimiter(at: usize): u32 {
  if (dataEnd - at <= 3) return 0;
  const byte = load<u8>(at) as u32;
  return isDigit(byte) || byte < 33 || byte > 126 ? 0 : byte;
}

function extendedPort(at: usize, family: u32): bool {
  const mark = delimiter(at);
  if (mark === 0 || (load<u8>(at, 2) as u32) !== mark) return false;
  if ((load<u8>(at, 1) as u32) !== (family === 4 ? 49 : 50)) return false;
  let length: u32 = 0;
  if (family === 4) {
    length = readNumbers(at + 3, dataEnd, 4, FULL_STOP, mark);
    if (length !== 0) store<u32>(ADDRESS, addressOfNumbers());
  } else {
    length = readAddress6(at + 3, dataEnd, mark);
    if (length !== 0) memory.copy(ADDRESS, ADDRESS6, 16);
  }
  if (length === 0) return false;
  const from = at + 4 + (length as usize);
  port = readPort(from, dataEnd, mark);
  if (port === 0) return false;
  putExtended(at, from, mark, TELL_EXTENDED);
  return true;
}

function extendedPassive(at: usize): bool {
  const mark = delimiter(at);
  if (mark === 0 || (load<u8>(at, 1) as u32) !== mark || (load<u8>(at, 2) as u32) !== mark) return false;
  port = readPort(at + 3, dataEnd, mark);
  if (port === 0) return false;
  putExtended(at, at + 3, mark, TELL_EXTENDED_PORT);
  return true;
}

/** Believed is only who names its own address. Out: false when it cannot be expected. */
function announced(slot: usize, entry: usize, direction: u32): bool {
  for (let word: u32 = 0; word < 4; word++) {
    if (load<u32>(ADDRESS + ((word as usize) << 2)) !== entryAddress(entry, direction, true, word)) return true;
  }
  foresee(entry, PROTOCOL_TCP, 1 - direction, port);
  foreseeSource(entry, 1 - direction);
  if (isTranslated(entry)) return expectTold(slot, entry, MOST, SECONDS, 1 - direction, placeAt, placeLength, telling);
  return expect(entry, MOST, SECONDS, load<i64>(slot, PACKET_JIFFIES));
}
