/** TFTP (net/netfilter/nf_conntrack_tftp.c): the answer to a request comes from another port. */
import { FIELD_L4_LENGTH } from '../../../src/abi/fields';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../../src/abi/packet';
import { entryPort } from '../accessors';
import { PROTOCOL_UDP } from '../entry';
import { expect } from '../expectations';
import { foresee, foreseeSource } from './foresee';
import { foreseeFollowing, isTranslated } from './translated';

const UDP_HEADER_SIZE: u32 = 8;
const READ_REQUEST: u32 = 1;
const WRITE_REQUEST: u32 = 2;
const MOST: u32 = 1;
const SECONDS: u32 = 300;

/** False: the packet is dropped. Nothing says that only clients request. */
export function tftpHelp(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_L4_LENGTH * 4) < UDP_HEADER_SIZE + 2) return true;
  const header = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  const operation = bswap(load<u16>(header, 8)) as u32;
  if (operation !== READ_REQUEST && operation !== WRITE_REQUEST) return true;
  foresee(entry, PROTOCOL_UDP, 1, entryPort(entry, 1, false));
  foreseeSource(entry, 1);
  if (isTranslated(entry)) foreseeFollowing(1, entryPort(entry, 0, true));
  return expect(entry, MOST, SECONDS, load<i64>(slot, PACKET_JIFFIES));
}
