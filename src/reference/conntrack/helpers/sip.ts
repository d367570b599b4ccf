/**
 * SIP (RFC 3261): net/netfilter/nf_conntrack_sip.c of 6.18 with its parameters as they are (sip_direct_signalling and sip_direct_media on, sip_timeout 3600). A registration announces where the registrar will
 * call, a session description where media will be sent; both are believed only of the sender itself, and expected only from who it talks to.
 */
import { HELPER_SIP } from '../../../abi/helpers.ts';
import { sameWords } from '../../../packet/bytes.ts';
import * as tcp from '../../../packet/tcp.ts';
import * as udp from '../../../packet/udp.ts';
import { opposite } from '../connection.ts';
import { TCP, UDP } from '../tuple.ts';
import { expecting, type Helper, type Seen, tcpData, thisSource, tupleIn } from './helper.ts';
import { expectMedia } from './sip-media.ts';
import { expectCalls, growStream, translateMessage } from './sip-nat.ts';
import { CONTACT, CONTENT_LENGTH, CSEQ, EXPIRES, isAlpha, type Place, SipText, type Uri, VIA_UDP } from './sip-text.ts';

export interface Memory {
  registered: number;
  invited: number;
  /** Where a client hears that sends from another port; 0: there. */
  hears: number;
}

type Verdict = 'accept' | 'drop';

/** Classes of what is expected; media have others. */
export const SIGNALLING = 0;
const LIFETIME = 3600;
const SHORTEST = 'SIP/2.0 200'.length;
const ANSWER = 'SIP/2.0 ';

export const sip: Helper<Memory> = {
  name: 'sip',
  policy: [1, 4, 4, 2].map((most) => ({ most, seconds: 180 })),
  remember: () => ({ registered: 0, invited: 0, hears: 0 }),

  help(seen) {
    const { packet, connection } = seen;
    const stream = connection.original.protocol === TCP;
    if (stream && seen.state !== 'ESTABLISHED') return 'accept';
    const bytes = stream ? tcpData(packet)?.bytes : packet.upper.subarray(udp.HEADER_LENGTH);
    if (bytes === undefined || (!stream && packet.length - packet.upperOffset <= udp.HEADER_LENGTH)) return 'accept';
    connection.refresh(LIFETIME * packet.hz, packet.now);
    if (bytes.length < SHORTEST) return 'accept';
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
    return stream ? readStream(text, seen) : readMessage(new SipText(text, packet.family, 0), seen);
  },
};

/** Messages one after the other, by their lengths; what is not there whole is not looked at. */
function readStream(text: string, seen: Seen<Memory>): Verdict {
  const sequence = tcp.sequence(seen.packet.upper);
  let rest = text;
  let offset = 0;
  let grown = 0;
  for (;;) {
    const end = messageEnd(rest, seen);
    // The kernel does not count then how much longer the messages before it became.
    if (end !== null && end > rest.length) return 'accept';
    if (end === null) break;
    const message = new SipText(rest.slice(0, end), seen.packet.family, offset);
    if (readMessage(message, seen) === 'drop') return 'drop';
    rest = rest.slice(end);
    offset += message.end;
    grown += message.end - end;
  }
  growStream(seen, sequence, grown);
  return 'accept';
}

/** Where the first message ends, by what it says; null: it does not say. */
function messageEnd(text: string, { packet }: Seen<Memory>): number | null {
  const message = new SipText(text, packet.family, 0);
  const found = message.header(CONTENT_LENGTH, 0);
  const length = found === null || 'bad' in found ? null : message.number(found.at);
  if (length === null || length.value > text.length) return null;
  const blank = text.indexOf('\r\n\r\n', length.end);
  return blank < 0 ? null : blank + 4 + length.value;
}

function readMessage(message: SipText, seen: Seen<Memory>): Verdict {
  const verdict = message.has(ANSWER, 0) ? readAnswer(message, seen) : readRequest(message, seen);
  return verdict === 'accept' && seen.translated ? translateMessage(message, seen) : verdict;
}

type Request = (message: SipText, seen: Seen<Memory>, sequence: number) => Verdict;
type Answer = (message: SipText, seen: Seen<Memory>, sequence: number, code: number) => Verdict;

const METHODS: readonly { name: string; request?: Request; answer?: Answer }[] = [
  { name: 'INVITE', request: invite, answer: answerSession },
  { name: 'UPDATE', request: expectMedia, answer: answerSession },
  { name: 'ACK', request: expectMedia },
  { name: 'PRACK', request: expectMedia, answer: answerSession },
  { name: 'BYE', request: bye },
  { name: 'REGISTER', request: register, answer: answerRegistration },
];

function sequenceOf(message: SipText): (Place & { value: number }) | null {
  const found = message.header(CSEQ, 0);
  if (found === null || 'bad' in found) return null;
  const number = message.number(found.at);
  return number === null ? null : { ...found, value: number.value };
}

function readRequest(message: SipText, seen: Seen<Memory>): Verdict {
  const sender = tupleIn(seen, seen.direction);
  const via = message.uri(VIA_UDP);
  if (via !== null && via !== 'bad' && via.port !== sender.sourcePort && sameWords(via.address, sender.source))
    seen.memory.hears = via.port;
  for (const { name, request } of METHODS) {
    if (request === undefined || message.end < name.length + 2 || !message.has(name, 0)) continue;
    if (message.text[name.length] !== ' ' || !isAlpha(message.text[name.length + 1])) continue;
    const sequence = sequenceOf(message);
    return sequence === null ? 'drop' : request(message, seen, sequence.value);
  }
  return 'accept';
}

