/** NetBIOS's name service and SNMP (net/netfilter/nf_conntrack_broadcast.c): everybody whom a broadcast of this host reached may answer from the port of the service. */
import { FIELD_CT_DIRECTION, FIELD_DESTINATION, FIELD_OUT_INTERFACE } from '../../../src/abi/fields';
import { PACKET_JIFFIES, PACKET_WAY, WAY_BROADCAST } from '../../../src/abi/packet';
import { copying } from '../../broadcast.ts';
import { broadcastMask } from '../../stack/network.ts';
import { entryPort } from '../accessors';
import { PROTOCOL_UDP } from '../entry';
import {
  EXPECT_FLAGS,
  EXPECT_PERMANENT,
  EXPECT_SOURCE_MASK,
  EXPECT_SPORT,
  EXPECT_SPORT_MASK,
  expect,
  FORESEEN,
} from '../expectations';
import { hz } from '../parameters';
import { setLife } from '../timeout';
import { foresee, foreseeSource } from './foresee';

const MOST: u32 = 1;

/** The service answers from `port`, within so many seconds, for which the connection lives on, expected or not. The copy that a host delivers to itself has no sender. */
export function broadcastHelp(slot: usize, entry: usize, port: u32, seconds: u32): void {
  if (copying || load<u32>(slot, PACKET_WAY) !== WAY_BROADCAST || load<u32>(slot, FIELD_CT_DIRECTION * 4) !== 0) return;
  const mask = broadcastMask(load<u32>(slot, FIELD_OUT_INTERFACE * 4), load<u32>(slot, FIELD_DESTINATION * 4));
  if (mask === 0) return;
  foresee(entry, PROTOCOL_UDP, 1, entryPort(entry, 1, false));
  foreseeSource(entry, 1);
  store<u32>(FORESEEN, mask, EXPECT_SOURCE_MASK);
  store<u32>(FORESEEN, port, EXPECT_SPORT);
  store<u32>(FORESEEN, 0xffff, EXPECT_SPORT_MASK);
  store<u32>(FORESEEN, EXPECT_PERMANENT, EXPECT_FLAGS);
  const now = load<i64>(slot, PACKET_JIFFIES);
  expect(entry, MOST, seconds, now);
  // nf_ct_refresh.
  setLife(entry, seconds * hz(), now);
}
