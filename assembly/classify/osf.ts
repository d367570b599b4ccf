/** osf (nfnetlink_osf.c): a TCP SYN held against fingerprints. Parameters: abi/special.ts. */
import { FIELD_TTL } from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';
import { OSF_DONT_FRAGMENT, OSF_MSS, OSF_MTU, OSF_PLAIN, OSF_TTL_EXACT, OSF_TTL_LESS } from '../../src/abi/special.ts';
import { be16 } from '../packet/ethertype.ts';
import { present } from './payload.ts';

const TCP_HEADER: u32 = 20;
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;
const WINDOW: usize = 14;
const SYN: u32 = 2;
const MSS_OPTION: u32 = 2;
/** Words of a fingerprint before its options. */
const HEAD: usize = 16;

/** Of the packet in hand. */
let length: u32 = 0;
let ttl: u32 = 0;
let fragments: u32 = 0;
let window: u32 = 0;
let options: usize = 0;
let optionBytes: u32 = 0;
let segment: u32 = 0;

export function osfHolds(parameters: usize, slot: usize): bool {
  if (!takeSyn(slot)) return false;
  const check = load<u32>(parameters);
  let at = parameters + 8;
  for (let left = load<u32>(parameters, 4); left !== 0; left--) {
    if (fitsHeader(at, check) && fitsOptions(at) && fitsWindow(at)) return true;
    at += HEAD + ((load<u32>(at, 12) as usize) << 2);
  }
  return false;
}

/** False where what lies behind the IP header is no SYN, or its options are cut off. */
function takeSyn(slot: usize): bool {
  const ip = load<u32>(slot, PACKET_IP) as usize;
  const offset: u32 = ((load<u8>(ip) as u32) & 15) << 2;
  const end = present(slot);
  if (offset + TCP_HEADER > end) return false;
  const tcp = ip + (offset as usize);
  if (((load<u8>(tcp, FLAGS) as u32) & SYN) === 0) return false;
  const size: u32 = ((load<u8>(tcp, DATA_OFFSET) as u32) >>> 4) << 2;
  optionBytes = size > TCP_HEADER ? size - TCP_HEADER : 0;
  if (offset + TCP_HEADER + optionBytes > end) return false;
  options = tcp + (TCP_HEADER as usize);
  length = be16(ip + 2);
  fragments = (load<u8>(ip, 6) as u32) & 0x40;
  ttl = load<u32>(slot, FIELD_TTL * 4);
  window = be16(tcp + WINDOW);
  return true;
}

function fitsHeader(finger: usize, check: u32): bool {
  const head = load<u32>(finger);
  const sizes = load<u32>(finger, 8);
  if ((sizes & 0xffff) !== length || sizes >>> 16 !== optionBytes) return false;
  if (((head & OSF_DONT_FRAGMENT) !== 0) !== (fragments !== 0)) return false;
  const wanted = head >>> 16;
  if (check === OSF_TTL_EXACT) return ttl === wanted;
  return check !== OSF_TTL_LESS || ttl <= wanted;
}

/** Each is as long as the fingerprint says. Their sum is what there is. */
function fitsOptions(finger: usize): bool {
  let at = options;
  segment = 0;
  const end = finger + HEAD + ((load<u32>(finger, 12) as usize) << 2);
  for (let option = finger + HEAD; option < end; option += 4) {
    const kind = load<u8>(option) as u32;
    if ((load<u8>(at) as u32) !== kind) return false;
    if (kind === MSS_OPTION) segment = be16(at + 2);
    at += load<u8>(option, 1) as usize;
  }
  return true;
}

function fitsWindow(finger: usize): bool {
  const kind = load<u32>(finger) & 255;
  const value = load<u32>(finger, 4);
  if (kind === OSF_PLAIN) return value === 0 || window === value;
  if (kind !== OSF_MSS && kind !== OSF_MTU) return window % value === 0;
  const more: u32 = kind === OSF_MTU ? 40 : 0;
  return window === value * (segment + more) || window === value * (1460 + more) || window === value * (1448 + more);
}
