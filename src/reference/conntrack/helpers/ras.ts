/**
 * RAS, between endpoints and gatekeepers (H.225.0; net/netfilter/nf_conntrack_h323_main.c of 6.18 with its parameters as they are: default_rrq_ttl 300, gkrouted_only on). Where an endpoint will be called, by its
 * gatekeeper; where calls, and RAS itself, are to go.
 */
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
} from '../../../abi/h323.ts';
import { HELPER_Q931, HELPER_RAS } from '../../../abi/helpers.ts';
import { sameWords } from '../../../packet/bytes.ts';
import * as udp from '../../../packet/udp.ts';
import { opposite } from '../connection.ts';
import { TCP, UDP } from '../tuple.ts';
import { expectAt, ownPlaceIn, type Place, placeIn, type Said, SECONDS, toSpeaker } from './h323-expect.ts';
import {
  expectSignalling,
  isLoopback,
  isRewritten,
  type Ports,
  rememberPorts,
  tellPlace,
  tellRas,
  tellSignalling,
} from './h323-nat.ts';
import { type Kept, readMessage } from './h323-per.ts';
import { type Helper, type Seen, tupleIn } from './helper.ts';

/** Of a registration that does not say, seconds. */
const USUAL_LIFETIME = 300;
/** For the answer to the end of a registration, seconds. */
const LAST_ANSWER = 30;
const SIGNALLED = { permanent: true, assigns: HELPER_Q931 };

interface Memory {
  /** How long the registration lasts, seconds; 0: there is none. */
  lifetime: number;
  ports: Ports;
}

interface RasSaid extends Said {
  seen: Seen<Memory>;
}

/** The elements of a list. */
const listed = (kept: Kept, role: number): Kept[] => kept.first(role)?.parts.map((part) => part.kept) ?? [];

/** False: the packet is dropped. */
type Reader = (kept: Kept, said: RasSaid) => boolean;

const READERS: Readonly<Record<number, Reader>> = {
  [ROLE_GATEKEEPER_REQUEST]: readRasPlace,
  [ROLE_LOCATION_REQUEST]: readRasPlace,
  [ROLE_INFO_RESPONSE]: infoResponse,
  [ROLE_ADMISSION_REQUEST]: admissionRequest,
  [ROLE_GATEKEEPER_CONFIRM]: gatekeeperConfirm,
  [ROLE_REGISTRATION_REQUEST]: registrationRequest,
  [ROLE_REGISTRATION_CONFIRM]: registrationConfirm,
  [ROLE_UNREGISTRATION_REQUEST]: unregistrationRequest,
  [ROLE_ADMISSION_CONFIRM]: admissionConfirm,
  [ROLE_LOCATION_CONFIRM]: locationConfirm,
};

export const ras: Helper<Memory> = {
  name: 'RAS',
  policy: { most: 32, seconds: SECONDS },
  remember: () => ({ lifetime: 0, ports: rememberPorts() }),

  help(seen) {
    const { packet } = seen;
    const message = packet.upper.subarray(udp.HEADER_LENGTH);
    const length = packet.length - packet.upperOffset - udp.HEADER_LENGTH;
    // What the capture cut off nobody can read.
    if (length <= 0 || message.length < length) return 'accept';
    const [part] = readMessage(RAS_MESSAGE, message)?.parts ?? [];
    const reader = part === undefined ? undefined : READERS[part.role];
    if (part === undefined || reader === undefined) return 'accept';
    return reader(part.kept, { seen, message, at: udp.HEADER_LENGTH }) ? 'accept' : 'drop';
  },
};

/** Registrations may go elsewhere; what leads there leads no further. */
function gatekeeperConfirm(kept: Kept, said: RasSaid): boolean {
  const { seen } = said;
  const place = placeIn(kept, said);
  const own = tupleIn(seen, seen.direction);
  if (place === null || (sameWords(place.address, own.source) && place.port === own.sourcePort)) return true;
  return seen.connection.expected || expectAt(seen, UDP, place, { assigns: HELPER_RAS });
}

