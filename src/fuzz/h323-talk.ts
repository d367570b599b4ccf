/** What endpoints and gatekeepers of H.323 say, and the connections that they announce: calls, channels, streams. Now and then a bit of it is another one. Knows the protocols, nothing of the witnesses. */
import type { Draw } from '../extensions/extension.ts';
import {
  acknowledgeChannel,
  admissionConfirm,
  admissionRequest,
  type CallMessage,
  type CallPart,
  type Channel,
  callMessage,
  determineMaster,
  gatekeeperConfirm,
  gatekeeperRequest,
  infoResponse,
  locationConfirm,
  openChannel,
  type Place,
  registrationConfirm,
  registrationRequest,
  tpkt,
  unregistrationRequest,
} from './h323.ts';
import type { Call, Ends, Said } from './talk.ts';

const TCP = 6;
const UDP = 17;
const LIFETIMES: readonly (number | undefined)[] = [undefined, 1, 60, 300, 3600];
const KINDS: readonly CallMessage[] = ['setup', 'setup', 'proceeding', 'connect', 'alerting', 'facility', 'progress', 'release'];

/** Who speaks, to whom, and a port that is announced. */
interface Speaker {
  own: string;
  other: string;
  port: number;
  stranger: string;
}

function speakerOf(draw: Draw, { client, server, ports, stranger }: Ends, fromClient: boolean): Speaker {
  const [own, other] = fromClient ? [client, server] : [server, client];
  return { own, other, port: draw.pick(ports), stranger };
}

/** Mostly the speaker's own place. */
const placeOf = (draw: Draw, { own, stranger, port }: Speaker): Place => ({
  address: draw.chance(0.08) ? stranger : own,
  port: draw.chance(0.04) ? 0 : port,
});

function said(draw: Draw, message: Uint8Array, call?: Call): Said {
  const bytes = message.slice();
  if (draw.chance(0.05)) bytes[draw.integer(0, bytes.length - 1)]! ^= 1 << draw.integer(0, 7);
  const text = String.fromCharCode(...bytes);
  return call === undefined ? { text } : { text, call };
}

/** Clients register and ask, servers are gatekeepers. */
export function speakRas(draw: Draw, ends: Ends, fromClient: boolean): Said {
  const speaker = speakerOf(draw, ends, fromClient);
  const { own, other, port, stranger } = speaker;
  const place = placeOf(draw, speaker);
  const elsewhere = { address: stranger, port };
  const called: Call = { protocol: TCP, client: other, server: own, serverPort: port, helper: 'Q.931' };
  const calls: Call = { protocol: TCP, client: other, server: stranger, serverPort: port, helper: 'Q.931' };
  if (fromClient)
    return draw.pick<() => Said>([
      () => said(draw, registrationRequest([place], draw.pick(LIFETIMES)), called),
      () => said(draw, registrationRequest([elsewhere, place]), called),
      () => said(draw, draw.pick([gatekeeperRequest(place), admissionRequest(elsewhere, place), infoResponse(place, [place])])),
      () => (draw.chance(0.2) ? said(draw, unregistrationRequest([place])) : said(draw, registrationRequest([place]), called)),
    ])();
  return draw.pick<() => Said>([
    () => said(draw, registrationConfirm([place], draw.pick(LIFETIMES))),
    () => said(draw, admissionConfirm(elsewhere), calls),
    () => said(draw, locationConfirm(elsewhere, place), calls),
    () => said(draw, gatekeeperConfirm(elsewhere), { ...calls, protocol: UDP, helper: 'RAS' }),
  ])();
}

/** A stream of RTP or RTCP to the speaker. */
const streamTo = ({ own, other, port }: Speaker): Call => ({
  protocol: UDP,
  client: other,
  server: own,
  serverPort: port > 0 ? port ^ 1 : port,
});

function channelOf(draw: Draw, speaker: Speaker): Channel {
  const place = placeOf(draw, speaker);
  return draw.pick<Channel>([{ media: place }, { media: place, control: place }, { control: place }, { back: { media: place } }]);
}

/** Messages of calls, of both sides. */
export function speakQ931(draw: Draw, ends: Ends, fromClient: boolean): Said {
  const speaker = speakerOf(draw, ends, fromClient);
  const { own, other, port, stranger } = speaker;
  const place = placeOf(draw, speaker);
  const kind = draw.pick(KINDS);
  const control: Call = { protocol: TCP, client: other, server: own, serverPort: port, helper: 'H.245' };
  const stream = draw.chance(0.5) ? streamTo(speaker) : { ...streamTo(speaker), serverPort: port };
  const forwarded: Call = { protocol: TCP, client: other, server: stranger, serverPort: port, helper: 'Q.931' };
  const one = (part: CallPart, call: Call): Said => said(draw, tpkt(callMessage(kind, part)), call);
  return draw.pick<() => Said>([
    () => one({ h245: place }, control),
    () => one({ h245: place }, control),
    () => one({ channels: [channelOf(draw, speaker)] }, stream),
    () => one({ control: [determineMaster(), openChannel(channelOf(draw, speaker))] }, stream),
    () => one({ control: [acknowledgeChannel(channelOf(draw, speaker))], channels: [] }, stream),
    () => said(draw, tpkt(callMessage('facility', { forwarded: { address: stranger, port } })), forwarded),
    () => said(draw, tpkt(callMessage(kind)).subarray(0, draw.chance(0.5) ? 4 : undefined)),
  ])();
}

/** What is read in datagrams, where a rule says so: a header of TCP begins with that of UDP. */
const LIKE_A_SEGMENT = String.fromCharCode(0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0);

/** Channels are opened and acknowledged. */
export function speakH245(draw: Draw, ends: Ends, fromClient: boolean): Said {
  const speaker = speakerOf(draw, ends, fromClient);
  const { own, other, port } = speaker;
  const channel = channelOf(draw, speaker);
  const stack: Call = { protocol: TCP, client: other, server: own, serverPort: port };
  const message = draw.pick<() => Said>([
    () => said(draw, tpkt(openChannel(channel)), streamTo(speaker)),
    () => said(draw, tpkt(acknowledgeChannel(channel)), { ...streamTo(speaker), serverPort: port }),
    () => said(draw, tpkt(openChannel({ stack: placeOf(draw, speaker) })), stack),
    () => said(draw, tpkt(determineMaster())),
  ])();
  return draw.chance(0.15) ? { ...message, text: LIKE_A_SEGMENT + message.text } : message;
}
