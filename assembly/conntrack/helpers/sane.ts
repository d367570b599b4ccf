/** SANE (net/netfilter/nf_conntrack_sane.c): the server's answer to a request to start says at which port it sends the image. */
import { CT_ESTABLISHED, FIELD_CT_DIRECTION, FIELD_CT_STATE } from '../../../src/abi/fields';
import { PACKET_JIFFIES } from '../../../src/abi/packet';
import { PROTOCOL_TCP } from '../entry';
import { expect } from '../expectations';
import { ensureRecord, RECORD_MEMORY, recordOf } from '../help';
import { dataAt, dataEnd, dataLength, foresee, foreseeSource, hasTcpData } from './foresee';

const START: u32 = 7;
const MESSAGE: u32 = 8;
const MOST: u32 = 1;
const SECONDS: u32 = 300;

/** False: the packet is dropped. */
export function saneHelp(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_CT_STATE * 4) !== CT_ESTABLISHED || !hasTcpData(slot)) return true;
  const present = (dataEnd - dataAt) as u32;
  if (load<u32>(slot, FIELD_CT_DIRECTION * 4) === 0) {
    // Requests of another length are not looked at.
    if (dataLength !== MESSAGE || present < 4) return true;
    const starts = bswap(load<u32>(dataAt)) === START;
    store<u32>(ensureRecord(entry), starts ? 1 : 0, RECORD_MEMORY);
    return true;
  }
  const record = recordOf(entry);
  if (record === 0 || load<u32>(record, RECORD_MEMORY) === 0) return true;
  store<u32>(record, 0, RECORD_MEMORY);
  if (present < MESSAGE || load<u32>(dataAt) !== 0 || load<u16>(dataAt, 4) !== 0) return true;
  foresee(entry, PROTOCOL_TCP, 0, bswap(load<u16>(dataAt, 6)) as u32);
  foreseeSource(entry, 0);
  return expect(entry, MOST, SECONDS, load<i64>(slot, PACKET_JIFFIES));
}
