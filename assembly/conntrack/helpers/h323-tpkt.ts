/** Packages in a segment (TPKT; nf_conntrack_h323_main.c, get_tpkt_data). */
import { FIELD_CT_DIRECTION, FIELD_L4_LENGTH } from '../../../src/abi/fields';
import { ensureRecord, RECORD_MEMORY, recordOf } from '../help';
import { TCP_HEADER_SIZE } from '../tcp-options';
import { dataAt, dataEnd, dataLength, hasTcpData } from './foresee';

const HEADER: u32 = 4;
/** Version 3 and a byte that is 0, as a little-endian machine reads them. */
const VERSION: u32 = 3;

/** What is in the package in hand. */
export let packageAt: usize = 0;
export let packageEnd: usize = 0;

/** The first package of the segment; false: there is none. Of each direction the connection remembers how long a package is (u16) whose header came alone. */
export function firstPackage(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_L4_LENGTH * 4) < TCP_HEADER_SIZE) return false;
  const place = RECORD_MEMORY + ((load<u32>(slot, FIELD_CT_DIRECTION * 4) << 1) as usize);
  const record = recordOf(entry);
  let announced: u32 = 0;
  if (record !== 0) {
    announced = load<u16>(record + place) as u32;
    store<u16>(record + place, 0);
  }
  if (!hasTcpData(slot)) return false;
  const present = (dataEnd - dataAt) as u32;
  // What the capture cut off nobody can read.
  if (present < dataLength) return false;
  if (present < HEADER || (load<u16>(dataAt) as u32) !== VERSION) {
    if (announced === 0 || announced > present) return false;
    packageAt = dataAt;
    packageEnd = dataAt + (announced as usize);
    return true;
  }
  if (present > HEADER) return takePackage(dataAt);
  const length = lengthAt(dataAt);
  if (length > HEADER) store<u16>(ensureRecord(entry) + place, (length - HEADER) as u16);
  return false;
}

/** The package behind the one in hand. */
export function nextPackage(): bool {
  const left = (dataEnd - packageEnd) as u32;
  return left > HEADER && (load<u16>(packageEnd) as u32) === VERSION && takePackage(packageEnd);
}

function lengthAt(header: usize): u32 {
  return bswap(load<u16>(header, 2)) as u32;
}

/** With its header; false: it is not there whole. */
function takePackage(header: usize): bool {
  const length = lengthAt(header);
  if (length < HEADER || length > ((dataEnd - header) as u32)) return false;
  packageAt = header + (HEADER as usize);
  packageEnd = header + (length as usize);
  return true;
}
