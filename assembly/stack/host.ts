/** The host block (src/abi/host.ts) in the engine: what the stack's decisions look up. */
import {
  DEVICE_FLAG_LOOSE,
  DEVICE_FLAG_STRICT,
  DEVICE_FLAGS,
  DEVICE_MAC,
  DEVICE_MTU,
  DEVICE_SIZE,
  GROUP_DEVICE,
  GROUP_FAMILY,
  GROUP_SIZE,
  GROUP_WORDS,
  HOST_ADDRESS_COUNT,
  HOST_ADDRESSES,
  HOST_DEVICE_COUNT,
  HOST_DEVICES,
  HOST_FIRST,
  HOST_FLAG_ADDRESS_TYPES,
  HOST_FLAG_COPIES_LEAVE,
  HOST_FLAG_FORWARD,
  HOST_FLAG_IPV4_FORWARDING,
  HOST_FLAG_IPV6_FORWARDING,
  HOST_FLAG_LENIENT,
  HOST_FLAG_LOCAL_MARK,
  HOST_FLAG_NFT,
  HOST_FLAG_OFFLOAD,
  HOST_FLAG_RECORDED_WAYS,
  HOST_FLAG_SUMS_DCCP,
  HOST_FLAG_WHOLE_HEADERS,
  HOST_FLAGS,
  HOST_GROUP_COUNT,
  HOST_GROUPS,
  HOST_IN,
  HOST_LO,
  HOST_LOCAL_MARK,
  HOST_LOCAL_MASK,
  HOST_MAC_COUNT,
  HOST_MACS,
  HOST_MAGIC,
  HOST_MAGIC_VALUE,
  HOST_NUMBER_COUNT,
  HOST_NUMBERS,
  HOST_OTHER_DEVICES,
  HOST_OUT,
  HOST_SOLICITED,
  HOST_SOLICITED_COUNT,
  HOST_WAY_BACK_COUNT,
  HOST_WAY_OUT_COUNT,
  HOST_WAYS_BACK,
  HOST_WAYS_OUT,
  NUMBER_DEVICE,
  NUMBER_SIZE,
  ROUTE_SIZE,
} from '../../src/abi/host.ts';
import { initRoutes } from './routes.ts';

export let lenient: bool = false;
/** Devices leave checksums unfinished (unfinished.ts). */
export let offload: bool = false;
export let nft: bool = false;
/** An extension header that is longer than the packet cannot be walked over (-p; not conntrack). */
export let wholeHeaders: bool = false;
/** REJECT asks for a right sum of DCCP. */
export let sumsDccp: bool = false;
/** Every packet arrives (--forward). */
export let everythingArrives: bool = false;
/** With it: nobody said where they do, and a capture that names devices is believed. */
export let recordedWays: bool = false;
/** With it: what the capture says went out is a copy of what came in. */
export let copiesLeave: bool = false;
export let addressTypes: bool = false;
export let forwards4: bool = false;
export let forwards6: bool = false;
/** Interface ids; 0 where the host model does not say. */
export let hostIn: u32 = 0;
export let hostOut: u32 = 0;
export let hostFirst: u32 = 0;
export let hostLo: u32 = 0;
export let macCount: u32 = 0;
/** Neither a reverse path filter nor rules want to know more of a packet than its addresses; its frame is judged before. */
export let simpleWays: bool = false;
/** What the capture, and the host's MACs, say of a packet's frame, its kind, and its addresses are all that its way depends on: of a packet that is forwarded also a TTL of two or more, and no more bytes than this. */
export let leastMtu: u32 = 0;
/** Numbers of devices that the host model has. */
export let numberCount: u32 = 0;
let numbers: usize = 0;
let macs: usize = 0;
let devices: usize = 0;
let deviceCount: u32 = 0;
let otherDevices: u32 = 0;
/** Addresses of devices (abi/host.ts). */
export let hostAddresses: usize = 0;
export let addressCount: u32 = 0;
/** Routes (abi/host.ts), only where rules ask for ways back, from the first to behind the last. */
export let waysBack: usize = 0;
export let waysBackEnd: usize = 0;
/** The same, only where a route has a gateway and somebody asks for it. */
export let waysOut: usize = 0;
export let waysOutEnd: usize = 0;
/** Packets with this mark are for this host, if any are for their mark. */
export let marksLocal: bool = false;
let localMark: u32 = 0;
let localMask: u32 = 0;
let groups: usize = 0;
let groupsEnd: usize = 0;
let solicited: usize = 0;
let solicitedCount: u32 = 0;

