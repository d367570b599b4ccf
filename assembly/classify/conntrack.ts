/** conntrack with more than a state (xt_conntrack.c). */
import { FIELD_CT_DIRECTION, FIELD_CT_STATE, FIELD_CT_STATUS, STATUS_DST_NAT, STATUS_SRC_NAT } from '../../src/abi/fields.ts';
import { HELPER_NONE } from '../../src/abi/helpers.ts';
import { PACKET_CT_ENTRY, PACKET_JIFFIES } from '../../src/abi/packet.ts';
import {
  CONNTRACK_DIRECTION,
  CONNTRACK_EXPIRES,
  CONNTRACK_ORIGDST,
  CONNTRACK_ORIGDST_PORT,
  CONNTRACK_ORIGSRC,
  CONNTRACK_ORIGSRC_PORT,
  CONNTRACK_PROTO,
  CONNTRACK_REPLDST,
  CONNTRACK_REPLDST_PORT,
  CONNTRACK_REPLSRC,
  CONNTRACK_REPLSRC_PORT,
  CONNTRACK_STATE,
  CONNTRACK_STATE_DNAT,
  CONNTRACK_STATE_SNAT,
  CONNTRACK_STATUS,
} from '../../src/abi/special.ts';
import { entryAddress, entryExpires, entryMark, entryMasterHelper, entryPort, entryProtocol } from '../conntrack/index';

/** Offsets of the parameters. */
const FLAGS: usize = 0;
const INVERT: usize = 4;
const STATE_MASK: usize = 8;
const STATUS_MASK: usize = 12;
const DIRECTION: usize = 16;
const PROTOCOL: usize = 20;
const EXPIRE_LOW: usize = 24;
const EXPIRE_HIGH: usize = 28;
const ADDRESSES: usize = 32;
const ADDRESS_SIZE: usize = 32;
const PORTS: usize = 160;

/**
 * The state is asked first. Without an entry that is all: a rule that asked for a state which matched then matches whatever else it
 * asks, and a rule that asked for none does not.
 */
export function connection(parameters: usize, slot: usize): bool {
  const flags = load<u32>(parameters, FLAGS);
  if ((flags & CONNTRACK_STATE) !== 0 && stateMatches(parameters, slot) === inverted(parameters, CONNTRACK_STATE)) return false;
  if (load<i32>(slot, FIELD_CT_STATUS * 4) >= 0) return (flags & CONNTRACK_STATE) !== 0;
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  return (
    asked(parameters, flags, CONNTRACK_DIRECTION, load<u32>(slot, FIELD_CT_DIRECTION * 4) === load<u32>(parameters, DIRECTION)) &&
    addressesMatch(parameters, flags, entry) &&
    asked(parameters, flags, CONNTRACK_PROTO, entryProtocol(entry) === load<u32>(parameters, PROTOCOL)) &&
    portsMatch(parameters, flags, entry) &&
    asked(
      parameters,
      flags,
      CONNTRACK_STATUS,
      (load<u32>(slot, FIELD_CT_STATUS * 4) & load<u32>(parameters, STATUS_MASK)) !== 0,
    ) &&
    expiryMatches(parameters, flags, entry, slot)
  );
}

/** connmark (xt_connmark.c). Parameters: mark, mask, invert. Without an entry it never matches. */
export function connectionMark(parameters: usize, slot: usize): bool {
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  if (entry === 0) return false;
  const same = (entryMark(entry) & load<u32>(parameters, 4)) === load<u32>(parameters);
  return same !== (load<u32>(parameters, 8) !== 0);
}

/** helper (xt_helper.c). Parameters: bits of the helpers that match, invert. Whatever is missing, the answer is that of the inversion. */
export function masterHelper(parameters: usize, slot: usize): bool {
  const invert = load<u32>(parameters, 4) !== 0;
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  const helper = entry === 0 ? <u32>HELPER_NONE : entryMasterHelper(entry);
  if (helper === HELPER_NONE) return invert;
  return (((load<u32>(parameters) >>> helper) & 1) !== 0) !== invert;
}

function inverted(parameters: usize, flag: u32): bool {
  return (load<u32>(parameters, INVERT) & flag) !== 0;
}

/** A part that was not asked for holds. */
function asked(parameters: usize, flags: u32, flag: u32, holds: bool): bool {
  return (flags & flag) === 0 || holds !== inverted(parameters, flag);
}

function stateMatches(parameters: usize, slot: usize): bool {
  const status = load<u32>(slot, FIELD_CT_STATUS * 4);
  let bits: u32 = 1 << load<u32>(slot, FIELD_CT_STATE * 4);
  if ((status & STATUS_SRC_NAT) !== 0) bits |= CONNTRACK_STATE_SNAT;
  if ((status & STATUS_DST_NAT) !== 0) bits |= CONNTRACK_STATE_DNAT;
  return (bits & load<u32>(parameters, STATE_MASK)) !== 0;
}

function addressesMatch(parameters: usize, flags: u32, entry: usize): bool {
  return (
    addressMatches(parameters, flags, CONNTRACK_ORIGSRC, 0, entry, 0, true) &&
    addressMatches(parameters, flags, CONNTRACK_ORIGDST, 1, entry, 0, false) &&
    addressMatches(parameters, flags, CONNTRACK_REPLSRC, 2, entry, 1, true) &&
    addressMatches(parameters, flags, CONNTRACK_REPLDST, 3, entry, 1, false)
  );
}

function addressMatches(
  parameters: usize,
  flags: u32,
  flag: u32,
  index: usize,
  entry: usize,
  direction: u32,
  source: bool,
): bool {
  if ((flags & flag) === 0) return true;
  const wanted = parameters + ADDRESSES + index * ADDRESS_SIZE;
  let same = true;
  for (let word: u32 = 0; word < 4; word++) {
    const at = wanted + ((word as usize) << 2);
    same = same && ((entryAddress(entry, direction, source, word) ^ load<u32>(at)) & load<u32>(at, 16)) === 0;
  }
  return same !== inverted(parameters, flag);
}

function portsMatch(parameters: usize, flags: u32, entry: usize): bool {
  return (
    portMatches(parameters, flags, CONNTRACK_ORIGSRC_PORT, 0, entry, 0, true) &&
    portMatches(parameters, flags, CONNTRACK_ORIGDST_PORT, 1, entry, 0, false) &&
    portMatches(parameters, flags, CONNTRACK_REPLSRC_PORT, 2, entry, 1, true) &&
    portMatches(parameters, flags, CONNTRACK_REPLDST_PORT, 3, entry, 1, false)
  );
}

function portMatches(parameters: usize, flags: u32, flag: u32, index: usize, entry: usize, direction: u32, source: bool): bool {
  if ((flags & flag) === 0) return true;
  const bounds = parameters + PORTS + (index << 3);
  const port = entryPort(entry, direction, source);
  return (port >= load<u32>(bounds) && port <= load<u32>(bounds, 4)) !== inverted(parameters, flag);
}

function expiryMatches(parameters: usize, flags: u32, entry: usize, slot: usize): bool {
  if ((flags & CONNTRACK_EXPIRES) === 0) return true;
  const left = entryExpires(entry, load<i64>(slot, PACKET_JIFFIES));
  const holds = left >= load<u32>(parameters, EXPIRE_LOW) && left <= load<u32>(parameters, EXPIRE_HIGH);
  return holds !== inverted(parameters, CONNTRACK_EXPIRES);
}
