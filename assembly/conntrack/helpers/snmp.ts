/**
 * Addresses in SNMP messages of translated connections (net/ipv4/netfilter/nf_nat_snmp_basic_main.c), read as the kernel's BER decoder reads them (lib/asn1_decoder.c, nf_nat_snmp_basic.asn1): an optional element that
 * is not there is passed over, and one that stands at the end of its surroundings is not looked for.
 */
import { FIELD_CT_DIRECTION, FIELD_L4_LENGTH, FIELD_LENGTH } from '../../../src/abi/fields';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../../src/abi/packet';
import { put16, sum16, updateChecksum } from '../../packet/rewrite.ts';
import { entryAddress } from '../accessors';

const AGENT: u32 = 161;
const TRAP: u32 = 162;
const UDP_HEADER_SIZE: usize = 8;

const CONSTRUCTED: u32 = 0x20;
const LONG_TAG: u32 = 0x1f;
const INTEGER: u32 = 0x02;
const STRING: u32 = 0x04;
const NOTHING: u32 = 0x05;
const OBJECT: u32 = 0x06;
const SEQUENCE: u32 = 0x30;
const ADDRESS: u32 = 0x40;
/** Other kinds of values, in the order in which they are looked for. */
const COUNTER: u32 = 0x41;
const TICKS: u32 = 0x43;
const OPAQUE: u32 = 0x44;
const LONG_COUNTER: u32 = 0x46;
const UNSIGNED: u32 = 0x42;
const NO_OBJECT: u32 = 0x80;
/** What is asked or told: tags in the order in which they are looked for; 0xa4, a trap of version 1, is not. */
const PDUS: usize = memory.data<u8>([0xa0, 0xa1, 0xa5, 0xa2, 0xa3, 0xa6, 0xa7, 0xa8]);
const PDU_COUNT: usize = 8;

/** Answers of `element`. */
const ABSENT: u32 = 0;
const THERE: u32 = 1;
const WRONG: u32 = 2;

/** Where reading has come to, and where the surroundings end. */
let at: usize = 0;
let end: usize = 0;
/** What was looked for last was there. */
let matched: bool = false;
/** Length of what was there. UNKNOWN: up to two zeros. */
let length: u32 = 0;
const UNKNOWN: u32 = 0xffffffff;

let message: usize = 0;
let hidden: u32 = 0;
let shown: u32 = 0;
let telling: bool = false;

/** False: the packet is dropped. */
export function snmpHelp(slot: usize, entry: usize): bool {
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  if (direction === 0 && sum16(header) === AGENT) return true;
  if (direction === 1 && sum16(header + 2) === TRAP) return true;
  const whole = load<u32>(slot, FIELD_LENGTH * 4) - offset;
  if (sum16(header + 4) !== whole) return false;
  hidden = entryAddress(entry, 0, true, 0);
  shown = entryAddress(entry, 1, false, 0);
  // What the capture cut off nobody can read.
  if (hidden === shown || load<u32>(slot, FIELD_L4_LENGTH * 4) < whole) return true;
  message = header + UDP_HEADER_SIZE;
  const behind = header + (whole as usize);
  // What cannot be read stays as it is.
  return read(behind, false) && read(behind, true);
}

/** The message in hand, up to `behind`. `tells`: addresses become what is seen of them. */
function read(behind: usize, tells: bool): bool {
  at = message;
  end = behind;
  matched = false;
  telling = tells;
  return readMessage();
}

/** A tag and a length at `at`, which is behind them then; ABSENT: another tag. */
function element(tag: u32): u32 {
  matched = false;
  if (end - at < 2) return WRONG;
  const found = load<u8>(at) as u32;
  if ((found & LONG_TAG) === LONG_TAG) return WRONG;
  const differs = found ^ tag;
  if ((tag & CONSTRUCTED ? differs & ~CONSTRUCTED : differs) !== 0) return ABSENT;
  matched = true;
  length = load<u8>(at, 1) as u32;
  at += 2;
  if (length === 0x80) {
    length = UNKNOWN;
    return (found & CONSTRUCTED) !== 0 && end - at >= 2 ? THERE : WRONG;
  }
  if (length > 0x80) {
    const size = (length - 0x80) as usize;
    if (size > 2 || size > end - at) return WRONG;
    length = size === 1 ? (load<u8>(at) as u32) : sum16(at);
    at += size;
  }
  return (length as usize) > end - at ? WRONG : THERE;
}

