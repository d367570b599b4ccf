/** The nat hooks (net/netfilter/nf_nat_core.c, nf_nat_inet_fn): who asks the rules, what rules do with a connection, and what it does to every packet. */
import { TRACKING_FLAG_NAT } from '../../src/abi/conntrack';
import { CONTROL_NAT_DRAWN, CONTROL_NAT_NO_ADDRESS } from '../../src/abi/control';
import {
  CT_NEW,
  CT_RELATED,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_DESTINATION,
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_L4_LENGTH,
  FIELD_OUT_INTERFACE,
  FIELD_SOURCE,
  STATUS_CONFIRMED,
  STATUS_DST_NAT,
  STATUS_SRC_NAT,
} from '../../src/abi/fields';
import {
  NAT_DRAWN_DESTINATION,
  NAT_DRAWN_SOURCE,
  NAT_FLAG_OFFSET,
  NAT_FLAG_PERSISTENT,
  NAT_FLAG_PORTS,
  NAT_FLAG_RANDOM,
  NAT_FLAGS,
  NAT_HIGH,
  NAT_LOW,
  NAT_PORT_BASE,
  NAT_PORT_HIGH,
  NAT_PORT_LOW,
  NAT_TO,
  NAT_TO_KEEP,
  NAT_TO_MASQUERADE,
  NAT_TO_NETMAP,
  NAT_TO_RANGE,
} from '../../src/abi/nat';
import { PACKET_CT_ENTRY, PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../src/abi/packet';
import { entryAddress, entryFamily, isAt, putEntryAddress } from '../conntrack/accessors';
import { ALIAS_DRAWN, aliasOf, putAlias } from '../conntrack/alias';
import { ENTRY_MASQUERADED, ENTRY_STATUS, STATUS_DST_NAT_DONE, STATUS_SRC_NAT_DONE } from '../conntrack/entry';
import {
  announcedAt,
  EXPECT_DESTINATION,
  EXPECT_DPORT,
  FOLLOWED_TO,
  FOLLOWS_ANNOUNCED,
  FOLLOWS_FORWARDED,
  FOLLOWS_MEDIA,
  FOLLOWS_PORT_SHIFT,
  FOLLOWS_SOURCE,
  followed,
  followedMaster,
  followedUp,
} from '../conntrack/expectations';
import { flag } from '../conntrack/parameters';
import { allocateRecord } from '../conntrack/pool';
import { addStatus } from '../conntrack/status';
import { conntrackKill } from '../conntrack/track';
import { readPorts } from '../packet/rewrite.ts';
import { readAddresses } from '../stack/index.ts';
import { isLoopback } from '../stack/ipv6.ts';
import { redirectTo, sourceFor } from '../stack/source.ts';
import { isUnfinished, leaveUnfinished } from '../stack/unfinished';
import { tally } from '../tally.ts';
import { choose, drawn, RANGE_HIGH, RANGE_LOW, setPorts, setRange } from './choose';
import { isError, translateError } from './error';
import { translate } from './translate';
import {
  copyAddress,
  differs,
  keyOfReply,
  TUPLE_DESTINATION,
  TUPLE_SOURCE,
  tupleDport,
  tupleOpposite,
  tupleProtocol,
  tupleSport,
} from './tuple';

/** The hook at hand translates sources (INPUT, POSTROUTING), not destinations. */
let source: bool = false;

function natBit(): u32 {
  return source ? STATUS_SRC_NAT_DONE : STATUS_DST_NAT_DONE;
}

function isOpening(slot: usize): bool {
  const state = load<u32>(slot, FIELD_CT_STATE * 4);
  return state === CT_NEW || state === CT_RELATED;
}

/** A packet meets a nat hook. Out: the rules are asked for it: it is the first of a connection that has no binding of this kind yet. `protocol`: the packet's. */
export function natPending(slot: usize, isSource: bool, protocol: u32): bool {
  source = isSource;
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  if (entry === 0 || !flag(TRACKING_FLAG_NAT) || !isOpening(slot)) return false;
  if (load<u32>(slot, FIELD_CT_STATE * 4) === CT_RELATED && isError(slot, protocol)) return false;
  return (load<u32>(entry, ENTRY_STATUS) & natBit()) === 0;
}

/** A rule's target; `parameters` as abi/nat.ts lists them. False: it has no address to give, and the packet is dropped. */
export function natBind(parameters: usize, slot: usize): bool {
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  if (entry === 0) return true;
  const flags = load<u32>(parameters, NAT_FLAGS);
  const kind = flags & NAT_TO;
  if (kind === NAT_TO_MASQUERADE && isSilent(entry)) return true;
  setRange(kind !== NAT_TO_KEEP, (flags & NAT_FLAG_RANDOM) !== 0, (flags & NAT_FLAG_PERSISTENT) !== 0);
  if ((flags & NAT_FLAG_PORTS) !== 0) {
    const low = load<u32>(parameters, NAT_PORT_LOW);
    setPorts(low, load<u32>(parameters, NAT_PORT_HIGH), load<u32>(parameters, NAT_PORT_BASE), (flags & NAT_FLAG_OFFSET) !== 0);
  }
  if (!putRange(kind, parameters, slot)) {
    tally(CONTROL_NAT_NO_ADDRESS, kind === NAT_TO_MASQUERADE ? 0 : 1);
    return false;
  }
  if (kind === NAT_TO_MASQUERADE) {
    store<u16>(entry, load<u32>(slot, FIELD_OUT_INTERFACE * 4) as u16, ENTRY_MASQUERADED);
    if (isLoopback(RANGE_LOW)) tally(CONTROL_NAT_NO_ADDRESS, 0);
  }
  bind(slot, entry);
  return true;
}

/** From 0.0.0.0 (a host that asks for its address): MASQUERADE leaves that alone. */
function isSilent(entry: usize): bool {
  return entryFamily(entry) === 4 && entryAddress(entry, 0, true, 0) === 0;
}

/** RANGE_LOW and RANGE_HIGH. False: there is no address. */
function putRange(kind: u32, parameters: usize, slot: usize): bool {
  if (kind === NAT_TO_KEEP) return true;
  if (kind === NAT_TO_RANGE) {
    copyAddress(RANGE_LOW, parameters + NAT_LOW);
    copyAddress(RANGE_HIGH, parameters + NAT_HIGH);
    return true;
  }
  if (kind === NAT_TO_NETMAP) {
    const own = slot + (source ? FIELD_SOURCE : FIELD_DESTINATION) * 4;
    for (let at: usize = 0; at < 16; at += 4) {
      const word = (load<u32>(own + at) & ~load<u32>(parameters + at, NAT_HIGH)) | load<u32>(parameters + at, NAT_LOW);
      store<u32>(RANGE_LOW + at, word);
    }
  } else {
    const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
    const destination = slot + FIELD_DESTINATION * 4;
    const found =
      kind === NAT_TO_MASQUERADE
        ? sourceFor(six, load<u32>(slot, FIELD_OUT_INTERFACE * 4), destination)
        : redirectTo(six, load<u32>(slot, FIELD_IN_INTERFACE * 4), destination);
    if (found === 0) return false;
    copyAddress(RANGE_LOW, found);
  }
  copyAddress(RANGE_HIGH, RANGE_LOW);
  return true;
}

/** nf_nat_setup_info: a connection that is confirmed stays as it is. */
function bind(slot: usize, entry: usize): void {
  if ((load<u32>(entry, ENTRY_STATUS) & STATUS_CONFIRMED) !== 0) return;
  tupleOpposite(entry, 0);
  copyAddress(BEFORE, TUPLE_SOURCE);
  copyAddress(BEFORE + 16, TUPLE_DESTINATION);
  const sport = tupleSport;
  const dport = tupleDport;
  choose(entry, source, load<i64>(slot, PACKET_JIFFIES));
  if (changed(sport, dport)) putReply(slot, entry);
  if (drawn) {
    const alias = aliasOf(entry);
    tally(CONTROL_NAT_DRAWN, 0);
    if (alias !== 0) {
      store<u32>(alias, load<u32>(alias, ALIAS_DRAWN) | (source ? NAT_DRAWN_SOURCE : NAT_DRAWN_DESTINATION), ALIAS_DRAWN);
    }
  }
  addStatus(entry, natBit());
}

const BEFORE: usize = memory.data(32, 16);

function changed(sport: u32, dport: u32): bool {
  if (sport !== tupleSport || dport !== tupleDport) return true;
  const first = (load<u64>(BEFORE) ^ load<u64>(TUPLE_SOURCE)) | (load<u64>(BEFORE, 8) ^ load<u64>(TUPLE_SOURCE, 8));
  const second =
    (load<u64>(BEFORE, 16) ^ load<u64>(TUPLE_DESTINATION)) | (load<u64>(BEFORE, 24) ^ load<u64>(TUPLE_DESTINATION, 8));
  return (first | second) !== 0;
}

/** Answers come as those to the tuple in hand. */
function putReply(slot: usize, entry: usize): void {
  let alias = aliasOf(entry);
  keyOfReply();
  if (alias === 0) alias = allocateRecord();
  // Memory was reserved for it.
  if (alias === 0) return;
  putAlias(alias, entry);
  const bit: u32 = source ? STATUS_SRC_NAT : STATUS_DST_NAT;
  addStatus(entry, bit);
  store<u32>(slot, load<u32>(slot, FIELD_CT_STATUS * 4) | bit, FIELD_CT_STATUS * 4);
}

/** The packet's connection was expected, by one that is translated: it goes to where its master's other side is, and comes from where that is seen to come from (nf_nat_follow_master; pptp_nat_expected). */
export function natFollow(slot: usize): void {
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  const direction = (followed >>> 1) & 1;
  const port = followed >>> FOLLOWS_PORT_SHIFT;
  const ofSource = (followed & FOLLOWS_SOURCE) !== 0;
  const announced = (followed & FOLLOWS_ANNOUNCED) !== 0;
  const media = (followed & FOLLOWS_MEDIA) !== 0;
  const forwarded = (followed & FOLLOWS_FORWARDED) !== 0;
  followedUp();
  if (entry === 0) return;
  if (forwarded) {
    followForwarded(slot, entry, direction, port);
    return;
  }
  if (announced) {
    followAnnounced(slot, entry, direction, port, media);
    return;
  }
  for (let end: u32 = 0; end < 2; end++) {
    source = end === 0;
    setRange(true, false, false);
    if (source === ofSource) setPorts(port, port, 0, false);
    putEnd(followedMaster, 1 - direction, !source);
    bind(slot, entry);
  }
}

/** To where a call was forwarded (ip_nat_callforwarding_expect); it comes from where it called before, if whoever forwards was called. */
function followForwarded(slot: usize, entry: usize, direction: u32, port: u32): void {
  source = true;
  setRange(true, false, false);
  putEnd(entry, 1 - direction, true);
  bind(slot, entry);
  bindTo(slot, entry, false, FOLLOWED_TO, port);
}

/** To where it was announced (nf_nat_sip_expected). It comes from where the other of two streams is expected, if that was announced there; else as its master does, if it comes from there. */
function followAnnounced(slot: usize, entry: usize, direction: u32, port: u32, media: bool): void {
  const master = followedMaster;
  bindTo(slot, entry, false, FOLLOWED_TO, port);
  const pair = media ? announcedAt(master, entry) : 0;
  if (pair !== 0) {
    bindTo(slot, entry, true, pair + EXPECT_DESTINATION, load<u32>(pair, EXPECT_DPORT));
    return;
  }
  // Where the master comes from.
  putEnd(master, direction, true);
  if (!isAt(entry, 0, true, RANGE_LOW)) return;
  source = true;
  setRange(true, false, false);
  putEnd(master, 1 - direction, false);
  bind(slot, entry);
}

function bindTo(slot: usize, entry: usize, isSource: bool, address: usize, port: u32): void {
  source = isSource;
  setRange(true, false, false);
  setPorts(port, port, 0, false);
  copyAddress(RANGE_LOW, address);
  copyAddress(RANGE_HIGH, address);
  bind(slot, entry);
}

/** An end of the connection alone is the range. */
function putEnd(entry: usize, direction: u32, isSource: bool): void {
  putEntryAddress(entry, direction, isSource, RANGE_LOW);
  copyAddress(RANGE_HIGH, RANGE_LOW);
}

/** Behind the rules, for every packet at a nat hook. `out`: it leaves by that device now (POSTROUTING), 0 elsewhere. `summed`: an ICMP checksum was found right before, and is not looked at again. False: it is dropped. */
export function natFinish(slot: usize, isSource: bool, protocol: u32, out: u32, summed: bool): bool {
  source = isSource;
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  if (entry === 0 || !flag(TRACKING_FLAG_NAT)) return true;
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  const present = load<u32>(slot, PACKET_L4_OFFSET) + load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (load<u32>(slot, FIELD_CT_STATE * 4) === CT_RELATED && isError(slot, protocol)) {
    const wanted = isWanted(entry, direction);
    if (!translateError(slot, present, source, wanted, summed)) return false;
    if (wanted) refresh(slot);
    return true;
  }
  if (isOpening(slot) && (load<u32>(entry, ENTRY_STATUS) & natBit()) === 0) {
    bindAsItIs(slot, entry);
  } else if (out !== 0 && direction === 0 && isElsewhere(entry, out)) {
    conntrackKill(entry);
    return false;
  }
  if (!isWanted(entry, direction)) return true;
  tupleOpposite(entry, direction);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const unfinished = isUnfinished(slot);
  if (!translate(load<u32>(slot, PACKET_IP), present, six, tupleProtocol, source)) return false;
  refresh(slot);
  if (unfinished) leaveUnfinished(slot);
  return true;
}

function isElsewhere(entry: usize, out: u32): bool {
  const device = load<u16>(entry, ENTRY_MASQUERADED) as u32;
  return device !== 0 && device !== (out & 0xffff);
}

/** Answers are turned back where the questions' other end is translated. */
function isWanted(entry: usize, direction: u32): bool {
  const bit: u32 = source === (direction === 0) ? STATUS_SRC_NAT : STATUS_DST_NAT;
  return (load<u32>(entry, ENTRY_STATUS) & bit) !== 0;
}

/** No rule spoke: the address stays, and the port where nobody has it. */
function bindAsItIs(slot: usize, entry: usize): void {
  setRange(true, false, false);
  // The mapped source is the reply's destination, the mapped destination its source.
  putEnd(entry, 1, !source);
  bind(slot, entry);
}

/** The fields are those of the bytes, which were changed: the address that the tuple in hand gave, and what stands for ports. */
function refresh(slot: usize): void {
  const field = slot + (source ? FIELD_SOURCE : FIELD_DESTINATION) * 4;
  if (!source && differs(slot, false)) moved = true;
  copyAddress(field, source ? TUPLE_SOURCE : TUPLE_DESTINATION);
  readAddresses(slot);
  if (load<u32>(slot, FIELD_L4_LENGTH * 4) >= 4) {
    readPorts(slot, (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize);
  }
}

/** The packet's destination was changed since natStart. */
let moved: bool = false;

/** A packet begins its way. */
export function natStart(): void {
  moved = false;
}

export function natMoved(): bool {
  return moved;
}
