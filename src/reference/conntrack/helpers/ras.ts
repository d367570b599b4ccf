/**
 * RAS, between endpoints and gatekeepers (H.225.0; net/netfilter/nf_conntrack_h323_main.c of 6.18 with its parameters as they are: default_rrq_ttl 300, gkrouted_only on). Where an endpoint will be called, by its
 * gatekeeper; where calls, and RAS itself, are to go.
 */
import {
  RAS_MESSAGE,
  ROLE_ADMISSION_CONFIRM,
  ROLE_GATEKEEPER_CONFIRM,
  ROLE_LIFETIME,
  ROLE_LOCATION_CONFIRM,
  ROLE_REGISTRATION_CONFIRM,
  ROLE_REGISTRATION_REQUEST,
  ROLE_SIGNALLING,
  ROLE_UNREGISTRATION_REQUEST,
} from '../../../abi/h323.ts';
import { HELPER_Q931, HELPER_RAS } from '../../../abi/helpers.ts';
import { sameWords } from '../../../packet/bytes.ts';
import * as udp from '../../../packet/udp.ts';
import { TCP, UDP } from '../tuple.ts';
import { expectAt, ownPlaceIn, placeIn, type Said, SECONDS, toSpeaker } from './h323-expect.ts';
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
}

interface RasSaid extends Said {
  seen: Seen<Memory>;
}

/** False: the packet is dropped. */
type Reader = (kept: Kept, said: RasSaid) => boolean;

const READERS: Readonly<Record<number, Reader>> = {
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
  remember: () => ({ lifetime: 0 }),

  help(seen) {
    const { packet } = seen;
    const message = packet.upper.subarray(udp.HEADER_LENGTH);
    const length = packet.length - packet.upperOffset - udp.HEADER_LENGTH;
    // What the capture cut off nobody can read.
    if (length <= 0 || message.length < length) return 'accept';
    const [part] = readMessage(RAS_MESSAGE, message)?.parts ?? [];
    const reader = part === undefined ? undefined : READERS[part.role];
    if (part === undefined || reader === undefined) return 'accept';
    return reader(part.kept, { seen, message }) ? 'accept' : 'drop';
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
  const places = (kept.first(ROLE_SIGNALLING)?.parts ?? []).map((part) => ownPlaceIn(part.kept, said));
  const place = places.find((one) => one !== null);
  if (place != null && !expectAt(seen, TCP, toSpeaker(seen, place.port), SIGNALLED)) return false;
  seen.memory.lifetime = kept.first(ROLE_LIFETIME)?.value ?? USUAL_LIFETIME;
  return true;
}

/** The connection lives as long. What was expected does not: the kernel looks for it as from anybody, and with gkrouted_only it is from the gatekeeper alone. */
function registrationConfirm(kept: Kept, { seen }: RasSaid): boolean {
  const { memory, connection, packet } = seen;
  memory.lifetime = kept.first(ROLE_LIFETIME)?.value ?? memory.lifetime;
  // Jiffies are 32 bits: what is more than half of them lies in the past.
  if (memory.lifetime > 0) connection.refresh(Math.imul(memory.lifetime, packet.hz), packet.now);
  return true;
}

function unregistrationRequest(_: Kept, { seen }: RasSaid): boolean {
  for (const one of seen.expectations()) seen.forget(one);
  seen.connection.refresh(LAST_ANSWER * seen.packet.hz, seen.packet.now);
  return true;
}

/** To whom the asking endpoint may call; the answering one is told of itself. */
function admissionConfirm(kept: Kept, said: RasSaid): boolean {
  const { seen } = said;
  const place = placeIn(kept, said);
  if (place === null || sameWords(place.address, tupleIn(seen, seen.direction).destination)) return true;
  return expectAt(seen, TCP, place, SIGNALLED);
}

function locationConfirm(kept: Kept, said: RasSaid): boolean {
  const place = placeIn(kept.first(ROLE_SIGNALLING), said);
  return place === null || expectAt(said.seen, TCP, place, SIGNALLED);
}
