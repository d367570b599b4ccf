/** The end of a PPTP call (net/netfilter/nf_conntrack_pptp.c, pptp_destroy_siblings): what there is of its data ends, or is expected no more. The key in hand is kept. */
import { entryAddress, entryZone, entryZoneIn } from './accessors';
import { CALL_PAC, CALL_PNS, forgetKeys } from './calls';
import { PROTOCOL_GRE } from './entry';
import {
  EXPECT_DESTINATION,
  EXPECT_DPORT,
  EXPECT_KIND,
  EXPECT_SOURCE,
  EXPECT_SPORT,
  FORESEEN,
  forgetFitting,
} from './expectations';
import { clock, release, remove } from './table';
import { keepKey, keyIPv4, keyZone, restoreKey } from './tuple';
import { findBeside } from './zones';

/** Of the control connection `entry`, whose record this is; 0: it never spoke of a call, and the ids are zero, which stand for GRE without keys. */
export function endCall(entry: usize, record: usize): void {
  if (record !== 0) forgetKeys(record);
  keepKey();
  const pns: u32 = record !== 0 ? load<u16>(record, CALL_PNS) : 0;
  const pac: u32 = record !== 0 ? load<u16>(record, CALL_PAC) : 0;
  endData(entry, 0, pns, pac);
  endData(entry, 1, pac, pns);
  restoreKey();
}

function endData(entry: usize, direction: u32, sender: u32, receiver: u32): void {
  const source = entryAddress(entry, direction, true, 0);
  const destination = entryAddress(entry, direction, false, 0);
  const zone = entryZone(entry);
  const asking = entryZoneIn(entry, 0);
  keyIPv4(source, destination, sender, receiver, PROTOCOL_GRE);
  if (asking !== 0) keyZone(asking);
  const data = findBeside(entryZoneIn(entry, 1), clock);
  if (data !== 0) {
    remove(data);
    release(data);
    return;
  }
  memory.fill(FORESEEN + EXPECT_SOURCE, 0, 16);
  memory.fill(FORESEEN + EXPECT_DESTINATION, 0, 16);
  store<u32>(FORESEEN, 4 | (PROTOCOL_GRE << 8) | (zone << 16), EXPECT_KIND);
  store<u32>(FORESEEN, source, EXPECT_SOURCE);
  store<u32>(FORESEEN, destination, EXPECT_DESTINATION);
  store<u32>(FORESEEN, sender, EXPECT_SPORT);
  store<u32>(FORESEEN, receiver, EXPECT_DPORT);
  forgetFitting(clock);
}
