/** IRC: net/netfilter/nf_conntrack_irc.c of 6.18. A client tells another by DCC, over the server, where it waits for a connection. IPv4 only. */
import { ORIGINAL, REPLY } from '../connection.ts';
import { TCP } from '../tuple.ts';
import { anySource, expecting, type Helper, tcpData, tupleIn } from './helper.ts';
import { decimal, isDigit } from './text.ts';
import { expectTranslated, type Place } from './translated.ts';

/** As far as the kernel looks. */
const FAR = 4095;
const COMMANDS: readonly string[] = ['SEND ', 'CHAT ', 'MOVE ', 'TSEND ', 'SCHAT '];
/** The shortest message that counts, from its colon on. */
const SHORTEST = 26;
const BEGIN = '\u0001DCC ';

export const irc: Helper<null> = {
  name: 'irc',
  policy: { most: 8, seconds: 300 },
  remember: () => null,

  help(seen) {
    const { packet, direction, state } = seen;
    if (direction === REPLY || state !== 'ESTABLISHED') return 'accept';
    const data = tcpData(packet);
    if (data === null) return 'accept';
    const announced = findCommand(String.fromCharCode(...data.bytes.subarray(0, Math.min(data.length, FAR))));
    if (announced === null) return 'accept';
    const { address, port, place } = announced;
    const answers = tupleIn(seen, REPLY);
    const own = [tupleIn(seen, ORIGINAL).source[0], answers.destination[0]];
    // Forged, or of a network we know nothing of.
    if (!own.includes(address) || port === 0) return 'accept';
    const { destination } = answers;
    const source = destination.map(() => 0);
    const tuple = { protocol: TCP, source, sourcePort: 0, destination, destinationPort: port };
    const foreseen = { tuple, mask: anySource(source) };
    if (!seen.translated) return expecting(seen, foreseen);
    return expectTranslated(seen, foreseen, REPLY, place, (chosen) => `${destination[0]} ${chosen}`);
  },
};

interface Announced {
  address: number;
  port: number;
  /** Of both in the data. */
  place: Place;
}

/** Where the sender waits, as the first DCC command of the text says. */
function findCommand(text: string): Announced | null {
  let at = 0;
  while (at < text.length - 10 && ' \r\n'.includes(text[at]!)) at++;
  if (at < text.length - 10) {
    if (text.slice(at, at + 8).toUpperCase() !== 'PRIVMSG ') return null;
    at += 8;
  }
  for (;;) {
    const message = text.indexOf(' :', at);
    if (message < 0 || message >= text.length - SHORTEST) return null;
    at = message + 2;
    if (!text.startsWith(BEGIN, at)) return null;
    at += BEGIN.length;
    const begin = at;
    const command = COMMANDS.find((one) => text.startsWith(one, begin));
    // What nobody knows is passed over.
    if (command !== undefined) return readPlace(text, at + command.length);
  }
}

/** `file address port`, both decimal, up to an end of line: the file's name is what comes before the first blank. */
function readPlace(text: string, from: number): Announced | null {
  const blank = text.indexOf(' ', from);
  // At least 12 characters lie behind every character of the name.
  if (blank < 0 || blank > text.length - 12) return null;
  const at = blank + 1;
  if (!text.includes('\n', at)) return null;
  const line = Uint8Array.from(text.slice(at), (character) => character.charCodeAt(0));
  const address = digitsOf(line);
  let rest = line.subarray(address.length);
  while (rest[0] === 32) rest = rest.subarray(1);
  const port = digitsOf(rest);
  const length = line.length - rest.length + port.length;
  return { address: decimal(address), port: decimal(port) & 0xffff, place: { at, length } };
}

function digitsOf(text: Uint8Array): Uint8Array {
  const end = text.findIndex((byte) => !isDigit(byte));
  return end < 0 ? text : text.subarray(0, end);
}
