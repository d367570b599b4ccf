/** What is said in connections that helpers listen to, and the connections that are announced there: as it should be, cut in the middle, and wrong. Knows the protocols, nothing of the witnesses. */
import type { Draw } from '../extensions/extension.ts';
import { parseAddress } from '../model/address.ts';
import type { Family } from '../model/ruleset.ts';
import { speakH245, speakQ931, speakRas } from './h323-talk.ts';
import { speakPptp } from './pptp.ts';
import { snmpMessage } from './snmp.ts';

/** The conversation of a flow. */
export interface Talk {
  /** The helper's name. */
  helper: string;
  /** What the sides still have to say of a line that was cut. */
  rest: [string, string];
  /** Where the protocol has an order: what comes next. */
  turns: Turn[];
}

/** What one of the sides has to say. */
export interface Turn {
  fromClient: boolean;
  said: Said;
}

/** A connection that somebody announced, or one that looks like it: who opens it, and where to. Undefined: any port. */
export interface Call {
  protocol: number;
  client: string;
  server: string;
  clientPort?: number;
  serverPort: number;
  /** The helper that it is said to be for: it is a conversation, too. */
  helper?: string;
}

/** Characters are bytes. */
export interface Said {
  text: string;
  call?: Call;
}

/** Of the connection in which it is said. */
export interface Ends {
  family: Family;
  client: string;
  server: string;
  clientPort: number;
  /** Somebody else. */
  stranger: string;
  /** Ports that are announced. */
  ports: readonly number[];
}

const TCP = 6;
const UDP = 17;
const SPEAKERS: Readonly<Record<string, (draw: Draw, ends: Ends, fromClient: boolean, turns: Turn[]) => Said>> = {
  ftp,
  tftp,
  irc,
  sane,
  amanda,
  sip,
  pptp: speakPptp,
  'netbios-ns': service(137, () => 'who'),
  snmp: service(161, snmpMessage),
  snmp_trap: (draw, ends) => ({ text: snmpMessage(draw, ends) }),
  RAS: speakRas,
  'Q.931': speakQ931,
  'H.245': speakH245,
};

/** Names of helpers that there are conversations for. */
export const SPOKEN: readonly string[] = Object.keys(SPEAKERS);

/** Those that listen to broadcasts of the host itself. */
export const BROADCAST: readonly string[] = ['netbios-ns', 'snmp'];

/** Ports of servers that matter to the helper. */
export const serverPortsOf = (helper: string | undefined): readonly number[] =>
  helper === 'snmp' || helper === 'snmp_trap' ? [161, 162] : [];

/** The protocol of the connection itself. */
export const protocolOf = (helper: string): number => (OF_UDP.includes(helper) ? UDP : TCP);
const OF_UDP: readonly string[] = ['tftp', 'amanda', 'sip', 'snmp_trap', 'RAS', 'H.245', ...BROADCAST];

/** Whether the client is to say what comes next; undefined: either side. */
export const isClientsTurn = (talk: Talk | undefined): boolean | undefined => talk?.turns[0]?.fromClient;

/** What a side says next. Of a stream a line may be cut; the rest comes with its next segment. */
export function say(draw: Draw, talk: Talk, ends: Ends, fromClient: boolean): Said {
  const side = fromClient ? 0 : 1;
  const rest = talk.rest[side];
  talk.rest[side] = '';
  if (rest !== '' && draw.chance(0.9)) return { text: rest };
  const said = SPEAKERS[talk.helper]!(draw, ends, fromClient, talk.turns);
  if (protocolOf(talk.helper) === UDP || said.text.length < 2 || !draw.chance(0.08)) return said;
  const cut = draw.integer(1, said.text.length - 1);
  talk.rest[side] = said.text.slice(cut);
  return { ...said, text: said.text.slice(0, cut) };
}

/** The address that is announced: the speaker's, now and then somebody else's. */
const announced = (draw: Draw, own: string, { stranger }: Ends): string => (draw.chance(0.08) ? stranger : own);

