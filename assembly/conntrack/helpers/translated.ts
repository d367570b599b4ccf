/** Announcements in connections whose addresses are translated (nf_nat_ftp.c and its like): told anew, and what is expected follows its master. */
import { CONTROL_NAT_DRAWN } from '../../../src/abi/control';
import { FIELD_CT_DIRECTION } from '../../../src/abi/fields';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../../src/abi/packet';
import { replaceData } from '../../nat/replace.ts';
import { tally } from '../../tally.ts';
import { entryProtocol } from '../accessors';
import { ENTRY_STATUS, PROTOCOL_TCP, STATUS_TRANSLATED } from '../entry';
import {
  BUSY,
  EXPECT_DPORT,
  EXPECT_FOLLOWS,
  EXPECTED,
  FOLLOWS,
  FOLLOWS_PORT_SHIFT,
  FORESEEN,
  tryExpect,
  unexpect,
} from '../expectations';
import { shiftFrom } from '../sequence';
import { TOLD, tell, toldLength } from './telling';

/** Ports that are tried. */
const TRIES: u32 = 128;
const LAST_PORT: u32 = 65535;

export function isTranslated(entry: usize): bool {
  return (load<u32>(entry, ENTRY_STATUS) & STATUS_TRANSLATED) !== 0;
}

/** The expectation in hand goes in `direction` of its master's, to `port` behind the translation. */
export function foreseeFollowing(direction: u32, port: u32): void {
  store<u32>(FORESEEN, FOLLOWS | (direction << 1) | (port << FOLLOWS_PORT_SHIFT), EXPECT_FOLLOWS);
}

/**
 * The expectation in hand, of a translated connection, in `direction` of it: the port that is free is told in the place of `length` bytes of text at `at`, as `kind` of telling.
 * False: the packet is dropped.
 */
export function expectTold(
  slot: usize,
  entry: usize,
  most: u32,
  seconds: u32,
  direction: u32,
  at: usize,
  length: u32,
  kind: u32,
): bool {
  foreseeFollowing(direction, load<u32>(FORESEEN, EXPECT_DPORT));
  const port = expectFreePort(entry, most, seconds, load<i64>(slot, PACKET_JIFFIES));
  if (port === 0) return false;
  if (tellInstead(slot, entry, direction, port, at, length, kind)) return true;
  unexpect(entry);
  return false;
}

/** The expectation in hand at its port, or at another one above it. Out: that port; 0: none is free. */
export function expectFreePort(entry: usize, most: u32, seconds: u32, now: i64): u32 {
  const wanted = load<u32>(FORESEEN, EXPECT_DPORT);
  const range = LAST_PORT - wanted;
  let answer = tryExpect(entry, most, seconds, now, false);
  let port = wanted;
  // The kernel draws the others.
  for (let tried: u32 = 0; answer !== EXPECTED; tried++) {
    if (answer !== BUSY || tried >= min(range, TRIES)) return 0;
    port = wanted + (((range >>> 1) + tried) % range);
    store<u32>(FORESEEN, port, EXPECT_DPORT);
    answer = tryExpect(entry, most, seconds, now, false);
  }
  if (port !== wanted) tally(CONTROL_NAT_DRAWN, 0);
  return port;
}

/** A port, and the address of the destination in `direction`, are told in the place of `length` bytes at `at`, as `kind` of telling. False: the packet is dropped. */
export function tellInstead(slot: usize, entry: usize, direction: u32, port: u32, at: usize, length: u32, kind: u32): bool {
  tell(kind, entry, direction, port);
  const header = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  const sequence = bswap(load<u32>(header, 4));
  const protocol = entryProtocol(entry);
  if (!replaceData(slot, protocol, (at - header) as u32, length, TOLD, toldLength)) return false;
  if (protocol === PROTOCOL_TCP && toldLength !== length) {
    shiftFrom(entry, load<u32>(slot, FIELD_CT_DIRECTION * 4), sequence, (toldLength - length) as i32);
  }
  return true;
}
