/** Pass: sets of ipset as the region the engine looks in. Layout: abi/sets.ts. */
import * as abi from '../abi/sets.ts';
import { RuleError } from '../model/errors.ts';
import {
  type ElementPart,
  IFACE_PHYSDEV,
  IFACE_WILDCARD,
  type IpSet,
  interfaceName,
  LIST_TYPE,
  MAC_UNKNOWN,
  SET_TYPES,
  type SetElement,
  type SetExtras,
  type SetPart,
} from '../model/ipset.ts';
import type { InterfaceTable } from './interfaces.ts';

const PARTS: Readonly<Record<SetPart, number>> = {
  ip: abi.PART_IP,
  net: abi.PART_NET,
  port: abi.PART_PORT,
  mac: abi.PART_MAC,
  mark: abi.PART_MARK,
  iface: abi.PART_IFACE,
};
const WITHOUT_ZERO: readonly string[] = ['hash:ip', 'hash:ip,port'];
const ALL_ONES = 0xffffffff;
const MOST_PLACES = 1 << 18;
/** As much memory for what packets add as the engine is asked for at most. */
const MOST_BEHIND = 512 << 20;

type Interfaces = Pick<InterfaceTable, 'idOf' | 'range'>;

/** Names of sets that rules change, and that they add to. */
export interface ChangedSets {
  changed: ReadonlySet<string>;
  adds: ReadonlySet<string>;
}

/** Nothing for no sets. Throws RuleError where sets that rules add to take more memory than there may be. */
export function encodeSets(
  sets: readonly IpSet[],
  hz: number,
  { changed, adds }: ChangedSets,
  interfaces: Interfaces,
): Uint8Array {
  if (sets.length === 0) return new Uint8Array(0);
  const words = new WordList();
  words.put([sets.length, 0, 0, 0, ...new Array<number>((sets.length * abi.SET_HEADER_SIZE) / 4).fill(0)]);
  for (const [i, set] of sets.entries()) {
    const header = abi.SETS_FIRST + i * abi.SET_HEADER_SIZE;
    const entries =
      set.type === LIST_TYPE ? membersOf(set, sets, hz) : set.elements.map((element) => entryOf(set, element, hz, interfaces));
    const room = adds.has(set.name) ? Math.max(0, roomOf(set) + holesOf(set) - entries.length) : 0;
    writeSet(words, header, set, { entries, room, hz, changes: changed.has(set.name) });
  }
  placeRooms(words, sets);
  return words.bytes();
}

/** Places of elements that were taken away in their time. */
const holesOf = ({ range, timeout }: IpSet): number => (range === undefined && timeout !== undefined ? abi.HOLES : 0);

/** Elements a set can have: of a bitmap the addresses or ports of its range, or the networks. */
const roomOf = ({ range, maxelem, mask }: IpSet): number =>
  range === undefined ? maxelem : (range[1] - range[0] + 1) / ((~(mask?.[0] ?? ALL_ONES) >>> 0) + 1);

/** Behind everything else. */
function placeRooms(words: WordList, sets: readonly IpSet[]): void {
  words.align();
  const start = words.length * 4;
  let behind = 0;
  for (const [index, { name, position }] of sets.entries()) {
    const header = abi.SETS_FIRST + index * abi.SET_HEADER_SIZE;
    words.set(header + abi.SET_ADDED, [start + behind]);
    behind += words.get(header + abi.SET_ROOM) * abi.ENTRY_SIZE;
    if (behind > MOST_BEHIND)
      throw new RuleError(
        position,
        `the set "${name}", to which rules add, may grow to more memory than there is for sets (512 MiB)`,
        {
          kind: 'unsupported',
          hint: 'give it a smaller maxelem, or --engine reference',
        },
      );
  }
  words.set(abi.SETS_BEHIND, [behind]);
}

interface SetContent {
  entries: readonly number[][];
  /** Entries that packets may add. */
  room: number;
  hz: number;
  /** Rules change it. */
  changes: boolean;
}

