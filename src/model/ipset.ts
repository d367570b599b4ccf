/** Sets of ipset: what an `ipset save` file says, as data. */
import type { Position } from './errors.ts';
import type { Family, Words } from './ruleset.ts';

/** What an element of a set is made of. */
export type SetPart = 'ip' | 'net' | 'port' | 'mac' | 'mark' | 'iface';

/** Types by name; list:set has sets for elements. */
export const SET_TYPES: Readonly<Record<string, readonly SetPart[]>> = {
  'hash:ip': ['ip'],
  'hash:net': ['net'],
  'hash:mac': ['mac'],
  'hash:ip,port': ['ip', 'port'],
  'hash:ip,mark': ['ip', 'mark'],
  'hash:ip,mac': ['ip', 'mac'],
  'hash:net,port': ['net', 'port'],
  'hash:net,net': ['net', 'net'],
  'hash:ip,port,ip': ['ip', 'port', 'ip'],
  'hash:ip,port,net': ['ip', 'port', 'net'],
  'hash:net,port,net': ['net', 'port', 'net'],
  'hash:net,iface': ['net', 'iface'],
  'bitmap:ip': ['ip'],
  'bitmap:ip,mac': ['ip', 'mac'],
  'bitmap:port': ['port'],
};
export const LIST_TYPE = 'list:set';

/** Types whose sets have no family: they are asked about packets of both. */
export const FAMILYLESS: readonly string[] = ['hash:mac', 'bitmap:port', LIST_TYPE];

/**
 * One part of an element. ip, net: `words` is the (masked) address, `prefix` its length. port: `prefix` is the protocol (0 for bitmap:port), one word the port, or type and code. mac: two words,
 * the first with 16 bits; of bitmap:ip,mac `prefix` is MAC_UNKNOWN where the first packet will bring it. mark: one word. iface: the name in four words (interfaceWords), `prefix` is IFACE_*.
 */
export interface ElementPart {
  words: Words;
  prefix: number;
}

/** What SET --map-set gives packets: mark = (mark & ~mask) ^ info.mark; queueing class, queue. */
export interface SkbInfo {
  mark: number;
  mask: number;
  priority: number;
  queue: number;
}

/** What elements and members of lists have beside what they are. */
export interface SetExtras {
  /** Seconds left when the replay begins; 0: for ever. */
  timeout: number;
  packets: bigint;
  bytes: bigint;
  comment?: string;
  info?: SkbInfo;
}

export interface SetElement extends SetExtras {
  parts: readonly ElementPart[];
  nomatch: boolean;
}

/** A member of a list. */
export interface SetMember extends SetExtras {
  set: string;
}

export interface IpSet {
  name: string;
  /** A key of SET_TYPES, or LIST_TYPE. */
  type: string;
  /** null: any. */
  family: Family | null;
  /** Seconds that an element gets which is added without a timeout, 0 for ever; undefined: elements have none. */
  timeout?: number;
  counters: boolean;
  comments: boolean;
  skbinfo: boolean;
  /** Where the set is full, what packets add takes another's place. */
  forceadd: boolean;
  /** Room, of hash types. */
  maxelem: number;
  /** What packets have no part in, as it was given: `hashsize`, `bucketsize`, `initval`, of lists `size`. */
  sizes: Readonly<Record<string, number>>;
  /** Addresses are masked with it (netmask). */
  mask: Words | null;
  /** The mask was given as such (bitmask), not as a prefix. */
  bitmask: boolean;
  markmask: number;
  /** Of bitmaps: addresses or ports, both included. */
  range?: readonly [number, number];
  elements: SetElement[];
  members: SetMember[];
  position: Position;
}

/** Which set a rule asks, and for each part of an element whether the source's or the destination's. */
export interface SetUse {
  set: string;
  sides: readonly ('src' | 'dst')[];
}

/** What SET does to a set: adds what the packet has, or takes it out. */
export interface SetChange extends SetUse {
  deed: 'add' | 'del';
  /** What is there already gets a new life. */
  exist: boolean;
  /** Seconds, 0 for ever; undefined: the set's own. */
  timeout?: number;
}

/** How a number is compared with a counter. */
export interface CounterTest {
  how: 'eq' | 'ne' | 'lt' | 'gt';
  value: bigint;
}

/** What the match asks besides. */
export interface SetTest extends SetUse {
  /** `nomatch` elements match, and the others do not. */
  returnNomatch: boolean;
  /** What matches counts; of the sets in a list, too. */
  updates: boolean;
  subUpdates: boolean;
  packets?: CounterTest;
  bytes?: CounterTest;
}

/** The element takes the MAC of the first packet from its address. */
export const MAC_UNKNOWN = 1;

/** A port of a bridge; all names that begin so. */
export const IFACE_PHYSDEV = 1;
export const IFACE_WILDCARD = 2;
export const IFACE_ROOM = 16;

/** The name of a device, padded with zeros, as four big-endian words. */
export function interfaceWords(name: string): Words {
  const bytes = new Uint8Array(IFACE_ROOM);
  bytes.set(new TextEncoder().encode(name).subarray(0, IFACE_ROOM));
  const view = new DataView(bytes.buffer);
  return [0, 4, 8, 12].map((at) => view.getUint32(at));
}

export function interfaceName(words: Words): string {
  const bytes = words.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]);
  return new TextDecoder().decode(Uint8Array.from(bytes.filter((byte) => byte !== 0)));
}

/** The longest life an element can have, in seconds. */
export const MOST_TIMEOUT = 2147483;

/** Equal for elements that cannot both be in a set of the type. */
export const elementKey = (parts: readonly ElementPart[], type: string): string =>
  (type === 'bitmap:ip,mac' ? parts.slice(0, 1) : parts).map(({ words, prefix }) => `${words.join('.')}/${prefix}`).join(' ');