/** Takes the host block at `block` (a multiple of 8), which stays there. False when it is not one. */
export function stackInit(block: usize): bool {
  if (load<u32>(block, HOST_MAGIC) !== <u32>HOST_MAGIC_VALUE) return false;
  const flags = load<u32>(block, HOST_FLAGS);
  lenient = (flags & HOST_FLAG_LENIENT) !== 0;
  offload = (flags & HOST_FLAG_OFFLOAD) !== 0;
  nft = (flags & HOST_FLAG_NFT) !== 0;
  wholeHeaders = (flags & HOST_FLAG_WHOLE_HEADERS) !== 0;
  sumsDccp = (flags & HOST_FLAG_SUMS_DCCP) !== 0;
  everythingArrives = (flags & HOST_FLAG_FORWARD) !== 0;
  recordedWays = (flags & HOST_FLAG_RECORDED_WAYS) !== 0;
  copiesLeave = (flags & HOST_FLAG_COPIES_LEAVE) !== 0;
  addressTypes = (flags & HOST_FLAG_ADDRESS_TYPES) !== 0;
  forwards4 = (flags & HOST_FLAG_IPV4_FORWARDING) !== 0;
  forwards6 = (flags & HOST_FLAG_IPV6_FORWARDING) !== 0;
  hostIn = load<u32>(block, HOST_IN);
  hostOut = load<u32>(block, HOST_OUT);
  hostFirst = load<u32>(block, HOST_FIRST);
  hostLo = load<u32>(block, HOST_LO);
  macs = block + load<u32>(block, HOST_MACS);
  macCount = load<u32>(block, HOST_MAC_COUNT);
  numbers = block + load<u32>(block, HOST_NUMBERS);
  numberCount = load<u32>(block, HOST_NUMBER_COUNT);
  devices = block + load<u32>(block, HOST_DEVICES);
  deviceCount = load<u32>(block, HOST_DEVICE_COUNT);
  otherDevices = load<u32>(block, HOST_OTHER_DEVICES);
  solicited = block + load<u32>(block, HOST_SOLICITED);
  solicitedCount = load<u32>(block, HOST_SOLICITED_COUNT);
  groups = block + load<u32>(block, HOST_GROUPS);
  groupsEnd = groups + (load<u32>(block, HOST_GROUP_COUNT) as usize) * GROUP_SIZE;
  hostAddresses = block + load<u32>(block, HOST_ADDRESSES);
  addressCount = load<u32>(block, HOST_ADDRESS_COUNT);
  marksLocal = (flags & HOST_FLAG_LOCAL_MARK) !== 0;
  localMark = load<u32>(block, HOST_LOCAL_MARK);
  localMask = load<u32>(block, HOST_LOCAL_MASK);
  waysBack = block + load<u32>(block, HOST_WAYS_BACK);
  waysBackEnd = waysBack + (load<u32>(block, HOST_WAY_BACK_COUNT) as usize) * ROUTE_SIZE;
  waysOut = block + load<u32>(block, HOST_WAYS_OUT);
  waysOutEnd = waysOut + (load<u32>(block, HOST_WAY_OUT_COUNT) as usize) * ROUTE_SIZE;
  leastMtu = smallestMtu();
  simpleWays = !everythingArrives && !addressTypes && !hasFilter();
  initRoutes(block);
  return true;
}

/** A packet with this mark is for this host, whatever its address. */
export function isLocalMark(mark: u32): bool {
  return marksLocal && (mark & localMask) === localMark;
}

/** The MAC of a device with DEVICE_MAC_KNOWN above it, or 0. */
export function deviceMac(id: u32): u64 {
  return id < deviceCount ? load<u64>(devices + id * DEVICE_SIZE, DEVICE_MAC) : 0;
}

/** 0 when unknown. */
export function deviceMtu(id: u32): u32 {
  return id < deviceCount ? load<u32>(devices + id * DEVICE_SIZE, DEVICE_MTU) : 0;
}

/** DEVICE_FLAG_*. */
export function deviceFlags(id: u32): u32 {
  return id < deviceCount ? load<u32>(devices + id * DEVICE_SIZE, DEVICE_FLAGS) : otherDevices;
}

/** Of all devices whose MTU is known. */
function smallestMtu(): u32 {
  let least: u32 = 0xffff;
  for (let id: u32 = 0; id < deviceCount; id++) if (deviceMtu(id) !== 0) least = min(least, deviceMtu(id));
  return least;
}

/** Some device has a reverse path filter. */
function hasFilter(): bool {
  let flags = otherDevices;
  for (let id: u32 = 0; id < deviceCount; id++) flags |= deviceFlags(id);
  return (flags & (DEVICE_FLAG_STRICT | DEVICE_FLAG_LOOSE)) !== 0;
}

/** One of the host's own MACs. */
export function isOwnMac(mac: u64): bool {
  let low: u32 = 0;
  let high = macCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u64>(macs + (middle << 3)) < mac) low = middle + 1;
    else high = middle;
  }
  return low < macCount && load<u64>(macs + (low << 3)) === mac;
}

/** The interface id of the device with this number (ifindex), or NUMBER_IS_PORT; 0 when the host model has none. */
export function deviceOfNumber(number: u32): u32 {
  let low: u32 = 0;
  let high = numberCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u32>(numbers + middle * NUMBER_SIZE) < number) low = middle + 1;
    else high = middle;
  }
  const found = numbers + low * NUMBER_SIZE;
  return low < numberCount && load<u32>(found) === number ? load<u32>(found, NUMBER_DEVICE) : 0;
}

/** An IPv6 address of the host ends in these 24 bits. */
export function isSolicited(bits: u32): bool {
  for (let i: u32 = 0; i < solicitedCount; i++) {
    if (load<u32>(solicited + (i << 2)) === bits) return true;
  }
  return false;
}

/** The device has joined that group, as was told (ip -j maddr); `words`: the group, most significant word first, as many as the family has. */
export function isTold(family: u32, words: usize, device: u32): bool {
  const size: usize = family === 4 ? 4 : 16;
  for (let at = groups; at < groupsEnd; at += GROUP_SIZE) {
    if (load<u32>(at, GROUP_DEVICE) !== device || load<u32>(at, GROUP_FAMILY) !== family) continue;
    if (memory.compare(at + GROUP_WORDS, words, size) === 0) return true;
  }
  return false;
}
