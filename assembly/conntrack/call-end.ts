/** The data of a PPTP call (net/netfilter/nf_conntrack_pptp.c): when it begins, only one direction of it is expected; when the call ends, what there is of it ends, or is expected no more. */
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
  turnForeseen,
} from './expectations';
import { recordOf } from './help';
import { clock, release, remove } from './table';
import { keepKey, keyIPv4, keyZone, restoreKey } from './tuple';
import { findBeside } from './zones';

/**
 * A connection fulfilled what `master` expected in FORESEEN: the other direction needs no expectation any more (pptp_expectfn). Where the master is translated (`follows`, pptp_nat_expected) it is
 * looked for by the server's view of it; and when the server was first, by ids that only a control connection has, which are zero.
 */
export function dataBegan(master: usize, follows: u32, now: i64): void {
  if (follows === 0) {
    turnForeseen();
  } else if (((follows >>> 1) & 1) === 0) {
    const record = recordOf(master);
    foreseeData(master, 1, load<u16>(record, CALL_PAC), load<u16>(record, CALL_PNS));
  } else {
    foreseeData(master, 0, 0, 0);
  }
  forgetFitting(now);
}

/** pptp_destroy_siblings; the key in hand is kept. Of the control connection `entry`, whose record this is; 0: it never spoke of a call, and the ids are zero, which stand for GRE without keys. */
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
  const asking = entryZoneIn(entry, 0);
  const source = entryAddress(entry, direction, true, 0);
  const destination = entryAddress(entry, direction, false, 0);
  keyIPv4(source, destination, sender, receiver, PROTOCOL_GRE);
  if (asking !== 0) keyZone(asking);
  const data = findBeside(entryZoneIn(entry, 1), clock);
  if (data !== 0) {
    remove(data);
    release(data);
    return;
  }
  foreseeData(entry, direction, sender, receiver);
  forgetFitting(clock);
}

/** The tuple of a control connection's data is in FORESEEN. */
function foreseeData(entry: usize, direction: u32, sender: u32, receiver: u32): void {
  memory.fill(FORESEEN + EXPECT_SOURCE, 0, 16);
  memory.fill(FORESEEN + EXPECT_DESTINATION, 0, 16);
  store<u32>(FORESEEN, 4 | (PROTOCOL_GRE << 8) | (entryZone(entry) << 16), EXPECT_KIND);
  store<u32>(FORESEEN, entryAddress(entry, direction, true, 0), EXPECT_SOURCE);
  store<u32>(FORESEEN, entryAddress(entry, direction, false, 0), EXPECT_DESTINATION);
  store<u32>(FORESEEN, sender, EXPECT_SPORT);
  store<u32>(FORESEEN, receiver, EXPECT_DPORT);
}
