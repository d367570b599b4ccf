/** Which fields of a packet a special test asks, of those that ask nothing else: then packets that have these in common get the same answer. */
import {
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_DESTINATION,
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_IN_INTERFACE,
  FIELD_OUT_INTERFACE,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SPORT,
} from '../../src/abi/fields.ts';
import {
  PART_IP,
  PART_NET,
  PART_PORT,
  SET_FEATURES,
  SET_HAS_BARE_PORTS,
  SET_HAS_NO_ZERO,
  SET_IS_BITMAP,
  SET_PARTS,
} from '../../src/abi/sets.ts';
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
  SPECIAL_SET,
} from '../../src/abi/special.ts';
import { setAt } from '../sets/region.ts';

const ADDRESSES: u32 = (0xf << FIELD_SOURCE) | (0xf << FIELD_DESTINATION) | (1 << FIELD_FAMILY);
const DEVICES: u32 = (1 << FIELD_IN_INTERFACE) | (1 << FIELD_OUT_INTERFACE);
/** What makes packets those of one connection, and of one direction of it. */
const CONNECTION: u32 =
  ADDRESSES | (1 << FIELD_PROTOCOL) | (1 << FIELD_SPORT) | (1 << FIELD_DPORT) | (1 << FIELD_CT_STATE) | (1 << FIELD_CT_DIRECTION);
const STATES: u32 = (1 << FIELD_PROTOCOL) | (1 << FIELD_CT_STATE) | (1 << FIELD_CT_DIRECTION) | (1 << FIELD_CT_STATUS);
const ONLY_STATES: u32 = CONNTRACK_STATE | CONNTRACK_DIRECTION | CONNTRACK_PROTO | CONNTRACK_STATUS;
const PORTS: u32 = (1 << FIELD_PROTOCOL) | (1 << FIELD_FRAGMENT) | (1 << FIELD_SPORT) | (1 << FIELD_DPORT);
/** What a set may have that answers the same whenever it is asked. */
const STEADY: u32 = SET_HAS_NO_ZERO | SET_HAS_BARE_PORTS | SET_IS_BITMAP;
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
    case SPECIAL_SET:
      return partsAsked(setAt(load<u32>(parameters)));
    default:
      return ASKS_MORE;
  }
}

/** Of a set that stays as it is, and that asks for addresses and ports only. */
function partsAsked(set: usize): u32 {
  if ((load<u32>(set, SET_FEATURES) & ~STEADY) !== 0) return ASKS_MORE;
  let fields = ADDRESSES;
  for (let parts = load<u32>(set, SET_PARTS) & 0xfff; parts !== 0; parts >>>= 4) {
    const kind = parts & 15;
    if (kind === PART_PORT) fields |= PORTS;
    else if (kind !== PART_IP && kind !== PART_NET) return ASKS_MORE;
  }
  return fields;
}

/** Addresses and ports are those of a connection, which no field holds where they were translated. */
function statesAsked(flags: u32): u32 {
  if ((flags & CONNTRACK_EXPIRES) !== 0) return ASKS_MORE;
  return (flags & ~ONLY_STATES) === 0 ? STATES : STATES | CONNECTION;
}
