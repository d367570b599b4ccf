/** FTP (RFC 959, RFC 2428): net/netfilter/nf_conntrack_ftp.c of 6.18, with its parameter `loose` off. The client announces by PORT and EPRT where it will be called, the server by 227 and 229. */
import { formatAddress } from '../../../model/address.ts';
import type { Words } from '../../../model/ruleset.ts';
import { sameWords } from '../../../packet/bytes.ts';
import { halves } from '../../../packet/rewrite.ts';
import { type Direction, opposite } from '../connection.ts';
import { readAddress6 } from './address-text.ts';
import { expecting, type Helper, type Seen, tcpData, thisSource, tupleIn } from './helper.ts';
import { decimal, isDigit, readNumbers } from './text.ts';
import { expectTranslated } from './translated.ts';

/** Sequence numbers that follow the end of a line, of each direction: a command is looked for only there. */
interface Memory {
  lines: [number[], number[]];
}

/** How many are remembered. */
const LINES = 2;
const TCP = 6;

/** Where the sender can be reached, as it says; what it does not say is undefined. */
interface Announced {
  address?: readonly number[];
  port: number;
  /** How long the text of both is. */
  length: number;
}

interface Found extends Announced {
  /** Where that text begins in the data. */
  at: number;
  command: Command;
}

interface Command {
  word: string;
  /** What follows the word up to here is skipped; '' for nothing. */
  skip: string;
  /** null: not there, or not to the end. `at`: how far in the text it begins; 0 where it does not say. */
  read(text: Uint8Array, own: readonly number[]): (Announced & { at?: number }) | null;
  /** The same for the address and port that the other side sees. */
  tell(address: Words, port: number): string;
}

const COMMANDS: Readonly<Record<Direction, readonly Command[]>> = {
  0: [
    { word: 'PORT', skip: ' ', read: (text, own) => readSix(text, own, '\r'), tell: tellSix },
    { word: 'EPRT', skip: ' ', read: readExtendedPort, tell: tellExtended },
  ],
  1: [
    { word: '227 ', skip: '', read: readPassive, tell: tellSix },
    { word: '229 ', skip: '(', read: readExtendedPassive, tell: (_, port) => `|||${port}|` },
  ],
};

export const ftp: Helper<Memory> = {
  name: 'ftp',
  policy: { most: 1, seconds: 300 },
  remember: () => ({ lines: [[], []] }),

  help(seen) {
    const { packet, direction, state, memory } = seen;
    if (state !== 'ESTABLISHED') return 'accept';
    const data = tcpData(packet);
    if (data === null) return 'accept';
    const lines = memory.lines[direction];
    let verdict: 'accept' | 'drop' = 'accept';
    if (lines.includes(data.sequence)) {
      const found = findCommand(data.bytes, COMMANDS[direction], tupleIn(seen, direction).source);
      // A command that may go on in the next segment: only its being sent again, whole, helps.
      if (found === 'partial') return 'drop';
      if (found !== null) verdict = announce(found, seen);
    }
    if (data.bytes[data.length - 1] === 10) rememberLine(lines, (data.sequence + data.length) >>> 0);
    return verdict;
  },
};

/** update_nl_seq: what is known already changes nothing, what is older than all that is remembered is forgotten. */
function rememberLine(lines: number[], next: number): void {
  if (lines.includes(next)) return;
  if (lines.length < LINES) {
    lines.push(next);
    return;
  }
  const later = (a: number, b: number): boolean => ((a - b) | 0) > 0;
  const oldest = later(lines[1]!, lines[0]!) ? 0 : 1;
  if (later(next, lines[oldest]!)) lines[oldest] = next;
}

/** The first of the commands that stands at the begin of the data, or may: `partial`. */
function findCommand(data: Uint8Array, commands: readonly Command[], own: readonly number[]): Found | 'partial' | null {
  for (const command of commands) {
    const { word, skip, read } = command;
    const begin = String.fromCharCode(...data.subarray(0, word.length)).toUpperCase();
    if (!word.startsWith(begin)) continue;
    if (data.length <= word.length) return 'partial';
    let at = word.length;
    if (skip !== '') {
      const found = data.indexOf(skip.charCodeAt(0), at);
      if (found < 0) return 'partial';
      at = found + 1;
    }
    const announced = read(data.subarray(at), own);
    return announced === null ? 'partial' : { ...announced, at: at + (announced.at ?? 0), command };
  }
  return null;
}

