/** SIP and SDP as nf_conntrack_sip.c of 6.18 reads them: headers with continuation lines, addresses, ports, parameters. Characters are bytes; places are offsets in the text. */
import type { Family, Words } from '../../../model/ruleset.ts';
import { readAddress6 } from './address-text.ts';

export interface Place {
  at: number;
  length: number;
}

/** A header whose value is no good; the search goes on behind it. */
export interface Bad {
  bad: number;
}

/** What stands at a place, and how much of the text in front of it was skipped. 0: nothing. */
type Measure = (text: SipText, at: number) => { length: number; skipped?: number };

export interface Header {
  name: string;
  short?: string;
  /** What the value begins behind. */
  search?: string;
  measure: Measure;
}

const DEFAULT_PORT = 5060;
const LEAST_PORT = 1024;
const UINT_MAX = 0xffffffff;
const MOST_DIGITS = 11;

const isDigit = (one: string | undefined): boolean => one !== undefined && one >= '0' && one <= '9';
/** Letters of Latin-1, too. */
export const isAlpha = (one: string | undefined): boolean => one !== undefined && /[A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff]/.test(one);
const isBlank = (one: string | undefined): boolean => one === ' ' || one === '\t';
const isLineEnd = (one: string | undefined): boolean => one === '\r' || one === '\n';

/** The address and the port of a URI; `end`: behind it. */
export interface Uri extends Place {
  address: Words;
  port: number;
  end: number;
}

/** One message of a connection of that family. */
export class SipText {
  text: string;
  readonly family: Family;
  /** Where it begins in the data of its packet. */
  readonly offset: number;

  constructor(text: string, family: Family, offset: number) {
    this.text = text;
    this.family = family;
    this.offset = offset;
  }

  get end(): number {
    return this.text.length;
  }

  /** Other words in a place. Places behind it that were found before are not what they were. */
  put({ at, length }: Place, words: string): void {
    this.text = this.text.slice(0, at) + words + this.text.slice(at + length);
  }

  has(word: string, at: number): boolean {
    return this.text.slice(at, at + word.length).toLowerCase() === word.toLowerCase();
  }

  /** How many such characters there are from a place on. */
  run(at: number, fits: (one: string | undefined) => boolean): number {
    let end = at;
    while (end < this.end && fits(this.text[end])) end++;
    return end - at;
  }

  digits(at: number): number {
    return this.run(at, isDigit);
  }

  /** A number of 32 bits; larger ones are none (null). */
  number(at: number, limit = this.end): { value: number; end: number } | null {
    let value = 0;
    let place = at;
    for (; place < limit && isDigit(this.text[place]); place++) {
      if (place - at >= MOST_DIGITS) return null;
      value = value * 10 + Number(this.text[place]);
      if (value > UINT_MAX) return null;
    }
    return place === at ? null : { value, end: place };
  }

  /** An address. One of IPv6 stands in brackets in messages (sip_parse_addr), and never in session descriptions (sdp_parse_addr). */
  address(at: number, brackets: boolean): { address: Words; end: number } | null {
    if (this.family === 4) return this.#address4(at);
    if (brackets && this.text[at] !== '[') return null;
    const from = brackets ? at + 1 : at;
    const length = this.run(from, (one) => one !== undefined && /[0-9a-fA-F:.]/.test(one));
    const bytes = Uint8Array.from(this.text.slice(from, from + length), (one) => one.charCodeAt(0));
    const read = readAddress6(bytes, 0);
    if (read === null) return null;
    const end = from + read.length;
    if (!brackets) return { address: read.address, end };
    return this.text[end] === ']' && end < this.end ? { address: read.address, end: end + 1 } : null;
  }

