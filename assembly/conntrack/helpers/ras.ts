/** RAS (nf_conntrack_h323_main.c; its parameters as they are): where endpoints are called, where gatekeepers send them. */
import { FIELD_CT_DIRECTION, FIELD_L4_LENGTH, FIELD_LENGTH, STATUS_EXPECTED } from '../../../src/abi/fields';
import {
  RAS_MESSAGE,
  ROLE_ADMISSION_CONFIRM,
  ROLE_ADMISSION_REQUEST,
  ROLE_CALLED,
  ROLE_CALLER,
  ROLE_GATEKEEPER_CONFIRM,
  ROLE_GATEKEEPER_REQUEST,
  ROLE_INFO_RESPONSE,
  ROLE_LIFETIME,
  ROLE_LOCATION_CONFIRM,
  ROLE_LOCATION_REQUEST,
  ROLE_RAS,
  ROLE_REGISTRATION_CONFIRM,
  ROLE_REGISTRATION_REQUEST,
  ROLE_SIGNALLING,
  ROLE_UNREGISTRATION_REQUEST,
} from '../../../src/abi/h323';
import { HELPER_Q931, HELPER_RAS } from '../../../src/abi/helpers';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../../src/abi/packet';
import { entryPort } from '../accessors';
import { ENTRY_STATUS, PROTOCOL_TCP, PROTOCOL_UDP } from '../entry';
import { EXPECT_PERMANENT, forgetAll } from '../expectations';
import { ensureRecord, RECORD_MEMORY, recordOf } from '../help';
import { hz } from '../parameters';
import { setLife } from '../timeout';
import { decode, findKept, firstIn, keptValue, nextTo, roleOf } from './h323-decode';
import { beginMessages, expectToPlace, expectToSpeaker, isSpeakers, portTold, takeOwnPlace, takePlace } from './h323-expect';
import {
  expectSignalling,
  isLoopback,
  isRewritten,
  keepSignalling,
  signallingTold,
  tellAdmission,
  tellEnd,
  tellRas,
  tellSignalling,
} from './h323-nat';

const MOST: u32 = 32;
const UDP_HEADER_SIZE: u32 = 8;
/** Seconds that a registration lasts which does not say; that its end may be answered in. */
const USUAL_LIFETIME: u32 = 300;
const LAST_ANSWER: u32 = 30;
/** Of a connection u32: seconds that its registration lasts. */
const LIFETIME: usize = RECORD_MEMORY;
/** What a message says is behind what is kept of the choice of one. */
const MESSAGE: u32 = 1;

/** False: the packet is dropped. */
export function rasHelp(slot: usize, entry: usize): bool {
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const length = load<u32>(slot, FIELD_LENGTH * 4) - offset;
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  // What the capture cut off nobody can read.
  if (length <= UDP_HEADER_SIZE || present < length) return true;
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  if (!decode(RAS_MESSAGE, header + (UDP_HEADER_SIZE as usize), header + (length as usize))) return true;
  beginMessages(slot, entry, MOST);
  const now = load<i64>(slot, PACKET_JIFFIES);
  const rewritten = isRewritten();
  switch (roleOf(MESSAGE)) {
    case ROLE_GATEKEEPER_REQUEST:
    case ROLE_LOCATION_REQUEST:
      if (rewritten) tellRas(findKept(ROLE_RAS, MESSAGE, MESSAGE), true);
      return true;
    case ROLE_INFO_RESPONSE:
      if (!rewritten) return true;
      tellRas(findKept(ROLE_RAS, MESSAGE, MESSAGE), true);
      tellSignalling(findKept(ROLE_SIGNALLING, MESSAGE, MESSAGE), false);
      return true;
    case ROLE_ADMISSION_REQUEST:
      if (rewritten) tellAdmission(findKept(ROLE_CALLED, MESSAGE, MESSAGE), findKept(ROLE_CALLER, MESSAGE, MESSAGE));
      return true;
    case ROLE_GATEKEEPER_CONFIRM:
      return gatekeeperFound(entry, load<u32>(slot, FIELD_CT_DIRECTION * 4));
    case ROLE_REGISTRATION_REQUEST:
      return registers(entry);
    case ROLE_REGISTRATION_CONFIRM:
      if (rewritten) tellSignalling(findKept(ROLE_SIGNALLING, MESSAGE, MESSAGE), false);
      registered(entry, now);
      return true;
    case ROLE_UNREGISTRATION_REQUEST:
      if (rewritten) tellSignalling(findKept(ROLE_SIGNALLING, MESSAGE, MESSAGE), false);
      keepSignalling(0, 0);
      forgetAll(entry);
      setLife(entry, LAST_ANSWER * hz(), now);
      return true;
    case ROLE_ADMISSION_CONFIRM:
      return admitted(rewritten);
    case ROLE_LOCATION_CONFIRM:
      return !takeSignalling() || expectToPlace(PROTOCOL_TCP, EXPECT_PERMANENT, HELPER_Q931);
    default:
      return true;
  }
}

