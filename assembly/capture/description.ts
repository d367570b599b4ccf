/** The interface description block of pcapng: link type, snaplen, name, time resolution and offset, FCS length. */
import {
  CAPTURE_INTERFACES,
  CAPTURE_NAMES,
  CAPTURE_RECORD,
  DAMAGE_BLOCK_LENGTH,
  DAMAGE_INTERFACES,
  INTERFACE_FCS,
  INTERFACE_ID,
  INTERFACE_LINKTYPE,
  INTERFACE_LOOPBACK,
  INTERFACE_MAXIMUM,
  INTERFACE_OFFSET,
  INTERFACE_SNAPLEN,
  LINK_SLL,
  LINK_SLL2,
} from '../../src/abi/capture.ts';
import { announceLinktype, interfaceAt } from './interface.ts';
import { interfaceId } from './names.ts';
import { findOption, optionLength } from './options.ts';
import { putResolution } from './resolution.ts';
import { cursor, damage, half, state, wide, word } from './state.ts';

const OPTION_NAME: u32 = 2;
const OPTION_RESOLUTION: u32 = 9;
const OPTION_FCS: u32 = 13;
const OPTION_OFFSET: u32 = 14;
const MICROSECONDS: u32 = 6;
/** 'an', 'y', as they lie. */
const ANY_HEAD: u16 = 0x6e61;
const ANY_TAIL: u8 = 0x79;
/** 'lo', as it lies. */
const LOOPBACK: u16 = 0x6f6c;

/** Adds the interface of the block at the cursor, `total` bytes of which are there. */
export function describeInterface(total: u32): i32 {
  if (total < 20) return damage(DAMAGE_BLOCK_LENGTH);
  const count = load<u32>(state, CAPTURE_INTERFACES);
  if (count >= <u32>INTERFACE_MAXIMUM) return damage(DAMAGE_INTERFACES);
  const entry = interfaceAt(count);
  const options = cursor + 16;
  const end = cursor + total - 4;
  const linktype = half(cursor + 8);
  store<u32>(entry, linktype, INTERFACE_LINKTYPE);
  store<u32>(entry, word(cursor + 12), INTERFACE_SNAPLEN);
  const name = findOption(options, end, OPTION_NAME, 1);
  const length = name === 0 ? 0 : trimmed(name, optionLength(name));
  const device = isEverything(name, length, linktype) ? 0 : interfaceId(load<u32>(state, CAPTURE_NAMES), name, length);
  store<u32>(entry, device, INTERFACE_ID);
  store<u32>(entry, u32(length === 2 && load<u16>(name) === LOOPBACK), INTERFACE_LOOPBACK);
  const resolution = findOption(options, end, OPTION_RESOLUTION, 1);
  putResolution(entry, resolution === 0 ? MICROSECONDS : load<u8>(resolution));
  const fcs = findOption(options, end, OPTION_FCS, 1);
  store<u32>(entry, fcs === 0 ? 0 : load<u8>(fcs), INTERFACE_FCS);
  const offset = findOption(options, end, OPTION_OFFSET, 8);
  store<u64>(entry, offset === 0 ? 0 : wide(offset), INTERFACE_OFFSET);
  store<u32>(state, count + 1, CAPTURE_INTERFACES);
  announceLinktype(linktype);
  return CAPTURE_RECORD;
}

/** "any" is all devices: each packet of such a capture was at one of them, and has a cooked header. */
function isEverything(name: usize, length: u32, linktype: u32): bool {
  if (length !== 3 || (linktype !== <u32>LINK_SLL && linktype !== <u32>LINK_SLL2)) return false;
  return load<u16>(name) === ANY_HEAD && load<u8>(name, 2) === ANY_TAIL;
}

/** Some writers end names with a zero byte. */
function trimmed(name: usize, length: u32): u32 {
  let used: u32 = 0;
  while (used < length && load<u8>(name + used) !== 0) used++;
  return used;
}
