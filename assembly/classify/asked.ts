/** Which fields of a packet a special test asks, of those that ask nothing else: then packets that have these in common get the same answer. */
import {
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_DESTINATION,
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_OUT_INTERFACE,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SPORT,
} from '../../src/abi/fields.ts';
import {
  CONNTRACK_DIRECTION,
  CONNTRACK_EXPIRES,
  CONNTRACK_PROTO,
  CONNTRACK_STATE,
  CONNTRACK_STATUS,
  SPECIAL_ADDRTYPE_DEVICE,
  SPECIAL_CONNTRACK,
  SPECIAL_LISTED,
  SPECIAL_REVERSE_PATH,
} from '../../src/abi/special.ts';

const ADDRESSES: u32 = (0xf << FIELD_SOURCE) | (0xf << FIELD_DESTINATION) | (1 << FIELD_FAMILY);
const DEVICES: u32 = (1 << FIELD_IN_INTERFACE) | (1 << FIELD_OUT_INTERFACE);
/** What makes packets those of one connection, and of one direction of it. */
const CONNECTION: u32 =
  ADDRESSES | (1 << FIELD_PROTOCOL) | (1 << FIELD_SPORT) | (1 << FIELD_DPORT) | (1 << FIELD_CT_STATE) | (1 << FIELD_CT_DIRECTION);
const STATES: u32 = (1 << FIELD_PROTOCOL) | (1 << FIELD_CT_STATE) | (1 << FIELD_CT_DIRECTION) | (1 << FIELD_CT_STATUS);
const ONLY_STATES: u32 = CONNTRACK_STATE | CONNTRACK_DIRECTION | CONNTRACK_PROTO | CONNTRACK_STATUS;
/** It asks for more than fields, or for others than these. */
export const ASKS_MORE: u32 = u32.MAX_VALUE;

/** A bit for each field; ASKS_MORE for other tests. `test` is a SPECIAL test. */
export function fieldsAsked(test: usize): u32 {
  const parameters = test + 16;
  switch (load<u32>(test, 4)) {
    case SPECIAL_CONNTRACK:
      return statesAsked(load<u32>(parameters));
    case SPECIAL_REVERSE_PATH:
    case SPECIAL_ADDRTYPE_DEVICE:
      return ADDRESSES | DEVICES;
    case SPECIAL_LISTED:
      // Of no packet anything is told.
      return load<u32>(parameters, 4) === 0 ? 0 : ASKS_MORE;
    default:
      return ASKS_MORE;
  }
}

/** Addresses and ports are those of a connection, which no field holds where they were translated. */
function statesAsked(flags: u32): u32 {
  if ((flags & CONNTRACK_EXPIRES) !== 0) return ASKS_MORE;
  return (flags & ~ONLY_STATES) === 0 ? STATES : STATES | CONNECTION;
}
