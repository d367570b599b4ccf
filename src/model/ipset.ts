/** Sets of ipset: what an `ipset save` file says, as data. */
import type { Position } from './errors.ts';
import type { Family, Words } from './ruleset.ts';

/** What an element of a set is made of. */
export type SetPart = 'ip' | 'net' | 'port' | 'mac' | 'mark';

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
  'bitmap:ip': ['ip'],
  'bitmap:port': ['port'],
};
export const LIST_TYPE = 'list:set';

/** Types whose sets have no family: they are asked about packets of both. */
export const FAMILYLESS: readonly string[] = ['hash:mac', 'bitmap:port', LIST_TYPE];

/**
 * One part of an element. ip, net: `words` is the (masked) address, `prefix` its length. port: `prefix` is the protocol (0 for bitmap:port), one word the port, or type and code. mac: two words,
 * the first with 16 bits. mark: one word.
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

/** The longest life an element can have, in seconds. */
export const MOST_TIMEOUT = 2147483;

/** Equal for equal elements. */
export const elementKey = (parts: readonly ElementPart[]): string =>
  parts.map(({ words, prefix }) => `${words.join('.')}/${prefix}`).join(' ');
