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

export interface SetElement {
  parts: readonly ElementPart[];
  nomatch: boolean;
  /** Seconds left when the replay begins; 0: for ever. */
  timeout: number;
  packets: bigint;
  bytes: bigint;
  comment?: string;
}

/** A member of a list. */
export interface SetMember {
  set: string;
  timeout: number;
  packets: bigint;
  bytes: bigint;
  comment?: string;
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
  /** Room, of hash types. */
  maxelem: number;
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

/** Equal for equal elements. */
export const elementKey = (parts: readonly ElementPart[]): string =>
  parts.map(({ words, prefix }) => `${words.join('.')}/${prefix}`).join(' ');