function writeSet(words: WordList, header: number, set: IpSet, { entries, room, hz, changes }: SetContent): void {
  const kinds = SET_TYPES[set.type] ?? [];
  const parts = kinds.reduce((sum, kind, i) => sum | (PARTS[kind] << (4 * i)), kinds.length << 12);
  const features =
    (set.type === LIST_TYPE ? abi.SET_HAS_MEMBERS : 0) |
    (set.counters ? abi.SET_HAS_COUNTERS : 0) |
    (WITHOUT_ZERO.includes(set.type) ? abi.SET_HAS_NO_ZERO : 0) |
    (set.type === 'bitmap:port' ? abi.SET_HAS_BARE_PORTS : 0) |
    (set.timeout === undefined ? 0 : abi.SET_HAS_TIMEOUTS) |
    (set.forceadd ? abi.SET_HAS_FORCEADD : 0) |
    (set.skbinfo ? abi.SET_HAS_INFO : 0) |
    (set.range === undefined ? 0 : abi.SET_IS_BITMAP) |
    (kinds[1] === 'iface' ? abi.SET_HAS_IFACE : 0) |
    (set.type === 'bitmap:ip,mac' ? abi.SET_HAS_BINDINGS : 0) |
    (changes ? abi.SET_HAS_CHANGES : 0);
  const mask = [0, 1, 2, 3].map((i) => set.mask?.[i] ?? ALL_ONES);
  let places = 4;
  while (places < 2 * entries.length || (places < room && places < MOST_PLACES)) places *= 2;
  const table = new Array<number>(places).fill(0);
  const hashed = abi.ENTRY_KEY / 4 + (kinds[1] === 'iface' || set.type === 'bitmap:ip,mac' ? abi.PART_WORDS : abi.KEY_WORDS);
  // The last becomes the first of its place; where the order counts it is the other way round.
  const order = [...entries.keys()];
  for (const i of kinds[1] === 'iface' ? order.reverse() : order) {
    const entry = entries[i]!;
    const place = hashOf(entry.slice(abi.ENTRY_KEY / 4, hashed)) & (places - 1);
    entry[abi.ENTRY_NEXT / 4] = table[place]!;
    table[place] = i + 1;
  }
  const prefixes = networks(set).map((list) => words.put([list.length, ...list, ...(changes ? spare(list) : [])]));
  const counted = changes ? networkParts(set).map((part) => words.put(prefixCounts(set, part))) : [];
  const placesAt = words.put(table);
  // Entries hold numbers of eight bytes.
  words.align();
  const entriesAt = words.length * 4;
  for (const entry of entries) words.put(entry);
  words.set(header, [parts, set.family ?? 0, features, set.markmask, ...mask, places - 1, placesAt, entriesAt, entries.length]);
  words.set(header + abi.SET_PREFIXES, prefixes);
  words.set(header + abi.SET_ROOM, [room]);
  words.set(header + abi.SET_PREFIX_COUNTS, counted);
  words.set(header + abi.SET_TIMEOUT, [(set.timeout ?? 0) * hz, ...(set.range ?? [0, 0]), 0, entries.length, entries.length, 0]);
  words.set(header + abi.SET_MOST, [roomOf(set)]);
}

/** Room for all prefixes. */
const spare = (list: readonly number[]): number[] => new Array<number>(abi.PREFIX_COUNTS - list.length).fill(0);

function prefixCounts({ elements }: IpSet, part: number): number[] {
  const counts = new Array<number>(abi.PREFIX_COUNTS).fill(0);
  for (const { parts } of elements) counts[parts[part]!.prefix]!++;
  return counts;
}

const networkParts = ({ type }: IpSet): number[] => (SET_TYPES[type] ?? []).flatMap((kind, i) => (kind === 'net' ? [i] : []));

/** Prefixes of the first and of the last part that is a network, the longest first; without one the prefix that leaves addresses as they are. */
function networks(set: IpSet): number[][] {
  const nets = networkParts(set);
  return [nets[0], nets[1]].map((part) => {
    if (part === undefined) return [0];
    return [...new Set(set.elements.map(({ parts }) => parts[part]!.prefix))].sort((a, b) => b - a);
  });
}

