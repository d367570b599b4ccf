/** Pass: sets of ipset as the region the engine looks in. Layout: abi/sets.ts. */
import * as abi from '../abi/sets.ts';
import { type IpSet, LIST_TYPE, SET_TYPES, type SetElement, type SetPart } from '../model/ipset.ts';

const PARTS: Readonly<Record<SetPart, number>> = {
  ip: abi.PART_IP,
  net: abi.PART_NET,
  port: abi.PART_PORT,
  mac: abi.PART_MAC,
  mark: abi.PART_MARK,
};
const WITHOUT_ZERO: readonly string[] = ['hash:ip', 'hash:ip,port'];
const ALL_ONES = 0xffffffff;

/** Nothing for no sets. */
export function encodeSets(sets: readonly IpSet[], hz: number): Uint8Array {
  if (sets.length === 0) return new Uint8Array(0);
  const words = new WordList();
  words.put([sets.length, 0, 0, 0, ...new Array<number>((sets.length * abi.SET_HEADER_SIZE) / 4).fill(0)]);
  for (const [i, set] of sets.entries()) {
    const header = abi.SETS_FIRST + i * abi.SET_HEADER_SIZE;
    const entries = set.type === LIST_TYPE ? membersOf(set, sets, hz) : set.elements.map((element) => entryOf(element, hz));
    writeSet(words, header, set, entries);
  }
  return words.bytes();
}

function writeSet(words: WordList, header: number, set: IpSet, entries: readonly number[][]): void {
  const kinds = SET_TYPES[set.type] ?? [];
  const parts = kinds.reduce((sum, kind, i) => sum | (PARTS[kind] << (4 * i)), kinds.length << 12);
  const features =
    (set.type === LIST_TYPE ? abi.SET_HAS_MEMBERS : 0) |
    (set.counters ? abi.SET_HAS_COUNTERS : 0) |
    (WITHOUT_ZERO.includes(set.type) ? abi.SET_HAS_NO_ZERO : 0) |
    (set.type === 'bitmap:port' ? abi.SET_HAS_BARE_PORTS : 0);
  const mask = [0, 1, 2, 3].map((i) => set.mask?.[i] ?? ALL_ONES);
  let places = 4;
  while (places < 2 * entries.length) places *= 2;
  const table = new Array<number>(places).fill(0);
  for (const [i, entry] of entries.entries()) {
    const place = hashOf(entry.slice(abi.ENTRY_KEY / 4, abi.ENTRY_KEY / 4 + abi.KEY_WORDS)) & (places - 1);
    entry[abi.ENTRY_NEXT / 4] = table[place]!;
    table[place] = i + 1;
  }
  const prefixes = networks(set).map((list) => words.put([list.length, ...list]));
  const placesAt = words.put(table);
  // Entries hold numbers of eight bytes.
  words.align();
  const entriesAt = words.length * 4;
  for (const entry of entries) words.put(entry);
  words.set(header, [parts, set.family ?? 0, features, set.markmask, ...mask, places - 1, placesAt, entriesAt, entries.length]);
  words.set(header + abi.SET_PREFIXES, prefixes);
}

/** Prefixes of the first and of the last part that is a network, the longest first; without one the prefix that leaves addresses as they are. */
function networks({ type, elements }: IpSet): number[][] {
  const nets = (SET_TYPES[type] ?? []).flatMap((kind, i) => (kind === 'net' ? [i] : []));
  return [nets[0], nets[1]].map((part) => {
    if (part === undefined) return [0];
    return [...new Set(elements.map(({ parts }) => parts[part]!.prefix))].sort((a, b) => b - a);
  });
}

function entryOf({ parts, nomatch, timeout, packets, bytes }: SetElement, hz: number): number[] {
  const key = parts.flatMap(({ words, prefix }) => [...[0, 1, 2, 3].map((i) => words[i] ?? 0), prefix]);
  return entryWords(key, nomatch, timeout * hz, packets, bytes);
}

function membersOf({ members }: IpSet, sets: readonly IpSet[], hz: number): number[][] {
  return members.map(({ set, timeout, packets, bytes }) =>
    entryWords([sets.findIndex(({ name }) => name === set)], false, timeout * hz, packets, bytes),
  );
}

function entryWords(key: readonly number[], nomatch: boolean, expires: number, packets: bigint, bytes: bigint): number[] {
  const numbers = [BigInt(expires), packets, bytes].flatMap((value) => [Number(value & 0xffffffffn), Number(value >> 32n)]);
  const out = [0, nomatch ? 1 : 0, ...numbers, ...key];
  return [...out, ...new Array<number>(abi.ENTRY_SIZE / 4 - out.length).fill(0)];
}

function hashOf(key: readonly number[]): number {
  const hash = key.reduce((sum, word) => Math.imul(sum ^ word, abi.KEY_FACTOR), 0);
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

  bytes(): Uint8Array {
    this.align();
    return new Uint8Array(this.#words.buffer, 0, this.length * 4).slice();
  }
}