/** The first of its own places counts. */
function registrationRequest(kept: Kept, said: RasSaid): boolean {
  const { seen } = said;
  const all = listed(kept, ROLE_SIGNALLING);
  const own = all.find((one) => ownPlaceIn(one, said) !== null);
  const place = ownPlaceIn(own, said);
  if (place !== null && isRewritten(seen)) expectCalls(all, own, said, place);
  else if (place !== null) {
    if (!expectAt(seen, TCP, toSpeaker(seen, place.port), SIGNALLED)) return false;
    seen.memory.ports.signalling[seen.direction] = place.port;
  }
  if (isRewritten(seen)) tellRas(listed(kept, ROLE_RAS), said);
  seen.memory.lifetime = kept.first(ROLE_LIFETIME)?.value ?? USUAL_LIFETIME;
  return true;
}

/** nat_q931: an endpoint that names its loopback first is told there, too. */
function expectCalls(all: readonly Kept[], own: Kept | undefined, said: RasSaid, place: Place): void {
  const { seen } = said;
  if (!expectSignalling(own, said, place, SIGNALLED) || own === all[0] || !isLoopback(all[0], said)) return;
  tellPlace(all[0], said, toSpeaker(seen, seen.memory.ports.signalling[opposite(seen.direction)]));
}

/** The connection lives as long. What was expected does not: the kernel looks for it as from anybody, and with gkrouted_only it is from the gatekeeper alone. */
function registrationConfirm(kept: Kept, said: RasSaid): boolean {
  const { seen } = said;
  if (isRewritten(seen)) tellSignalling(listed(kept, ROLE_SIGNALLING), said);
  const { memory, connection, packet } = seen;
  memory.lifetime = kept.first(ROLE_LIFETIME)?.value ?? memory.lifetime;
  // Jiffies are 32 bits: what is more than half of them lies in the past.
  if (memory.lifetime > 0) connection.refresh(Math.imul(memory.lifetime, packet.hz), packet.now);
  return true;
}

function unregistrationRequest(kept: Kept, said: RasSaid): boolean {
  const { seen } = said;
  if (isRewritten(seen)) tellSignalling(listed(kept, ROLE_SIGNALLING), said);
  seen.memory.ports.signalling = [0, 0];
  for (const one of seen.expectations()) seen.forget(one);
  seen.connection.refresh(LAST_ANSWER * seen.packet.hz, seen.packet.now);
  return true;
}

/** To whom the asking endpoint may call; the answering one is told of itself. */
function admissionConfirm(kept: Kept, said: RasSaid): boolean {
  const { seen } = said;
  const place = placeIn(kept, said);
  if (place === null) return true;
  if (sameWords(place.address, tupleIn(seen, seen.direction).destination)) {
    if (isRewritten(seen)) tellSignalling([kept.first(ROLE_SIGNALLING)], said);
    return true;
  }
  return expectAt(seen, TCP, place, SIGNALLED);
}

/** Who answers tells where it is called, who asks where it calls from. */
function admissionRequest(kept: Kept, said: RasSaid): boolean {
  const { seen } = said;
  if (!isRewritten(seen)) return true;
  const own = tupleIn(seen, seen.direction).source;
  const { signalling } = seen.memory.ports;
  const [called, caller] = [kept.first(ROLE_CALLED), kept.first(ROLE_CALLER)];
  const [to, from] = [placeIn(called, said), placeIn(caller, said)];
  if (to !== null && sameWords(to.address, own) && to.port === signalling[seen.direction])
    tellPlace(called, said, toSpeaker(seen, signalling[opposite(seen.direction)]));
  else if (from !== null && sameWords(from.address, own)) tellPlace(caller, said, toSpeaker(seen, from.port));
  return true;
}

function readRasPlace(kept: Kept, said: RasSaid): boolean {
  if (isRewritten(said.seen)) tellRas([kept.first(ROLE_RAS)], said);
  return true;
}

function infoResponse(kept: Kept, said: RasSaid): boolean {
  if (isRewritten(said.seen)) tellSignalling(listed(kept, ROLE_SIGNALLING), said);
  return readRasPlace(kept, said);
}

function locationConfirm(kept: Kept, said: RasSaid): boolean {
  const place = placeIn(kept.first(ROLE_SIGNALLING), said);
  return place === null || expectAt(said.seen, TCP, place, SIGNALLED);
}
