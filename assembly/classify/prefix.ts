/** DNPT and SNPT (ip6t_NPT.c): another prefix for an IPv6 address, made up for in one of its other words, so that checksums stay right. */
import { FIELD_DESTINATION, FIELD_SOURCE } from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';
import { put16, putWords, sum16 } from '../packet/rewrite.ts';
import { readAddresses } from '../stack/index.ts';
import { turnAway } from '../stack/turn.ts';
import { present } from './payload.ts';

const LENGTH: usize = 4;
const PREFIX: usize = 8;
const BEFORE_LENGTH: usize = 24;
const BEFORE: usize = 28;
/** Ones in all eight words of 16 bits of an address. */
const ALL_ONES: u32 = 8 * 0xffff;

const ICMPV6: u32 = 58;
/** Where an ICMPv6 message quotes a packet; its addresses lie there. */
const MESSAGE: usize = 40;
const QUOTED: usize = 48;
const LAST_ERROR: u32 = 4;

/** False when the packet is dropped: no word of the address can make up for the prefix. */
export function changePrefix(parameters: usize, slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const ofSource = load<u32>(parameters) !== 0;
  const address = ip + (ofSource ? 8 : 24);
  const high = load<u64>(address);
  const low = load<u64>(address, 8);
  if (!mapAddress(parameters, address)) return false;
  const field = slot + (ofSource ? FIELD_SOURCE : FIELD_DESTINATION) * 4;
  putWords(field, address, 4);
  if ((load<u8>(ip, 6) as u32) === ICMPV6 && present(slot) >= (QUOTED as u32) + 40) {
    const type: u32 = load<u8>(ip + MESSAGE);
    // The quoted packet went the other way.
    const quoted = ip + QUOTED + (ofSource ? 24 : 8);
    if (type > 0 && type <= LAST_ERROR && hasPrefix(parameters, quoted)) mapAddress(parameters, quoted);
  }
  readAddresses(slot);
  if (!ofSource) turnAway(high, low, load<u64>(address), load<u64>(address, 8));
  return true;
}

function mapAddress(parameters: usize, address: usize): bool {
  const length = load<u32>(parameters, LENGTH);
  const upper = maskOf(length);
  const prefix = ((load<u32>(parameters, PREFIX) as u64) << 32) | (load<u32>(parameters, PREFIX + 4) as u64);
  const before = bswap<u64>(load<u64>(address));
  // A prefix is no longer than the upper half.
  store<u64>(address, bswap<u64>((before & ~upper) | (prefix & upper)));
  let word: usize = 6;
  if (length > 48) {
    word = 8;
    while (word < 16 && sum16(address + word) === 0xffff) word += 2;
    // The address stays changed; the packet goes nowhere.
    if (word === 16) return false;
  }
  // Less the new prefix, which is plus its complement.
  let sum = sum16(address + word) + halvesOf(parameters + BEFORE) + (ALL_ONES - halvesOf(parameters + PREFIX));
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  put16(address + word, sum === 0xffff ? 0 : sum);
  return true;
}

/** The sum of the eight halves of four words. */
function halvesOf(words: usize): u32 {
  let sum: u32 = 0;
  for (let at: usize = 0; at < 16; at += 4) sum += (load<u32>(words + at) >>> 16) + (load<u32>(words + at) & 0xffff);
  return sum;
}

function hasPrefix(parameters: usize, address: usize): bool {
  const wanted = ((load<u32>(parameters, BEFORE) as u64) << 32) | (load<u32>(parameters, BEFORE + 4) as u64);
  return (bswap<u64>(load<u64>(address)) & maskOf(load<u32>(parameters, BEFORE_LENGTH))) === wanted;
}

function maskOf(length: u32): u64 {
  return length === 0 ? 0 : u64.MAX_VALUE << ((64 - length) as u64);
}
