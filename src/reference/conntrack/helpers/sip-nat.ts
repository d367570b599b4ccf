/** SIP in translated connections: net/netfilter/nf_nat_sip.c of 6.18. Headers tell the addresses that the other side sees, and what is announced is expected there. */
import type { Words } from '../../../model/ruleset.ts';
import { sameWords } from '../../../packet/bytes.ts';
import { putU16 } from '../../../packet/rewrite.ts';
import * as tcp from '../../../packet/tcp.ts';
import * as udp from '../../../packet/udp.ts';
import { replaceData, sumUp } from '../../nat/replace.ts';
import { opposite, REPLY } from '../connection.ts';
import type { Foreseen } from '../expectations.ts';
import { noShifts, shiftFrom } from '../sequence.ts';
import { TCP, UDP } from '../tuple.ts';
import { printAddress } from './address-text.ts';
import { type Seen, tupleIn } from './helper.ts';
import type { Memory } from './sip.ts';
import { CONTACT, FROM, type Place, type SipText, TO, type Uri, VIA_TCP, VIA_UDP } from './sip-text.ts';
import { expectFreePort } from './translated.ts';

type Verdict = 'accept' | 'drop';

const [LEAST_PORT, LAST_PORT] = [1024, 65535];
const DESTINATION_PORT = 2;

/** Other words at a place of the message, and of its packet. False: the packet would be too long. */
export function tellThere(message: SipText, seen: Seen<unknown>, place: Place, words: string): boolean {
  const { packet, connection } = seen;
  const { protocol } = connection.original;
  const header = protocol === TCP ? tcp.headerLength(packet.upper) : udp.HEADER_LENGTH;
  if (!replaceData(packet, protocol, header + message.offset + place.at, place.length, words)) return false;
  message.put(place, words);
  return true;
}

/** What messages of a segment that began at `sequence` became longer by. */
export function growStream({ connection, direction, translated }: Seen<Memory>, sequence: number, by: number): void {
  if (!translated || by === 0) return;
  connection.shifts ??= noShifts();
  shiftFrom(connection.shifts[direction], sequence, by);
}

const bracketed = (address: Words): string => (address.length === 1 ? printAddress(address) : `[${printAddress(address)}]`);

/** map_addr: an end of the connection is told as the other side sees it. False: the packet would be too long. */
function translateUri(message: SipText, seen: Seen<Memory>, uri: Uri): boolean {
  const own = tupleIn(seen, seen.direction);
  const other = tupleIn(seen, opposite(seen.direction));
  let address: Words;
  let port: number;
  if (sameWords(own.source, uri.address) && own.sourcePort === uri.port) {
    address = other.destination;
    port = other.destinationPort;
  } else if (sameWords(own.destination, uri.address) && own.destinationPort === uri.port) {
    address = other.source;
    port = seen.memory.hears || other.sourcePort;
  } else return true;
  if (sameWords(address, uri.address) && port === uri.port) return true;
  return tellThere(message, seen, uri, `${bracketed(address)}:${port}`);
}

/** nf_nat_sip: behind everything else that is done with a message. */
export function translateMessage(message: SipText, seen: Seen<Memory>): Verdict {
  const request = !message.has('SIP/2.0', 0);
  const requested = request ? message.requested() : null;
  if (requested !== null && !translateUri(message, seen, requested)) return 'drop';
  if (!translateVia(message, seen, request)) return 'drop';
  for (let from = 0, listed = false; ; listed = true) {
    const contact = message.uri(CONTACT, from, listed);
    if (contact === null || contact === 'bad') break;
    const before = message.end;
    if (!translateUri(message, seen, contact)) return 'drop';
    // The others do not follow their own change: they pass over the next contact when the text got shorter.
    from = contact.end + (seen.kernel === '6.12' ? message.end - before : 0);
  }
  for (const header of [FROM, TO]) {
    const uri = message.uri(header);
    if (uri !== null && uri !== 'bad' && !translateUri(message, seen, uri)) return 'drop';
  }
  return answerWhereHeard(seen);
}