/** Four bytes of an IPv4 address with a separator; an IPv6 address has none, so any. */
function quad(address: string, separator: string): string {
  const [word = 0] = parseAddress(address, 4) ?? [0x0a090002];
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join(separator);
}

const six = (address: string, port: number): string => `${quad(address, ',')},${port >> 8},${port & 255}`;

function ftp(draw: Draw, ends: Ends, fromClient: boolean): Said {
  const port = draw.pick(ends.ports);
  const { client, server, family } = ends;
  const wrong = draw.chance(0.04) ? draw.pick(['x', ' ', ',', '|', '9']) : '';
  const end = draw.chance(0.85) ? '\r\n' : draw.pick(['\n', '']);
  const kind = family === 4 ? '1' : '2';
  if (fromClient) {
    const call = { protocol: TCP, client: server, server: client, serverPort: port };
    const own = announced(draw, client, ends);
    const mark = draw.pick(['|', '|', '!']);
    const extended = `EPRT ${[mark, kind, mark, own, mark, port, wrong, mark].join('')}${end}`;
    return draw.pick<() => Said>([
      () => ({ text: `NOOP${end}` }),
      () => ({ text: `USER x\r\n` }),
      () => ({ text: `${draw.pick(['PORT', 'port', 'Port'])} ${six(own, port)}${wrong}${end}`, call }),
      () => ({ text: extended, call }),
      () => (family === 4 ? { text: `PORT ${six(own, port)}\r\n`, call } : { text: extended, call }),
    ])();
  }
  const call = { protocol: TCP, client, server, serverPort: port };
  return draw.pick<() => Said>([
    () => ({ text: `200 ok${end}` }),
    () => ({ text: `220 ready\r\n` }),
    () => ({ text: `227 Entering Passive Mode (${six(announced(draw, server, ends), port)}${wrong})${end}`, call }),
    () => ({ text: `229 Entering Extended Passive Mode (|||${port}${wrong}|)${end}`, call }),
  ])();
}

/** Both sides ask, for nothing says who may. */
function tftp(draw: Draw, { client, server, clientPort, ports }: Ends, fromClient: boolean): Said {
  const asks = draw.chance(fromClient ? 0.8 : 0.15);
  const text = asks
    ? draw.pick(['\0\x01file\0octet\0', '\0\x02file\0octet\0'])
    : draw.pick(['\0\x03\0\x01data', '\0\x04\0\x01', '\0', '']);
  const call = { protocol: UDP, client: server, server: client, clientPort: draw.pick(ports), serverPort: clientPort };
  return asks ? { text, call } : { text };
}

function irc(draw: Draw, ends: Ends, fromClient: boolean): Said {
  if (!fromClient || draw.chance(0.3)) return { text: draw.pick(['PING x\r\n', ':s NOTICE x :hello\r\n', 'JOIN #x\r\n']) };
  const serverPort = draw.pick(ends.ports);
  const [address] = parseAddress(announced(draw, ends.client, ends), 4) ?? [0];
  const command = draw.pick([
    `CHAT chat ${address} ${serverPort}`,
    `SEND file ${address} ${serverPort} 1234`,
    `RESUME file ${serverPort} 1`,
  ]);
  const end = draw.pick(['\x01\r\n', '\x01\r\n', '\x01\n', '\x01']);
  const call = { protocol: TCP, client: ends.stranger, server: ends.client, serverPort };
  return { text: `PRIVMSG x :\x01DCC ${command}${end}`, call };
}

function sane(draw: Draw, ends: Ends, fromClient: boolean): Said {
  if (fromClient)
    return { text: `\0\0\0${draw.pick(['\x07', '\x07', '\x07', '\x07', '\x06'])}\0\0\0\0${draw.chance(0.1) ? 'x' : ''}` };
  const serverPort = draw.pick(ends.ports);
  const status = draw.pick(['\0', '\0', '\0', '\x01']);
  const port = String.fromCharCode(serverPort >> 8, serverPort & 255);
  const call = { protocol: TCP, client: ends.client, server: ends.server, serverPort };
  return { text: `\0\0\0${status}\0\0${port}\0\0\x12\x34`, call };
}

