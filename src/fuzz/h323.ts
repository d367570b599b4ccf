/** Messages of H.323 as endpoints and gatekeepers write them: RAS and H.225.0 call signalling, H.245. Knows the standards, nothing of the witnesses. */
import { parseAddress } from '../model/address.ts';
import { Per } from './per.ts';

export interface Place {
  address: string;
  port: number;
}

/** A channel: where its receiver hears RTP and RTCP, or a stack of T.120. `back`: the same of the other direction. */
export interface Channel {
  media?: Place;
  control?: Place;
  back?: { media?: Place; control?: Place };
  stack?: Place;
}

const H225 = [0, 8, 0x91, 0x4a, 0, 4];
const AUDIO = 3;
const DATA = 4;
const CONFERENCE = Array.from({ length: 16 }, (_, i) => i);

const octetsOf = (address: string): number[] =>
  (parseAddress(address, address.includes(':') ? 6 : 4) ?? []).flatMap((word) =>
    [24, 16, 8, 0].map((shift) => (word >>> shift) & 255),
  );

/** TransportAddress of H.225.0. */
function transport(per: Per, { address, port }: Place): void {
  if (address.includes(':')) per.choice(3, 3).bits(0, 1);
  else per.choice(0, 3);
  per.octets(octetsOf(address)).half(port);
}

/** That of H.245. */
function unicast(per: Per, { address, port }: Place): void {
  per.choice(0, 1).choice(address.includes(':') ? 2 : 0, 3);
  per.bits(0, 1).octets(octetsOf(address)).half(port);
}

/** EndpointType: a terminal that says nothing of itself. */
const endpoint = (per: Per): Per => per.bits(0, 1).flags(false, false, false, false, false, true).flags(false, false).bits(0, 2);

const given = <T>(value: T | undefined, write: (value: T) => void): void => {
  if (value !== undefined) write(value);
};

// RAS.

const ras = (number: number): Per => new Per().choice(number, 5);
const places = (per: Per, all: readonly Place[]): Per => per.list(all, (place) => transport(per, place));

export function gatekeeperRequest(place: Place): Uint8Array {
  const per = ras(0).bits(0, 5).half(1).object(H225);
  transport(per, place);
  return endpoint(per).done();
}

export function gatekeeperConfirm(place: Place): Uint8Array {
  const per = ras(1).bits(0, 1).flags(false, true).half(1).object(H225).wide('keeper');
  transport(per, place);
  return per.done();
}

/** `lifetime`: seconds; undefined: not said. */
export function registrationRequest(signalling: readonly Place[], lifetime?: number): Uint8Array {
  const per = ras(3).bits(1, 1).bits(0, 3).half(2).object(H225).bits(0, 1);
  endpoint(places(places(per, signalling), signalling));
  per.bits(0, 3).bits(0, 1).octets([0xb5, 0]).half(0x534c);
  return withLifetime(per, lifetime).done();
}

export function registrationConfirm(signalling: readonly Place[], lifetime?: number): Uint8Array {
  const per = places(ras(4).bits(1, 1).bits(0, 3).half(2).object(H225), signalling).wide('endpoint');
  return withLifetime(per, lifetime).done();
}

/** Behind it others follow: whether it is kept alive, and more. */
function withLifetime(per: Per, lifetime: number | undefined): Per {
  const said = lifetime === undefined ? {} : { 1: new Per().long(lifetime - 1).done() };
  return per.extensions(9, { ...said, 5: [0], 7: [0], 8: [0x80] });
}

export function unregistrationRequest(signalling: readonly Place[]): Uint8Array {
  const per = ras(6).bits(1, 1).bits(0, 3).half(3);
  return places(per, signalling)
    .extensions(1, { 0: [0, 0] })
    .done();
}

export function admissionRequest(to: Place | undefined, from: Place | undefined): Uint8Array {
  const per = ras(9).bits(0, 1);
  per.flags(false, true, to !== undefined, false, from !== undefined, false, false);
  per.half(4).choice(0, 2).wide('endpoint').length(1).choice(0, 1).bits(1, 7).octets([0x12]);
  given(to, (place) => transport(per, place));
  per.length(1).choice(1, 1).octets([0, 0, 0x41]);
  given(from, (place) => transport(per, place));
  return per.long(1280).half(7).octets(CONFERENCE).bits(0, 2).done();
}