/** What must be there and has nothing inside. */
function value(tag: u32): bool {
  if (element(tag) !== THERE) return false;
  at += length as usize;
  return true;
}

/** One that may be missing. `otherwise`: it is looked for only where what came before is missing. False: it cannot be read. */
function option(tag: u32, otherwise: bool): bool {
  if ((otherwise && matched) || at === end) return true;
  const found = element(tag);
  if (found === THERE) at += length as usize;
  return found !== WRONG;
}

/** Into what is there: the surroundings that it leaves; 0 where it ends with two zeros. */
function enter(): usize {
  if (length === UNKNOWN) return 0;
  const outer = end;
  end = at + (length as usize);
  return outer;
}

/** Back to `outer`, at the end of what was entered. */
function leave(outer: usize): bool {
  if (outer === 0) {
    if (end - at < 2 || load<u16>(at) !== 0) return false;
    at += 2;
    return true;
  }
  if (at !== end) return false;
  end = outer;
  return true;
}

/** Whether there is more of a list to `outer`. */
function goesOn(outer: usize): bool {
  return outer === 0 ? end - at >= 2 && load<u8>(at) !== 0 : at < end;
}

function readMessage(): bool {
  if (element(SEQUENCE) !== THERE) return false;
  const outer = enter();
  // Versions 1 and 2.
  if (element(INTEGER) !== THERE || length !== 1 || load<u8>(at) > 1) return false;
  at++;
  if (!value(STRING)) return false;
  for (let pdu: usize = 0; pdu < PDU_COUNT; pdu++) {
    if (at === end) break;
    const found = element(load<u8>(PDUS + pdu) as u32);
    if (found === WRONG || (found === THERE && !readPdu())) return false;
  }
  return matched && leave(outer);
}

function readPdu(): bool {
  const outer = enter();
  if (!value(INTEGER) || !value(INTEGER) || !value(INTEGER)) return false;
  if (element(SEQUENCE) !== THERE) return false;
  const list = enter();
  do {
    if (!readBinding()) return false;
  } while (goesOn(list));
  if (!leave(list) || !leave(outer)) return false;
  matched = true;
  return true;
}

/** A name, and what it stands for. */
function readBinding(): bool {
  if (element(SEQUENCE) !== THERE) return false;
  const outer = enter();
  if (!value(OBJECT)) return false;
  if (!option(INTEGER, false) || !option(STRING, true) || !option(OBJECT, true) || !readAddress()) return false;
  if (!option(COUNTER, false) || !option(TICKS, false) || !option(OPAQUE, false)) return false;
  if (!option(LONG_COUNTER, false) || !option(UNSIGNED, false) || !option(NOTHING, true)) return false;
  for (let tag = NO_OBJECT; tag < NO_OBJECT + 3; tag++) {
    if (!option(tag, true)) return false;
  }
  return matched && leave(outer);
}

/** An address, if there is one; the hidden one is told as it is seen, and a checksum, if there is one, follows. */
function readAddress(): bool {
  if (at === end) return true;
  const found = element(ADDRESS);
  if (found !== THERE) return found === ABSENT;
  if (length !== 4) return false;
  if (telling && bswap(load<u32>(at)) === hidden) {
    const checksum = message - 2;
    const odd = ((at - message) & 1) !== 0;
    if (load<u16>(checksum) !== 0) updateChecksum(checksum, summed(hidden, odd), summed(shown, odd), odd ? 3 : 2);
    put16(at, shown >>> 16);
    put16(at + 2, shown & 0xffff);
  }
  at += 4;
  return true;
}

/** The sum of an address that begins in the middle of a 16-bit word, or not. */
function summed(address: u32, odd: bool): u32 {
  if (!odd) return (address >>> 16) + (address & 0xffff);
  return (address >>> 24) + ((address >>> 8) & 0xffff) + ((address & 0xff) << 8);
}
