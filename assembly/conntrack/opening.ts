/** How connections begin (nf_conntrack_core.c, init_conntrack): expected by another, or with what a template (xt_CT.c) gives them. */
import { TRACKING_FLAG_HELPED, TRACKING_FLAG_MASTERS, TRACKING_FLAG_NAT } from '../../src/abi/conntrack';
import { FIELD_DPORT, FIELD_L4_LENGTH, FIELD_SPORT, STATUS_EXPECTED } from '../../src/abi/fields';
import { HELPER_NONE, HELPER_PPTP } from '../../src/abi/helpers';
import { PACKET_JIFFIES } from '../../src/abi/packet';
import { dataBegan } from './call-end';
import { callsInit, dataBegins } from './calls';
import { ENTRY_MARK, STATUS_MASTER_SHIFT } from './entry';
import { expectationCount, expectationsInit, followed, fulfil, fulfilledAssigns } from './expectations';
import { keepMaster, limited } from './extension';
import { assignHelper, entryHelper } from './help';
import { helpRegionInit } from './help-region';
import { admit } from './limit';
import { flag } from './parameters';
import { addStatus } from './status';
import { create, release } from './table';
import { helper } from './template';
import { keyPacket } from './tuple';
import { tellVantage } from './vantage';
import { divide, search } from './zones';

/** Beside INVALID_*: no entry, for memory or for its limit, which the kernel answers by dropping the packet. */
export const NO_ENTRY: u32 = 0x10000;

/** Nothing is expected. */
export function openingInit(): void {
  helpRegionInit();
  expectationsInit();
  callsInit();
}

/** The key in hand is that of no connection. False: there is no room for one more. */
export function admitUnknown(slot: usize, now: i64): bool {
  if (flag(TRACKING_FLAG_NAT)) tellVantage(slot, now);
  return admit(now);
}

/** An entry for the key in hand (init_conntrack): one that was expected takes over its master's mark; to a helper of its own it is assigned only when nobody expected it. */
export function openEntry(slot: usize, protocol: u32, sport: u32, dport: u32, now: i64): usize {
  if (!admitUnknown(slot, now)) return 0;
  const entry = create();
  if (entry === 0) return 0;
  if (!divide(entry)) {
    release(entry);
    return 0;
  }
  const master = expectationCount() === 0 ? 0 : fulfil(slot, protocol, sport, dport, now);
  if (master !== 0) {
    addStatus(entry, STATUS_EXPECTED | (entryHelper(master) << STATUS_MASTER_SHIFT));
    store<u32>(entry, load<u32>(master, ENTRY_MARK), ENTRY_MARK);
    if (flag(TRACKING_FLAG_MASTERS)) keepMaster(entry, master);
    if (entryHelper(master) === HELPER_PPTP) {
      dataBegins(entry, master);
      dataBegan(master, followed, now);
    }
    if (fulfilledAssigns !== HELPER_NONE) assignHelper(entry, fulfilledAssigns);
    else if (flag(TRACKING_FLAG_HELPED)) assignHelper(entry, entryHelper(master));
  } else if (helper !== HELPER_NONE) {
    assignHelper(entry, helper);
  }
  return entry;
}

/** A packet whose header is wrong, and why. The kernel looks connections up before it looks at headers: such a packet, too, wants room for one, and uses an expectation up. */
export function refused(slot: usize, protocol: u32, reason: u32): u32 {
  const looked = expectationCount() !== 0 || limited || flag(TRACKING_FLAG_NAT);
  if (!looked || load<u32>(slot, FIELD_L4_LENGTH * 4) < 4) return reason;
  const now = load<i64>(slot, PACKET_JIFFIES);
  const sport = load<u32>(slot, FIELD_SPORT * 4);
  const dport = load<u32>(slot, FIELD_DPORT * 4);
  keyPacket(slot, protocol, sport, dport);
  if (search(now) !== 0) return reason;
  if (!admitUnknown(slot, now)) return NO_ENTRY;
  if (expectationCount() !== 0) fulfil(slot, protocol, sport, dport, now);
  return reason;
}