/** Whoever is called is told of itself; another, where it may call. */
function admitted(rewritten: bool): bool {
  if (!takePlace(MESSAGE)) return true;
  if (!isSpeakers(false)) return expectToPlace(PROTOCOL_TCP, EXPECT_PERMANENT, HELPER_Q931);
  if (rewritten) tellSignalling(findKept(ROLE_SIGNALLING, MESSAGE, MESSAGE), true);
  return true;
}

function takeSignalling(): bool {
  const signalling = findKept(ROLE_SIGNALLING, MESSAGE, MESSAGE);
  return signalling !== 0 && takePlace(signalling);
}

/** Only a gatekeeper that was not found that way itself sends to another place than its own. */
function gatekeeperFound(entry: usize, direction: u32): bool {
  if (!takePlace(MESSAGE) || (isSpeakers(true) && portTold === entryPort(entry, direction, true))) return true;
  if ((load<u32>(entry, ENTRY_STATUS) & STATUS_EXPECTED) !== 0) return true;
  return expectToPlace(PROTOCOL_UDP, 0, HELPER_RAS);
}

/** The first of the endpoint's own places is where its gatekeeper calls. */
function registers(entry: usize): bool {
  const places = findKept(ROLE_SIGNALLING, MESSAGE, MESSAGE);
  for (let place = firstIn(places); place !== 0; place = nextTo(place)) {
    if (!takeOwnPlace(place)) continue;
    if (!expectCalls(places, place)) return false;
    break;
  }
  if (isRewritten()) tellRas(findKept(ROLE_RAS, MESSAGE, MESSAGE), false);
  const lifetime = findKept(ROLE_LIFETIME, MESSAGE, MESSAGE);
  store<u32>(ensureRecord(entry), lifetime === 0 ? USUAL_LIFETIME : keptValue(lifetime), LIFETIME);
  return true;
}

/** At the endpoint's place in hand; where its loopback stands first, that is told, too (nat_q931). */
function expectCalls(places: u32, place: u32): bool {
  const port = portTold;
  if (!isRewritten()) {
    if (!expectToSpeaker(PROTOCOL_TCP, port, EXPECT_PERMANENT, HELPER_Q931)) return false;
    keepSignalling(port, signallingTold());
    return true;
  }
  if (!expectSignalling(place, EXPECT_PERMANENT, HELPER_Q931)) return true;
  const first = firstIn(places);
  if (place !== first && isLoopback(first)) tellEnd(first, false, signallingTold());
  return true;
}

/** The connection lives as long, not what is expected: that is the gatekeeper's alone, and the kernel looks for what is anybody's. */
function registered(entry: usize, now: i64): void {
  const told = findKept(ROLE_LIFETIME, MESSAGE, MESSAGE);
  if (told !== 0) store<u32>(ensureRecord(entry), keptValue(told), LIFETIME);
  const record = recordOf(entry);
  const seconds: u32 = record === 0 ? 0 : load<u32>(record, LIFETIME);
  if (seconds === 0) return;
  // Jiffies are 32 bits: what lies more than half of them ahead has passed.
  const jiffies = seconds * hz();
  setLife(entry, (jiffies as i32) < 0 ? 0 : jiffies, now);
}
