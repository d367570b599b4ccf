/** Elements of sets as ipset reads them: `10.0.0.0/8,tcp:80,192.0.2.1`. */
import { maskAddress, parseAddress, prefixMask } from '../model/address.ts';
import {
  type ElementPart,
  IFACE_PHYSDEV,
  IFACE_ROOM,
  IFACE_WILDCARD,
  type IpSet,
  interfaceWords,
  MAC_UNKNOWN,
  SET_TYPES,
  type SetPart,
} from '../model/ipset.ts';
import { parseProtocol, serviceByName } from '../model/names.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { hasTypes, readType } from './ipset-icmp.ts';

/** Elements that one line may stand for. */
const MOST = 1 << 17;
const TCP = 6;
/** Protocols whose ports mean something. */
const WITH_PORTS: readonly number[] = [TCP, 17, 132, 136];

/** What is wrong with an element, in words: `wants an IPv4 address, got "x"`. */
export class ElementError extends Error {}

/** The parts of every element that `text` stands for: a range or a network of a part that takes single addresses is many. `wildcard`: of all devices whose names begin so. Throws ElementError. */
export function readElements(text: string, set: IpSet, wildcard = false): ElementPart[][] {
  const kinds = SET_TYPES[set.type]!;
  const words = text.split(',');
  if (set.type === 'bitmap:ip,mac') return [readBinding(words, set)];
  if (words.length !== kinds.length)
    throw new ElementError(`wants ${kinds.join(',')} (${kinds.length} parts) for ${set.type}, got ${words.length}`);
  let out: ElementPart[][] = [[]];
  for (const [i, kind] of kinds.entries()) {
    const parts = kind === 'iface' ? [readInterface(words[i]!, wildcard)] : readPart(kind, words[i]!, set);
    if (out.length * parts.length > MOST) throw new ElementError(`stands for more than ${MOST} elements`);
    out = out.flatMap((before) => parts.map((part) => [...before, part]));
  }
  return out;
}

/** An address, and its MAC if that is known. */
function readBinding([address = '', mac, ...more]: readonly string[], set: IpSet): ElementPart[] {
  const [binding, ...others] = readAddresses(address, set);
  if (more.length > 0 || others.length > 0) throw new ElementError('wants one address, or an address and a MAC');
  return [binding!, mac === undefined ? { words: [0, 0], prefix: MAC_UNKNOWN } : readMac(mac)];
}

function readInterface(text: string, wildcard: boolean): ElementPart {
  const [, port, name = ''] = /^(physdev:)?(.*)$/.exec(text)!;
  if (name === '' || new TextEncoder().encode(name).length >= IFACE_ROOM)
    throw new ElementError(`wants a device of up to ${IFACE_ROOM - 1} bytes, got "${name}"`);
  return {
    words: interfaceWords(name),
    prefix: (port === undefined ? 0 : IFACE_PHYSDEV) | (wildcard ? IFACE_WILDCARD : 0),
  };
}

function readMac(text: string): ElementPart {
  if (!/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(text)) throw new ElementError(`wants a MAC address, got "${text}"`);
  const bytes = text.split(':').map((byte) => Number.parseInt(byte, 16));
  const [a, b, c, d, e, f] = bytes as [number, number, number, number, number, number];
  return { words: [a * 256 + b, ((c * 256 + d) * 256 + e) * 256 + f], prefix: 0 };
}

function readPart(kind: Exclude<SetPart, 'iface'>, text: string, set: IpSet): ElementPart[] {
  switch (kind) {
    case 'ip':
      return readAddresses(text, set);
    case 'net':
      return [readNetwork(text, set)];
    case 'port':
      return readPorts(text, set);
    case 'mac': {
      const mac = readMac(text);
      if (mac.words.every((word) => word === 0)) throw new ElementError('wants a MAC address that is not zero');
      return [mac];
    }
    case 'mark': {
      const mark = parseUnsigned(text, 0xffffffff);
      if (mark === undefined) throw new ElementError(`wants a mark of 32 bits, got "${text}"`);
      return [{ words: [(mark & set.markmask) >>> 0], prefix: 0 }];
    }
  }
}

/** At most two words with `separator` between them; more are an error of the second. */
function pair(text: string, separator: string): [first: string, second: string | undefined] {
  const [first = '', second, ...more] = text.split(separator);
  if (more.length > 0) throw new ElementError(`cannot read "${[second, ...more].join(separator)}" behind "${first}${separator}"`);
  return [first, second];
}

const bitsOf = (family: Family): number => (family === 4 ? 32 : 128);

function readAddress(text: string, family: Family): Words {
  const address = parseAddress(text, family);
  if (address === undefined) throw new ElementError(`wants an IPv${family} address, got "${text}"`);
  return address;
}