  #address4(at: number): { address: Words; end: number } | null {
    const found = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?![\d.a-fA-F])/.exec(this.text.slice(at));
    if (found === null) return null;
    const parts = found.slice(1).map(Number);
    if (parts.some((part) => part > 255)) return null;
    return { address: [parts.reduce((word, part) => word * 256 + part, 0)], end: at + found[0].length };
  }

  /** `:port` or nothing, which is the port of SIP. */
  port(at: number): { port: number; end: number } | null {
    if (at >= this.end) return null;
    if (this.text[at] !== ':') return { port: DEFAULT_PORT, end: at };
    const length = this.digits(at + 1);
    const end = at + 1 + length;
    const port = Number(this.text.slice(at + 1, end));
    return length === 0 || length > 5 || end >= this.end || port < LEAST_PORT || port > 65535 ? null : { port, end };
  }

  /** What follows a line's end where the next line goes on with it; null where it does not. */
  #continued(at: number, limit: number): number | null {
    let place = at + 1;
    if (place >= limit) return null;
    if (this.text[place - 1] === '\r' && this.text[place] === '\n' && ++place >= limit) return null;
    if (!isBlank(this.text[place])) return null;
    while (place < limit && isBlank(this.text[place])) place++;
    return place;
  }

  #skipBlank(at: number): number | null {
    let place = at;
    while (place < this.end && isBlank(this.text[place])) place++;
    if (place < this.end && isLineEnd(this.text[place])) {
      const next = this.#continued(place, this.end);
      if (next === null) return null;
      place = next;
    }
    return place < this.end ? place : null;
  }

  /** A word in a header's value, continuation lines among it; one that ends with the text is not found. */
  search(at: number, word: string, end = this.end): number | null {
    const limit = end - word.length;
    for (let place = at; place < limit; place++) {
      if (isLineEnd(this.text[place])) {
        const next = this.#continued(place, limit);
        if (next === null) return null;
        place = next;
      } else if (this.has(word, place)) {
        return place;
      }
    }
    return null;
  }

  /** The next line from `from` on. null: there is none. */
  #nextLine(from: number): number | null {
    for (let place = from; place < this.end; place++) {
      if (!isLineEnd(this.text[place])) continue;
      if (++place >= this.end) return null;
      if (this.text[place - 1] === '\r' && this.text[place] === '\n' && ++place >= this.end) return null;
      return place;
    }
    return null;
  }

  /** The next header of that name behind `from`. null: there is none. */
  header(header: Header, from: number): Place | Bad | null {
    for (let line = this.#nextLine(from); line !== null; line = this.#nextLine(line + 1)) {
      const named = isBlank(this.text[line]) ? null : this.#named(header, line);
      if (named === null) continue;
      const colon = this.#skipBlank(named);
      if (colon === null || this.text[colon] !== ':' || colon + 1 >= this.end) return null;
      const value = this.#skipBlank(colon + 1);
      return value === null ? null : this.#value(header, value);
    }
    return null;
  }

  /** Where the header's name ends. */
  #named({ name, short }: Header, line: number): number | null {
    if (this.end - line >= name.length && this.has(name, line)) return line + name.length;
    if (short === undefined || this.end - line < short.length + 1 || !this.has(short, line)) return null;
    return isAlpha(this.text[line + short.length]) ? null : line + short.length;
  }

  #value({ search, measure }: Header, value: number): Place | Bad {
    const found = search === undefined ? value : this.search(value, search);
    if (found === null) return { bad: value };
    const at = found + (search?.length ?? 0);
    const { length, skipped = 0 } = measure(this, at);
    return length === 0 ? { bad: value } : { at: at + skipped, length };
  }

  /** The next of a list of values with commas between them. */
  nextInList({ search = '', measure }: Header, from: number): Place | Bad | null {
    const comma = this.search(from, ',');
    const found = comma === null ? null : this.search(comma, search);
    if (found === null) return null;
    const at = found + search.length;
    const { length, skipped = 0 } = measure(this, at);
    return length === 0 ? { bad: at } : { at: at + skipped, length };
  }

  /** The next URI of a header (ct_sip_parse_header_uri) behind `from`. `listed`: another one of the same header is looked for first. */
  uri(header: Header, from = 0, listed = false): Uri | 'bad' | null {
    let place = from;
    for (let inList = listed; ; ) {
      const found = inList ? this.nextInList(header, place) : this.header(header, place);
      if (found === null && !inList) return null;
      if (found === null) {
        inList = false;
      } else if ('bad' in found) {
        place = found.bad;
      } else {
        const address = this.address(found.at, true);
        const port = address === null ? null : this.port(address.end);
        return address === null || port === null ? 'bad' : { ...found, address: address.address, ...port };
      }
    }
  }

  /** The first value of a parameter behind `from`, before the next comma: where it begins, and where the values end. */
  parameter(name: string, from: number): { at: number; limit: number } | null {
    const limit = this.search(from, ',') ?? this.end;
    const found = this.search(from, name, limit);
    return found === null ? null : { at: found + name.length, limit };
  }

  /** A line of a session description, not behind the first one of `before`. */
  description({ name, search, measure }: Header, from: number, before?: string): Place | Bad | null {
    for (let line = this.#nextLine(from); line !== null; line = this.#nextLine(line + 1)) {
      if (before !== undefined && this.end - line >= before.length && this.has(before, line)) return null;
      if (this.end - line < name.length || !this.has(name, line)) continue;
      const value = line + name.length;
      const found = search === undefined ? value : this.#searchLine(value, search);
      if (found === null) return { bad: value };
      const at = found + (search?.length ?? 0);
      const { length } = measure(this, at);
      return length === 0 ? { bad: value } : { at, length };
    }
    return null;
  }

  /** The address in the first line of a request (ct_sip_parse_request). */
  requested(): Uri | null {
    const from = this.run(0, isAlpha) + 1;
    if (from === 1 || from >= this.end) return null;
    const scheme = this.#searchLine(from, 'sip:', true);
    if (scheme === null) return null;
    const at = scheme + 'sip:'.length;
    const { length, skipped = 0 } = uri(this, at);
    const address = length === 0 ? null : this.address(at + skipped, true);
    const port = address === null ? null : this.port(address.end);
    return address === null || port === null ? null : { at: at + skipped, length, address: address.address, ...port };
  }

  #searchLine(at: number, word: string, anyCase = false): number | null {
    for (let place = at; place < this.end - word.length && !isLineEnd(this.text[place]); place++)
      if (anyCase ? this.has(word, place) : this.text.startsWith(word, place)) return place;
    return null;
  }
}