export function admissionConfirm(place: Place): Uint8Array {
  const per = ras(10).bits(1, 1).bits(2, 2).half(4).long(1280).choice(1, 1);
  transport(per, place);
  return per
    .half(119)
    .extensions(2, { 1: [0] })
    .done();
}

export function locationRequest(reply: Place): Uint8Array {
  const per = ras(18).bits(0, 3).half(5).length(1).choice(1, 1).octets([1, 0, 0x41, 0, 0x42]);
  transport(per, reply);
  return per.done();
}

export function locationConfirm(signalling: Place, own: Place): Uint8Array {
  const per = ras(19).bits(0, 2).half(5);
  transport(per, signalling);
  transport(per, own);
  return per.done();
}

export function infoResponse(own: Place, signalling: readonly Place[]): Uint8Array {
  const per = endpoint(ras(22).bits(0, 4).half(6)).wide('endpoint');
  transport(per, own);
  return places(per, signalling).octets([0, 0]).done();
}

/** Those that tell of nothing: rejections, requests for bandwidth, and the like. */
export const otherRas = (number: number): Uint8Array => ras(number).bits(0, 4).half(9).octets([0, 0, 0]).done();

// H.245.

/** H2250LogicalChannelParameters. */
function parameters({ media, control }: Pick<Channel, 'media' | 'control'>): Uint8Array {
  const per = new Per()
    .bits(0, 1)
    .flags(false, false, media !== undefined, false, control !== undefined)
    .bits(0, 5);
  per.octets([1]);
  given(media, (place) => unicast(per, place));
  given(control, (place) => unicast(per, place));
  return per.done();
}

/** NetworkAccessParameters. */
function access(place: Place): Uint8Array {
  const per = new Per().bits(0, 3).choice(2, 2);
  unicast(per, place);
  return per.bits(0, 1).done();
}

function openLogicalChannel(per: Per, { media, control, back, stack }: Channel): Per {
  per
    .flags(stack !== undefined, back !== undefined)
    .half(0)
    .bits(0, 2);
  // G.711, or T.120 in a stack of its own.
  if (stack === undefined) per.choice(AUDIO, 3).choice(1, 4).octets([19]);
  else per.choice(DATA, 3).bits(0, 1).choice(1, 4).extension(3, [0]).long(621);
  per.extension(0, parameters({ ...(media && { media }), ...(control && { control }) }));
  given(back, (other) => per.bits(1, 2).choice(AUDIO, 3).choice(1, 4).octets([19]).extension(0, parameters(other)));
  given(stack, (place) => per.extensions(1, { 0: access(place) }));
  return per;
}

function openLogicalChannelAck(per: Per, { media, control, back, stack }: Channel): Per {
  per.flags(true, back !== undefined).half(0);
  given(back, (other) => per.bits(1, 3).half(1).extension(0, parameters(other)));
  const forward = new Per()
    .bits(0, 1)
    .bits(0, 1)
    .flags(false, true, media !== undefined, control !== undefined, false)
    .bits(0, 8);
  given(media, (place) => unicast(forward, place));
  given(control, (place) => unicast(forward, place));
  return per.extensions(2, { ...(stack && { 0: access(stack) }), 1: forward.done() });
}

export const openChannel = (channel: Channel): Uint8Array =>
  openLogicalChannel(new Per().choice(0, 2).choice(3, 4), channel).done();
export const acknowledgeChannel = (channel: Channel): Uint8Array =>
  openLogicalChannelAck(new Per().choice(1, 2).choice(5, 5), channel).done();
/** Whoever is master. */
export const determineMaster = (): Uint8Array => new Per().choice(0, 2).choice(1, 4).bits(0, 1).octets([50, 0, 0, 1]).done();

// Call signalling.

export type CallMessage = 'setup' | 'proceeding' | 'connect' | 'alerting' | 'information' | 'release' | 'facility' | 'progress';

/** What a message of a call tells. `control`: messages of H.245 in it. */
export interface CallPart {
  h245?: Place;
  channels?: readonly Channel[];
  control?: readonly Uint8Array[];
  /** Of `facility`: to where the call is forwarded. */
  forwarded?: Place;
  /** Of `setup`: who is called, and who calls. */
  called?: Place;
  caller?: Place;
}