function readAnswer(message: SipText, seen: Seen<Memory>): Verdict {
  if (message.end < SHORTEST) return 'accept';
  const code = message.number(ANSWER.length)?.value ?? 0;
  const sequence = code === 0 ? null : sequenceOf(message);
  if (sequence === null) return 'drop';
  const method = sequence.at + sequence.length + 1;
  for (const { name, answer } of METHODS) {
    if (answer === undefined || message.end < method + name.length || !message.has(name, method)) continue;
    return answer(message, seen, sequence.value, code);
  }
  return 'accept';
}

function invite(message: SipText, seen: Seen<Memory>, sequence: number): Verdict {
  flush(seen, true);
  const verdict = expectMedia(message, seen);
  if (verdict === 'accept') seen.memory.invited = sequence;
  return verdict;
}

function bye(_: SipText, seen: Seen<Memory>): Verdict {
  flush(seen, true);
  return 'accept';
}

function answerSession(message: SipText, seen: Seen<Memory>, sequence: number, code: number): Verdict {
  if (code >= 100 && code <= 299) return expectMedia(message, seen);
  if (seen.memory.invited === sequence) flush(seen, true);
  return 'accept';
}

/** Media, all; or what signalling is expected. */
function flush({ expectations, forget }: Seen<Memory>, media: boolean): void {
  const gone = expectations().filter(({ kind }) => (kind !== SIGNALLING) === media);
  for (const one of media ? gone : gone.slice(0, 1)) forget(one);
}

/** process_register_request: what is expected waits for the registrar's answer. */
function register(message: SipText, seen: Seen<Memory>, sequence: number): Verdict {
  if (seen.connection.expected) return 'accept';
  const contact = message.uri(CONTACT);
  if (contact === 'bad') return 'drop';
  if (contact === null) return 'accept';
  const own = tupleIn(seen, seen.direction).source;
  if (!sameWords(own, contact.address) || !fitsTransport(message, contact.end, seen)) return 'accept';
  const expires = lifetime(message, contact.end, headerLifetime(message));
  if (expires === null) return 'drop';
  let verdict: Verdict = 'accept';
  if (expires !== 0) {
    const { source } = tupleIn(seen, opposite(seen.direction));
    const { protocol } = seen.connection.original;
    const tuple = { protocol, source, sourcePort: 0, destination: contact.address, destinationPort: contact.port };
    const waiting = { permanent: true, inactive: true, assigns: HELPER_SIP };
    const foreseen = { tuple, mask: thisSource(source), kind: SIGNALLING, ...waiting };
    verdict = seen.translated ? expectCalls(message, seen, contact, foreseen) : expecting(seen, foreseen);
  }
  if (verdict === 'accept') seen.memory.registered = sequence;
  return verdict;
}

/** process_register_response: success makes the registrar's calls expected, as long as it says. */
function answerRegistration(message: SipText, seen: Seen<Memory>, sequence: number, code: number): Verdict {
  if (seen.memory.registered !== sequence || (code >= 100 && code <= 199)) return 'accept';
  if (code < 200 || code > 299) {
    flush(seen, false);
    return 'accept';
  }
  const usual = headerLifetime(message);
  const own = tupleIn(seen, seen.direction).destination;
  let listed = false;
  for (let from = 0; ; ) {
    const contact = message.uri(CONTACT, from, listed);
    if (contact === 'bad') return 'drop';
    if (contact === null) break;
    listed = true;
    from = contact.end;
    if (!sameWords(own, contact.address) || !fitsTransport(message, contact.end, seen)) continue;
    const expires = lifetime(message, contact.end, usual);
    if (expires === null) return 'drop';
    if (expires === 0) break;
    if (refreshed(seen, contact, expires)) return 'accept';
  }
  flush(seen, false);
  return 'accept';
}

function refreshed(seen: Seen<Memory>, { address, port }: Uri, expires: number): boolean {
  const { packet, connection, expectations } = seen;
  const found = expectations().find(
    ({ kind, tuple }) =>
      kind === SIGNALLING &&
      tuple.protocol === connection.original.protocol &&
      tuple.destinationPort === port &&
      sameWords(tuple.destination, address),
  );
  if (found === undefined) return false;
  found.timeout = packet.now + ((expires * packet.hz) | 0);
  found.inactive = false;
  return true;
}

/** Of the Expires header; 0 without one. */
function headerLifetime(message: SipText): number {
  const found = message.header(EXPIRES, 0);
  return found === null || 'bad' in found ? 0 : (message.number(found.at)?.value ?? 0);
}

/** Of the contact, where it says; null: what it says is no number. */
function lifetime(message: SipText, from: number, usual: number): number | null {
  const found = message.parameter('expires=', from);
  return found === null ? usual : (message.number(found.at, found.limit)?.value ?? null);
}

/** Calls come by the protocol of the connection; who wants another one is not served. */
function fitsTransport(message: SipText, from: number, { connection }: Seen<Memory>): boolean {
  const found = message.parameter('transport=', from);
  if (found === null) return true;
  const said = message.has('TCP', found.at) ? TCP : message.has('UDP', found.at) ? UDP : 0;
  return said === connection.original.protocol;
}