function amanda(draw: Draw, ends: Ends, fromClient: boolean): Said {
  if (fromClient) return { text: 'Amanda 2.4 REQ HANDLE 0 SEQ 1\n' };
  const serverPort = draw.pick(ends.ports);
  const words = [`DATA ${serverPort}`, `MESG ${draw.pick(ends.ports)}`, `INDEX ${draw.pick(ends.ports)}`];
  const call = { protocol: TCP, client: ends.client, server: ends.server, serverPort };
  return { text: `Amanda 2.4 REP\nCONNECT ${words.slice(0, draw.integer(0, 3)).join(' ')}${draw.pick(['\n', '\n', ''])}`, call };
}

/** Where clients register to be called. */
const SIGNALLING = 5070;

function sip(draw: Draw, ends: Ends, fromClient: boolean): Said {
  const [own, other] = fromClient ? [ends.client, ends.server] : [ends.server, ends.client];
  const media = draw.pick(ends.ports);
  const call = { protocol: UDP, client: other, server: own, serverPort: (media + (draw.chance(0.8) ? 0 : 1)) & 0xffff };
  const invite = draw.pick(['1 INVITE', '1 INVITE', '2 INVITE']);
  const contact = `Contact: <sip:x@${bracketed(announced(draw, ends.client, ends))}:${SIGNALLING}>;expires=${draw.pick([60, 60, 0])}`;
  const description = session(announced(draw, own, ends), `${draw.pick(['audio', 'audio', 'video', 'image'])} ${media}`);
  if (fromClient)
    return draw.pick<() => Said>([
      () => ({ text: message('REGISTER sip:x SIP/2.0', '1 REGISTER', contact) }),
      () => ({ text: message('INVITE sip:y SIP/2.0', invite, '', description), call }),
      () => ({ text: message('BYE sip:y SIP/2.0', '3 BYE') }),
    ])();
  const calls = { protocol: UDP, client: ends.server, server: ends.client, serverPort: SIGNALLING };
  return draw.pick<() => Said>([
    () => ({ text: message(`SIP/2.0 ${draw.pick([200, 200, 100, 403])} x`, '1 REGISTER', contact), call: calls }),
    () => ({ text: message(`SIP/2.0 ${draw.pick([200, 183, 486])} x`, invite, '', description), call }),
  ])();
}

/** What is said comes back, with the addresses that its hearer was told; of a request of SIP as its answer. */
export function answerTo(said: Uint8Array): Uint8Array {
  const text = String.fromCharCode(...said);
  const answer = text.replace(/^[A-Z]+ sip:\S+ SIP\/2.0\r\n/, 'SIP/2.0 200 x\r\n');
  return Uint8Array.from(answer, (character) => character.charCodeAt(0));
}

function message(first: string, sequence: string, more = '', body = ''): string {
  const lines = [first, `CSeq: ${sequence}`, ...(more === '' ? [] : [more]), `Content-Length: ${body.length}`, '', body];
  return lines.join('\r\n');
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address);

function session(address: string, media: string): string {
  const kind = address.includes(':') ? 'IP6' : 'IP4';
  return ['v=0', 's=-', `c=IN ${kind} ${address}`, `m=${media} RTP/AVP 0`, ''].join('\r\n');
}

/** Who asks everybody is answered by anybody, mostly from the port of the service. */
function service(port: number, words: (draw: Draw, ends: Ends) => string): (draw: Draw, ends: Ends, fromClient: boolean) => Said {
  return (draw, ends, fromClient) => {
    const { client, clientPort, stranger, ports } = ends;
    const text = words(draw, ends);
    if (!fromClient) return { text };
    const from = draw.chance(0.9) ? port : draw.pick(ports);
    return { text, call: { protocol: UDP, client: stranger, clientPort: from, server: client, serverPort: clientPort } };
  };
}