/** Only who announces itself is believed. */
function announce({ address, port, at, length, command }: Found, seen: Seen<Memory>): 'accept' | 'drop' {
  const own = tupleIn(seen, seen.direction).source;
  if (address !== undefined && !sameWords(address, own)) return 'accept';
  const { source, destination } = tupleIn(seen, opposite(seen.direction));
  const tuple = { protocol: TCP, source, sourcePort: 0, destination, destinationPort: port };
  const foreseen = { tuple, mask: thisSource(source) };
  if (!seen.translated) return expecting(seen, foreseen);
  const tell = (chosen: number): string => command.tell(destination, chosen);
  return expectTranslated(seen, foreseen, opposite(seen.direction), { at, length }, tell);
}

/** Of an IPv6 address the first word. */
function tellSix([word = 0]: Words, port: number): string {
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255, port >> 8, port & 255].join();
}

/** IPv6 addresses are written whole. */
function tellExtended(address: Words, port: number): string {
  if (address.length === 1) return `|1|${formatAddress(address)}|${port}|`;
  const text = halves(address).map((half) => half.toString(16).padStart(4, '0'));
  return `|2|${text.join(':')}|${port}|`;
}

/** `h1,h2,h3,h4,p1,p2` up to `end` ('' for anything that is no part of a number). In IPv6 the address takes the place of the first word of the sender's own. */
function readSix(text: Uint8Array, own: readonly number[], end: string): Announced | null {
  const read = readNumbers(text, 6, ',', end);
  if (read === null) return null;
  const [a = 0, b = 0, c = 0, d = 0, high = 0, low = 0] = read.numbers;
  return { address: [quad(a, b, c, d), ...own.slice(1)], port: ((high << 8) | low) & 0xffff, length: read.length };
}

/** As shifts put them together, so that what is above 255 runs into its neighbour. */
const quad = (a: number, b: number, c: number, d: number): number => ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;

/** RFC 1123 4.1.2.6: parentheses or not, the address begins with the first digit. */
function readPassive(text: Uint8Array, own: readonly number[]): (Announced & { at: number }) | null {
  const at = text.findIndex(isDigit);
  const six = at < 0 ? null : readSix(text.subarray(at), own, '');
  return six === null ? null : { ...six, at };
}

/** `|1|132.235.1.2|6275|` or `|2|1080::8:800:200C:417A|5282|`; the delimiter may be any printable character but a digit. */
function readExtendedPort(text: Uint8Array, own: readonly number[]): Announced | null {
  const delimiter = delimiterOf(text);
  if (delimiter === null || text[2] !== delimiter) return null;
  const family = String.fromCharCode(text[1]!);
  if (family !== (own.length === 1 ? '1' : '2')) return null;
  const rest = text.subarray(3);
  let address: number[];
  let length: number;
  if (family === '1') {
    const read = readNumbers(rest, 4, '.', String.fromCharCode(delimiter));
    if (read === null) return null;
    const [a = 0, b = 0, c = 0, d = 0] = read.numbers;
    address = [quad(a, b, c, d)];
    length = read.length;
  } else {
    const read = readAddress6(rest, delimiter);
    if (read === null) return null;
    ({ address, length } = read);
  }
  const port = readPort(text, 3 + length + 1, delimiter);
  return port === null ? null : { address, ...port };
}

/** `|||6446|`. */
function readExtendedPassive(text: Uint8Array): Announced | null {
  const delimiter = delimiterOf(text);
  if (delimiter === null || text[1] !== delimiter || text[2] !== delimiter) return null;
  return readPort(text, 3, delimiter);
}

function delimiterOf(text: Uint8Array): number | null {
  if (text.length <= 3) return null;
  const delimiter = text[0]!;
  return isDigit(delimiter) || delimiter < 33 || delimiter > 126 ? null : delimiter;
}

/** Digits up to the delimiter, with which the text ends; 0 is no port. The number wraps at 16 bits. */
function readPort(text: Uint8Array, from: number, delimiter: number): Announced | null {
  for (let at = from; at < text.length; at++) {
    if (text[at] === delimiter) {
      const port = decimal(text.subarray(from, at)) & 0xffff;
      return port === 0 ? null : { port, length: at + 1 };
    }
    if (!isDigit(text[at]!)) return null;
  }
  return null;
}