const digits: Measure = (text, at) => ({ length: text.digits(at) });

function uriLength(text: SipText, at: number): number {
  const address = text.address(at, true);
  const port = address === null ? null : text.port(address.end);
  return port === null ? 0 : port.end - at;
}

/** Behind the user, if there is one. */
const uri: Measure = (text, at) => {
  const user = text.run(at, (one) => one !== '@' && !isLineEnd(one));
  const skipped = text.text[at + user] === '@' && at + user < text.end ? user + 1 : 0;
  return { length: uriLength(text, at + skipped), skipped };
};

export const CSEQ: Header = { name: 'CSeq', measure: digits };
export const CONTACT: Header = { name: 'Contact', short: 'm', search: 'sip:', measure: uri };
export const FROM: Header = { name: 'From', short: 'f', search: 'sip:', measure: uri };
export const TO: Header = { name: 'To', short: 't', search: 'sip:', measure: uri };
const via = (protocol: string): Header => ({
  name: 'Via',
  short: 'v',
  search: `${protocol} `,
  measure: (text, at) => ({ length: uriLength(text, at) }),
});
export const VIA_UDP = via('UDP');
export const VIA_TCP = via('TCP');
export const EXPIRES: Header = { name: 'Expires', measure: digits };
export const CONTENT_LENGTH: Header = { name: 'Content-Length', short: 'l', measure: digits };

export const VERSION: Header = { name: 'v=', measure: digits };
export const MEDIA: Header = {
  name: 'm=',
  measure: (text, at) => {
    const type = text.run(at, isAlpha);
    if (text.text[at + type] !== ' ' || at + type >= text.end) return { length: 0 };
    return { length: type + 1 + text.digits(at + type + 1) };
  },
};
export const connectionLine = (family: Family): Header => addressLine('c=', family);
export const ownerLine = (family: Family): Header => addressLine('o=', family);

const addressLine = (name: string, family: Family): Header => ({
  name,
  search: `IN IP${family} `,
  measure: (text, at) => ({ length: (text.address(at, false)?.end ?? at) - at }),
});