function entryOf({ type }: IpSet, { parts, nomatch, ...extras }: SetElement, hz: number, interfaces: Interfaces): number[] {
  const kinds = SET_TYPES[type]!;
  const waiting = type === 'bitmap:ip,mac' && parts[1]!.prefix === MAC_UNKNOWN;
  const key = parts.flatMap((part, i) => {
    const { words, prefix } = kinds[i] === 'iface' ? interfacePart(part, interfaces) : waiting && i === 1 ? NO_MAC : part;
    return [...[0, 1, 2, 3].map((word) => words[word] ?? 0), prefix];
  });
  return entryWords(key, (nomatch ? abi.ENTRY_IS_NOMATCH : 0) | (waiting ? abi.ENTRY_IS_WAITING : 0), extras, hz);
}

const NO_MAC: ElementPart = { words: [0, 0], prefix: 0 };

function interfacePart({ words, prefix }: ElementPart, interfaces: Interfaces): ElementPart {
  const name = interfaceName(words);
  // A name that ends with + is one; only wildcards are patterns.
  const range = (prefix & IFACE_WILDCARD) === 0 ? [interfaces.idOf(name), interfaces.idOf(name)] : interfaces.range(`${name}+`);
  return { words: range, prefix: (prefix & IFACE_PHYSDEV) === 0 ? 0 : abi.IFACE_IS_PHYSDEV };
}

/** What sets say of devices, for the table of their names: names, and patterns of wildcards. */
export function interfacesOf(sets: readonly IpSet[]): { names: string[]; patterns: string[] } {
  const parts = sets
    .filter(({ type }) => type === 'hash:net,iface')
    .flatMap(({ elements }) => elements.map((element) => element.parts[1]!));
  const named = (wildcard: boolean): string[] =>
    parts.filter(({ prefix }) => ((prefix & IFACE_WILDCARD) !== 0) === wildcard).map(({ words }) => interfaceName(words));
  return { names: named(false), patterns: named(true).map((name) => `${name}+`) };
}

function membersOf({ members }: IpSet, sets: readonly IpSet[], hz: number): number[][] {
  return members.map(({ set, ...extras }) => entryWords([sets.findIndex(({ name }) => name === set)], 0, extras, hz));
}

function entryWords(key: readonly number[], flags: number, { timeout, packets, bytes, info }: SetExtras, hz: number): number[] {
  const numbers = [BigInt(timeout * hz), packets, bytes].flatMap((value) => [Number(value & 0xffffffffn), Number(value >> 32n)]);
  const out = [0, flags, ...numbers, ...key];
  const all = [...out, ...new Array<number>(abi.ENTRY_SIZE / 4 - out.length).fill(0)];
  all[abi.ENTRY_MARK / 4] = info?.mark ?? 0;
  all[abi.ENTRY_MARK_MASK / 4] = info?.mask ?? 0;
  return all;
}

/** Of the words of a key; its place is what the places' mask leaves of it. */
export function hashOf(key: readonly number[] | Uint32Array): number {
  let hash = 0;
  for (const word of key) hash = Math.imul(hash ^ word, abi.KEY_FACTOR);
  return hash ^ (hash >>> 15);
}

/** Words that grow. */
class WordList {
  #words = new Uint32Array(1 << 12);
  length = 0;

  /** Where they lie, in bytes. */
  put(words: readonly number[]): number {
    const at = this.length;
    if (at + words.length > this.#words.length) {
      const larger = new Uint32Array(Math.max(2 * this.#words.length, at + words.length));
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words.set(words, at);
    this.length += words.length;
    return at * 4;
  }

  align(): void {
    if (this.length % 2 === 1) this.put([0]);
  }

  set(at: number, words: readonly number[]): void {
    this.#words.set(words, at / 4);
  }

  get(at: number): number {
    return this.#words[at / 4]!;
  }

  bytes(): Uint8Array {
    this.align();
    return new Uint8Array(this.#words.buffer, 0, this.length * 4).slice();
  }
}