/** The topmost Via, if it is about this connection, and its parameters. */
function translateVia(message: SipText, seen: Seen<Memory>, request: boolean): boolean {
  const via = message.uri(seen.connection.original.protocol === TCP ? VIA_TCP : VIA_UDP);
  if (via === null || via === 'bad') return true;
  const own = tupleIn(seen, seen.direction);
  const other = tupleIn(seen, opposite(seen.direction));
  const [address, port] = request ? [own.source, own.sourcePort] : [own.destination, own.destinationPort];
  if (!sameWords(via.address, address) || via.port !== port) return true;
  const before = message.end;
  if (!translateUri(message, seen, via)) return false;
  const from = via.at + via.length + message.end - before;
  return (
    translateParameter(message, seen, from, 'maddr=', true, own.source, other.destination) &&
    translateParameter(message, seen, from, 'received=', false, own.destination, other.source) &&
    translatePort(message, seen, from, own.destinationPort, other.sourcePort)
  );
}

function translateParameter(
  message: SipText,
  seen: Seen<Memory>,
  from: number,
  name: string,
  delimited: boolean,
  own: Words,
  seenAs: Words,
): boolean {
  const at = message.parameter(name, from)?.at;
  const said = at === undefined ? null : message.address(at, delimited);
  if (at === undefined || said === null || !sameWords(said.address, own) || sameWords(said.address, seenAs)) return true;
  return tellThere(message, seen, { at, length: said.end - at }, delimited ? bracketed(seenAs) : printAddress(seenAs));
}

function translatePort(message: SipText, seen: Seen<Memory>, from: number, own: number, seenAs: number): boolean {
  const found = message.parameter('rport=', from);
  const said = found === null ? null : message.number(found.at, found.limit);
  if (found === null || said === null || said.value < LEAST_PORT || said.value > LAST_PORT) return true;
  if (said.value !== own || said.value === seenAs) return true;
  return tellThere(message, seen, { at: found.at, length: said.end - found.at }, String(seenAs));
}

/** What is answered goes to the port that the client named. */
function answerWhereHeard({ packet, connection, direction, memory }: Seen<Memory>): Verdict {
  if (direction !== REPLY || memory.hears === 0) return 'accept';
  if (connection.original.protocol !== UDP) return 'drop';
  const bytes = new Uint8Array(packet.bytes);
  putU16(bytes, packet.upperOffset + DESTINATION_PORT, memory.hears);
  packet.rewrite(bytes);
  sumUp(packet, UDP);
  return 'accept';
}

/** Where something that a side announces is expected: its own address, as the other side sees it. */
export function seenAddress(seen: Seen<unknown>, announced: Words): Words {
  const { source } = tupleIn(seen, seen.direction);
  const { destination } = tupleIn(seen, opposite(seen.direction));
  return sameWords(source, destination) ? announced : destination;
}

/** nf_nat_sip_expect: the registrar is told another contact, and calls that. */
export function expectCalls(message: SipText, seen: Seen<Memory>, contact: Uri, foreseen: Foreseen): Verdict {
  const { address, port } = contact;
  const own = tupleIn(seen, seen.direction);
  const other = tupleIn(seen, opposite(seen.direction));
  const destination = seenAddress(seen, address);
  const destinationPort = port === (seen.memory.hears || own.sourcePort) ? other.destinationPort : port;
  const follows = { direction: opposite(seen.direction), address, port, media: false };
  const chosen = expectFreePort(seen, { ...foreseen, tuple: { ...foreseen.tuple, destination, destinationPort }, follows });
  if (chosen === null) return 'drop';
  if (sameWords(destination, address) && chosen === port) return 'accept';
  if (tellThere(message, seen, contact, `${bracketed(destination)}:${chosen}`)) return 'accept';
  seen.unexpect();
  return 'drop';
}