/** Types of Q.931, and which alternative of H.225.0 they hold; one is an extension. */
const TYPES: Readonly<Record<CallMessage, readonly [type: number, body: number]>> = {
  setup: [5, 0],
  proceeding: [2, 1],
  connect: [7, 2],
  alerting: [1, 3],
  information: [0x7b, 4],
  release: [0x5a, 5],
  facility: [0x62, 6],
  progress: [3, 7],
};

const BODIES: Readonly<Record<CallMessage, (per: Per, part: CallPart) => Per>> = {
  setup(per, { h245, channels, called, caller }) {
    const more = channels !== undefined || caller !== undefined;
    per
      .flags(more, h245 !== undefined, false, false, called !== undefined)
      .bits(0, 3)
      .object(H225);
    given(h245, (place) => transport(per, place));
    endpoint(per);
    given(called, (place) => transport(per, place));
    per.bits(0, 1).octets(CONFERENCE).choice(0, 2).choice(0, 2);
    if (!more) return per;
    return per.extensions(7, { ...(caller && { 0: transportOf(caller) }), ...(channels && { 6: fastStart(channels) }) });
  },
  proceeding: answered,
  connect(per, { h245, channels }) {
    per.flags(channels !== undefined, h245 !== undefined).object(H225);
    given(h245, (place) => transport(per, place));
    return offered(endpoint(per).octets(CONFERENCE), channels, 4);
  },
  alerting: answered,
  information: (per) => per.bits(0, 1).object(H225),
  release: (per) => per.flags(false, true).object(H225).choice(3, 4),
  facility(per, { h245, channels, forwarded }) {
    const more = h245 !== undefined || channels !== undefined;
    per
      .flags(more, forwarded !== undefined)
      .bits(0, 2)
      .object(H225);
    given(forwarded, (place) => transport(per, place));
    per.choice(forwarded === undefined ? 3 : 1, 2);
    if (!more) return per;
    return per.extensions(8, { ...(h245 && { 6: transportOf(h245) }), ...(channels && { 7: fastStart(channels) }) });
  },
  progress(per, { h245, channels }) {
    per.flags(false, h245 !== undefined, false, false, false, channels !== undefined).object(H225);
    endpoint(per);
    given(h245, (place) => transport(per, place));
    per.bits(0, 1).octets(CONFERENCE);
    return channels === undefined ? per : per.octets(fastStart(channels));
  },
};

function answered(per: Per, { h245, channels }: CallPart): Per {
  endpoint(per.flags(channels !== undefined, h245 !== undefined).object(H225));
  given(h245, (place) => transport(per, place));
  return offered(per, channels, 4);
}

/** fastStart is the extension with that number. */
const offered = (per: Per, channels: readonly Channel[] | undefined, number: number): Per =>
  channels === undefined ? per : per.extensions(number + 1, { [number]: fastStart(channels) });

function transportOf(place: Place): Uint8Array {
  const per = new Per();
  transport(per, place);
  return per.done();
}

function fastStart(channels: readonly Channel[]): Uint8Array {
  const per = new Per();
  return per.list(channels, (channel) => per.open(openLogicalChannel(new Per(), channel).done())).done();
}

/** H323-UserInformation. */
function userInformation(kind: CallMessage, part: CallPart): Uint8Array {
  const { control } = part;
  const [, body] = TYPES[kind];
  const per = new Per().bits(0, 2).flags(control !== undefined, false);
  if (kind === 'progress') per.extension(0, BODIES[kind](new Per(), part).done());
  else BODIES[kind](per.choice(body, 3), part);
  if (control === undefined) return per.done();
  const messages = new Per();
  messages.list(control, (message) => messages.open(message));
  return per.extensions(3, { 1: [0x80], 2: messages.done() }).done();
}

/** A message of Q.931 with what it bears, and the user-user information. */
export function callMessage(kind: CallMessage, part: CallPart = {}): Uint8Array {
  const information = userInformation(kind, part);
  const bearer = [4, 3, 0x88, 0x93, 0xa5];
  const per = new Per().octets([8, 2, 0, 1, TYPES[kind][0], ...bearer, 0x7e]);
  return per
    .half(information.length + 1)
    .octets([5])
    .octets(information)
    .done();
}

/** A package of a stream (RFC 1006). */
export const tpkt = (message: Uint8Array): Uint8Array =>
  new Per()
    .octets([3, 0])
    .half(message.length + 4)
    .octets(message)
    .done();