/** Single addresses: one, those of a network, or a range. */
function readAddresses(text: string, set: IpSet): ElementPart[] {
  const family = set.family ?? 4;
  const [low, high] = rangeOf(text, family);
  if (family === 6) {
    if (low !== high) throw new ElementError(`wants one IPv6 address, got "${text}"`);
    return [addressPart(readAddress(text.replace(/\/128$/, ''), 6), set)];
  }
  if (high - low >= MOST) throw new ElementError(`stands for more than ${MOST} addresses`);
  const seen = new Set<number>();
  for (let address = low; address <= high; address++) seen.add((address & (set.mask?.[0] ?? ~0)) >>> 0);
  return [...seen].map((address) => addressPart([address], set));
}

function addressPart(address: Words, { mask, type, range, family }: IpSet): ElementPart {
  const words = mask === null ? address : maskAddress(address, mask);
  if ((type === 'hash:ip' || type === 'hash:ip,port') && words.every((word) => word === 0))
    throw new ElementError('the address must not be zero');
  if (range !== undefined && (address[0]! < range[0] || address[0]! > range[1]))
    throw new ElementError('lies outside the range of the set');
  return { words, prefix: bitsOf(family ?? 4) };
}

/** First and last address as numbers, of IPv4; of IPv6 only whether it is one. `least`: the shortest prefix. Throws ElementError. */
export function rangeOf(text: string, family: Family, least = 1): [low: number, high: number] {
  const [from, to] = pair(text, '-');
  const [host, bits] = pair(from, '/');
  if (family === 6) return [0, to === undefined && (bits === undefined || bits === '128') ? 0 : 1];
  const first = readAddress(host, 4)[0]!;
  if (to !== undefined) {
    if (bits !== undefined) throw new ElementError(`wants FROM-TO or ADDRESS/PREFIX, got "${text}"`);
    const last = readAddress(to, 4)[0]!;
    return first <= last ? [first, last] : [last, first];
  }
  if (bits === undefined) return [first, first];
  const prefix = parseUnsigned(bits, 32, least);
  if (prefix === undefined) throw new ElementError(`wants a prefix from ${least} to 32, got "${bits}"`);
  const base = (first & prefixMask(prefix, 4)[0]!) >>> 0;
  return [base, base + 2 ** (32 - prefix) - 1];
}

function readNetwork(text: string, { family, type }: IpSet): ElementPart {
  const least = type === 'hash:net,iface' ? 0 : 1;
  const of = family ?? 4;
  if (of === 4 && text.includes('-')) throw new ElementError(`wants ADDRESS/PREFIX; write the range "${text}" as networks`);
  const [host, bits] = pair(text, '/');
  const prefix = bits === undefined ? bitsOf(of) : parseUnsigned(bits, bitsOf(of), least);
  if (prefix === undefined) throw new ElementError(`wants a prefix from ${least} to ${bitsOf(of)}, got "${bits}"`);
  return { words: maskAddress(readAddress(host, of), prefixMask(prefix, of)), prefix };
}

/** Ports of a bitmap; or `[PROTOCOL:]PORT[-PORT]`, `icmp:TYPE/CODE` or a name, `PROTOCOL:0`. */
function readPorts(text: string, set: IpSet): ElementPart[] {
  const colon = text.indexOf(':');
  const bitmap = set.type === 'bitmap:port';
  const protocol = colon < 0 ? TCP : parseProtocol(text.slice(0, colon));
  if (protocol === undefined || protocol === 0) throw new ElementError(`wants a protocol, got "${text.slice(0, colon)}"`);
  const rest = text.slice(colon + 1);
  if (hasTypes(protocol)) {
    const type = readType(rest, protocol);
    if (type === undefined) throw new ElementError(`wants TYPE/CODE or a name, got "${rest}"`);
    return [{ words: [type], prefix: protocol }];
  }
  const [from, to = from] = pair(rest, '-');
  const port = (word: string): number => {
    const number = parseUnsigned(word, 0xffff) ?? serviceByName(word, protocol);
    if (number === undefined) throw new ElementError(`wants a port, got "${word}"`);
    return number;
  };
  const [low, high] = [port(from), port(to)].sort((a, b) => a - b) as [number, number];
  if (!bitmap && !WITH_PORTS.includes(protocol) && high !== 0)
    throw new ElementError(`this protocol has no ports: write ${text.slice(0, colon)}:0`);
  if (set.range !== undefined && (low < set.range[0] || high > set.range[1]))
    throw new ElementError('lies outside the range of the set');
  return Array.from({ length: high - low + 1 }, (_, i) => ({ words: [low + i], prefix: bitmap ? 0 : protocol }));
}
