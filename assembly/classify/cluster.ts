/** cluster (xt_cluster.c), and the packet's type, which it may change; parameters as abi/special.ts lists them. */
import {
  FIELD_DESTINATION,
  FIELD_FAMILY,
  FIELD_PACKET_TYPE,
  PACKET_HOST,
  PACKET_MULTICAST,
  STATUS_EXPECTED,
} from '../../src/abi/fields.ts';
import { PACKET_CT_ENTRY } from '../../src/abi/packet.ts';
import { entryAddress, entryStatus, masterAddress, TEMPLATE } from '../conntrack/index';
import { oneHash } from '../nat/hash.ts';
import { turn } from '../stack/turn.ts';

const MASK: usize = 4;
const SEED: usize = 8;
const INVERT: usize = 12;

export function isOfNode(parameters: usize, slot: usize): bool {
  hostType(slot);
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  if (entry === 0 || entry === TEMPLATE) return false;
  const expected = (entryStatus(entry) & STATUS_EXPECTED) !== 0;
  // Of IPv6 addresses the kernel hashes the first word only.
  const source = expected ? masterAddress(entry) : entryAddress(entry, 0, true, 0);
  const hash = oneHash(bswap(source), load<u32>(parameters, SEED));
  const node = (((hash as u64) * (load<u32>(parameters) as u64)) >> 32) as u32;
  return ((load<u32>(parameters, MASK) >>> node) & 1) !== load<u32>(parameters, INVERT);
}

/** What came for a multicast MAC, but not for a group, is for this host: the nodes share such an address. */
function hostType(slot: usize): void {
  if (load<u32>(slot, FIELD_PACKET_TYPE * 4) !== <u32>PACKET_MULTICAST) return;
  const first = load<u32>(slot, FIELD_DESTINATION * 4);
  const group = load<u32>(slot, FIELD_FAMILY * 4) === 6 ? first >>> 24 === 0xff : first >>> 28 === 14;
  if (group) return;
  store<u32>(slot, PACKET_HOST, FIELD_PACKET_TYPE * 4);
  turn();
}

export function hasPacketType(parameters: usize, slot: usize): bool {
  const type = load<u32>(slot, FIELD_PACKET_TYPE * 4);
  const within = type >= load<u32>(parameters) && type <= load<u32>(parameters, 4);
  return within !== (load<u32>(parameters, 8) !== 0);
}
