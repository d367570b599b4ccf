/** IRC (net/netfilter/nf_conntrack_irc.c): DCC commands of a client, in messages that go through the server. IPv4 only. */
import { CT_ESTABLISHED, FIELD_CT_DIRECTION, FIELD_CT_STATE } from '../../../src/abi/fields';
import { PACKET_JIFFIES } from '../../../src/abi/packet';
import { entryAddress } from '../accessors';
import { PROTOCOL_TCP } from '../entry';
import { expect } from '../expectations';
import { dataAt, dataEnd, dataLength, foresee, hasTcpData } from './foresee';
import { TELL_NUMBERS } from './telling';
import { isDigit } from './text';
import { expectTold, isTranslated } from './translated';

/** As far as is looked. */
const FAR: u32 = 4095;
/** Bytes that must lie behind the blank in front of a message's colon. */
const MESSAGE: usize = 26;
/** `PRIVMSG `; blank and colon; the control character and `DCC `; first character lowest. */
const PRIVATE: u64 = ((0x2047534d as u64) << 32) | 0x56495250;
const COLON: u32 = 0x3a20;
const CONTROL: u32 = 1;
const DCC: u32 = 0x20434344;
const SEND: u32 = 0x444e4553;
const CHAT: u32 = 0x54414843;
const MOVE: u32 = 0x45564f4d;
const TSEN: u32 = 0x4e455354;
const SCHA: u32 = 0x41484353;
const BLANK: u32 = 32;
const LINE_FEED: u32 = 10;
const CARRIAGE_RETURN: u32 = 13;
const MOST: u32 = 8;
const SECONDS: u32 = 300;

/** What a command announced. */
let address: u32 = 0;
let port: u32 = 0;
/** Where both stand. */
let placeAt: usize = 0;
let placeLength: u32 = 0;

/** False: the packet is dropped. */
export function ircHelp(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_CT_DIRECTION * 4) !== 0 || load<u32>(slot, FIELD_CT_STATE * 4) !== CT_ESTABLISHED) return true;
  if (!hasTcpData(slot)) return true;
  if (!findCommand(dataAt, min(dataEnd, dataAt + (min(dataLength, FAR) as usize))) || port === 0) return true;
  if (address !== entryAddress(entry, 0, true, 0) && address !== entryAddress(entry, 1, false, 0)) return true;
  foresee(entry, PROTOCOL_TCP, 1, port);
  if (isTranslated(entry)) return expectTold(slot, entry, MOST, SECONDS, 1, placeAt, placeLength, TELL_NUMBERS);
  return expect(entry, MOST, SECONDS, load<i64>(slot, PACKET_JIFFIES));
}

/** Whether there is a DCC command whose place could be read. */
function findCommand(from: usize, end: usize): bool {
  let at = from;
  while (at + 10 < end) {
    const byte = load<u8>(at) as u32;
    if (byte !== BLANK && byte !== CARRIAGE_RETURN && byte !== LINE_FEED) break;
    at++;
  }
  if (at + 10 < end) {
    if (!isPrivate(at)) return false;
    at += 8;
  }
  while (at + MESSAGE < end) {
    if ((load<u16>(at) as u32) !== COLON) {
      at++;
      continue;
    }
    at += 2;
    if ((load<u8>(at) as u32) !== CONTROL || load<u32>(at, 1) !== DCC) return false;
    at += 5;
    const length = commandAt(at);
    if (length !== 0) return readPlace(at + length, end);
  }
  return false;
}

/** In any case. */
function isPrivate(at: usize): bool {
  for (let index: usize = 0; index < 8; index++) {
    let byte = load<u8>(at + index) as u32;
    if (byte - 97 < 26) byte -= 32;
    if (byte !== (((PRIVATE >> ((index as u64) << 3)) & 255) as u32)) return false;
  }
  return true;
}

/** Length of the command, its blank included; 0: nobody knows it. At least 19 bytes are there. */
function commandAt(at: usize): usize {
  const word = load<u32>(at);
  const fifth = load<u8>(at, 4) as u32;
  if (fifth === BLANK) return word === SEND || word === CHAT || word === MOVE ? 5 : 0;
  if ((load<u8>(at, 5) as u32) !== BLANK) return 0;
  if (word === TSEN) return fifth === 68 ? 6 : 0;
  return word === SCHA && fifth === 84 ? 6 : 0;
}

/** A name, a blank, an address as one number, a port; an end of line somewhere behind the name. */
function readPlace(from: usize, end: usize): bool {
  let at = from;
  while ((load<u8>(at) as u32) !== BLANK) {
    at++;
    if (at + 12 > end) return false;
  }
  at++;
  let line = at;
  while (line < end && (load<u8>(line) as u32) !== LINE_FEED) line++;
  if (line >= end) return false;
  placeAt = at;
  address = 0;
  for (; isDigit(load<u8>(at) as u32); at++) address = address * 10 + ((load<u8>(at) as u32) - 48);
  while ((load<u8>(at) as u32) === BLANK) at++;
  port = 0;
  for (; isDigit(load<u8>(at) as u32); at++) port = port * 10 + ((load<u8>(at) as u32) - 48);
  port &= 0xffff;
  placeLength = (at - placeAt) as u32;
  return true;
}
