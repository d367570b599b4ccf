/** Which of the host's addresses MASQUERADE and REDIRECT take (net/ipv4/devinet.c inet_select_addr; net/ipv6/addrconf.c ipv6_dev_get_saddr; nf_nat_redirect.c). */
import {
  ADDRESS_DEVICE,
  ADDRESS_FAMILY,
  ADDRESS_FLAG_LOOPBACK,
  ADDRESS_FLAG_SECONDARY,
  ADDRESS_FLAGS,
  ADDRESS_PREFIX,
  ADDRESS_SIZE,
  ADDRESS_WORDS,
} from '../../src/abi/host.ts';
import { addressCount, hostAddresses } from './host.ts';
import { isLoopback } from './ipv6.ts';
import { neighbour4 } from './neighbour.ts';

const LINK: u32 = 2;
const SITE: u32 = 5;
const GLOBAL: u32 = 14;
const LOOPBACK4: usize = memory.data<u32>([0x7f000001, 0, 0, 0]);
const LOOPBACK6: usize = memory.data<u32>([0, 0, 0, 1]);

/** Four words of the address for a packet to `destination` (four words) that leaves by a device; 0 when there is none. */
export function sourceFor(six: bool, device: u32, destination: usize): usize {
  return six ? sourceFor6(device, destination) : sourceFor4(device, load<u32>(neighbour4(device, destination)));
}

function entryAt(index: u32): usize {
  return hostAddresses + (index as usize) * ADDRESS_SIZE;
}

/** An address of a device that may stand outside: primary, in the neighbour's network; else its first; else anybody's. */
function sourceFor4(device: u32, neighbour: u32): usize {
  let first: usize = 0;
  let other: usize = 0;
  let own: usize = 0;
  for (let index: u32 = 0; index < addressCount; index++) {
    const entry = entryAt(index);
    const flags = load<u32>(entry, ADDRESS_FLAGS);
    if (load<u32>(entry, ADDRESS_FAMILY) !== 4 || (flags & ADDRESS_FLAG_LOOPBACK) !== 0) continue;
    if (load<u32>(entry, ADDRESS_DEVICE) !== device) {
      if (other === 0) other = entry + ADDRESS_WORDS;
      continue;
    }
    if (own === 0) own = entry + ADDRESS_WORDS;
    if ((flags & ADDRESS_FLAG_SECONDARY) !== 0) continue;
    if (first === 0) first = entry + ADDRESS_WORDS;
    const prefix = load<u32>(entry, ADDRESS_PREFIX);
    const mask: u32 = prefix === 0 ? 0 : 0xffffffff << (32 - prefix);
    if (((load<u32>(entry, ADDRESS_WORDS) ^ neighbour) & mask) === 0) return entry + ADDRESS_WORDS;
  }
  if (first !== 0) return first;
  return own !== 0 ? own : other;
}

/** RFC 6724, section 5, as far as addresses decide it: rules 1, 2, 5, 6 and 8. The loopback address is one like any other. */
function sourceFor6(device: u32, destination: usize): usize {
  const wanted = scopeOf(destination);
  const local = wanted <= LINK || load<u8>(destination, 3) === 0xff;
  let best: usize = 0;
  let bestOwn = false;
  for (let index: u32 = 0; index < addressCount; index++) {
    const entry = entryAt(index);
    const own = load<u32>(entry, ADDRESS_DEVICE) === device;
    if (load<u32>(entry, ADDRESS_FAMILY) !== 6 || (local && !own)) continue;
    if (best === 0 || isBetter(entry, own, best, bestOwn, destination, wanted)) {
      best = entry;
      bestOwn = own;
    }
  }
  return best === 0 ? 0 : best + ADDRESS_WORDS;
}

/** Of two entries. Devices' addresses come in the host's order, so the device itself must win where all else is equal. */
function isBetter(entry: usize, own: bool, otherEntry: usize, otherOwn: bool, destination: usize, wanted: u32): bool {
  const address = entry + ADDRESS_WORDS;
  const other = otherEntry + ADDRESS_WORDS;
  const same = commonBits(address, destination) === 128;
  const otherSame = commonBits(other, destination) === 128;
  if (same !== otherSame) return same;
  const scope = scopeOf(address);
  const otherScope = scopeOf(other);
  if (scope !== otherScope) return scope < otherScope ? scope >= wanted : otherScope < wanted;
  if (own !== otherOwn) return own;
  const policy = labelOf(destination);
  const alike = labelOf(address) === policy;
  if (alike !== (labelOf(other) === policy)) return alike;
  return matched(entry, destination) > matched(otherEntry, destination);
}

/** Bits that an entry's address has in common with another, within its network. */
function matched(entry: usize, destination: usize): u32 {
  return min<u32>(commonBits(entry + ADDRESS_WORDS, destination), load<u32>(entry, ADDRESS_PREFIX));
}

/** The default policy table (net/ipv6/addrlabel.c). */
function labelOf(address: usize): u32 {
  const first = load<u32>(address);
  if (first === 0 && load<u32>(address, 4) === 0) {
    const third = load<u32>(address, 8);
    if (third === 0) return load<u32>(address, 12) === 1 ? 0 : 3;
    return third === 0xffff ? 4 : 1;
  }
  if (first === 0x20010000) return 6;
  if (first >>> 4 === 0x2001001) return 7;
  const half = first >>> 16;
  if (half === 0x2002) return 2;
  if (half === 0x3ffe) return 12;
  if (half >>> 6 === 0xfec0 >>> 6) return 11;
  return half >>> 9 === 0xfc00 >>> 9 ? 5 : 1;
}

function scopeOf(address: usize): u32 {
  const first = load<u32>(address);
  if (first >>> 24 === 0xff) return (first >>> 16) & 15;
  if ((first & 0xffc00000) === 0xfe800000) return LINK;
  if (isLoopback(address)) return LINK;
  return (first & 0xffc00000) === 0xfec00000 ? SITE : GLOBAL;
}

function commonBits(left: usize, right: usize): u32 {
  for (let word: u32 = 0; word < 4; word++) {
    const at = (word << 2) as usize;
    const difference = load<u32>(left + at) ^ load<u32>(right + at);
    if (difference !== 0) return word * 32 + (clz(difference) as u32);
  }
  return 128;
}

/** Four words of a device's first address of a family (TPROXY); 0 when there is none. */
export function firstAddress(family: u32, device: u32): usize {
  for (let index: u32 = 0; index < addressCount; index++) {
    const entry = entryAt(index);
    if (load<u32>(entry, ADDRESS_DEVICE) === device && load<u32>(entry, ADDRESS_FAMILY) === family) return entry + ADDRESS_WORDS;
  }
  return 0;
}

/** Where REDIRECT sends a packet to `destination` that came in by a device; 0, an own packet: to the loopback address. 0 when there is no address. */
export function redirectTo(six: bool, device: u32, destination: usize): usize {
  if (device === 0) return six ? LOOPBACK6 : LOOPBACK4;
  const wanted = six ? scopeOf(destination) : GLOBAL;
  for (let index: u32 = 0; index < addressCount; index++) {
    const entry = entryAt(index);
    if (load<u32>(entry, ADDRESS_DEVICE) !== device || load<u32>(entry, ADDRESS_FAMILY) !== <u32>(six ? 6 : 4)) continue;
    if (wanted > SITE || scopeOf(entry + ADDRESS_WORDS) === wanted) return entry + ADDRESS_WORDS;
  }
  return 0;
}
