/** Checks the region of sets of an image: every offset and every number the engine can follow stays inside, and every search ends. */
import * as abi from '../abi/sets.ts';
import { hashOf } from '../compile/sets.ts';
import { ImageError } from './image-error.ts';
import { setsBehind } from './sets.ts';

/** What the program may ask of the sets: how many there are, and which are made to change. */
export interface CheckedSets {
  count: number;
  changes(set: number): boolean;
}

/** Throws ImageError. */
export function checkSets(region: Uint8Array): CheckedSets {
  if (region.length === 0) return { count: 0, changes: () => false };
  demand(region.length % 8 === 0 && region.length >= abi.SETS_FIRST, 'size');
  const words = new Uint32Array(region.slice().buffer);
  const count = words[0]!;
  demand(count <= (region.length - abi.SETS_FIRST) / abi.SET_HEADER_SIZE, 'more sets than there is room for');
  for (let set = 0; set < count; set++) new SetChecker(words, count, abi.SETS_FIRST + set * abi.SET_HEADER_SIZE).run();
  return { count, changes: (set) => new SetChecker(words, count, abi.SETS_FIRST + set * abi.SET_HEADER_SIZE).mayChange() };
}

class SetChecker {
  readonly #words: Uint32Array;
  readonly #sets: number;
  readonly #header: number;

  constructor(words: Uint32Array, sets: number, header: number) {
    this.#words = words;
    this.#sets = sets;
    this.#header = header;
  }

  /** All its members, of a list: the prefixes of every network part are counted. */
  mayChange(): boolean {
    if ((this.#field(abi.SET_FEATURES) & abi.SET_HAS_MEMBERS) !== 0) {
      const members = Array.from(
        { length: this.#field(abi.SET_COUNT) },
        (_, i) => this.#field(abi.SET_ENTRIES) + i * abi.ENTRY_SIZE,
      );
      return members.every((at) => {
        const header = abi.SETS_FIRST + this.#words[(at + abi.ENTRY_KEY) / 4]! * abi.SET_HEADER_SIZE;
        return new SetChecker(this.#words, this.#sets, header).mayChange();
      });
    }
    const parts = this.#field(abi.SET_PARTS);
    const nets = [0, 1, 2].filter((i) => ((parts >>> (4 * i)) & 15) === abi.PART_NET).length;
    return [0, 4].slice(0, nets).every((which) => this.#field(abi.SET_PREFIX_COUNTS + which) !== 0);
  }

  run(): void {
    const parts = this.#field(abi.SET_PARTS);
    demand(parts >>> 12 <= 3, 'parts');
    for (let i = 0; i < parts >>> 12; i++) {
      const kind = (parts >>> (4 * i)) & 15;
      demand(kind >= abi.PART_IP && kind <= abi.PART_IFACE, 'a part of an unknown kind');
    }
    for (const which of [0, 4]) this.#prefixes(this.#field(abi.SET_PREFIXES + which));
    const count = this.#field(abi.SET_COUNT);
    const entries = this.#field(abi.SET_ENTRIES);
    this.#inside(entries, count * abi.ENTRY_SIZE, 8);
    const places = this.#field(abi.SET_PLACE_MASK) + 1;
    demand(places > 0 && (places & (places - 1)) === 0, 'places');
    this.#inside(this.#field(abi.SET_PLACES), places * 4, 4);
    this.#changes(parts, count);
    for (let place = 0; place < places; place++) this.#number(this.#words[this.#field(abi.SET_PLACES) / 4 + place]!, count + 1);
    for (let number = 1; number <= count; number++) this.#entry(this.#at(number), number);
    this.#chains(places);
  }

  /** Every entry is in its place, and in no other. */
  #chains(places: number): void {
    const features = this.#field(abi.SET_FEATURES);
    const short = (features & (abi.SET_HAS_IFACE | abi.SET_HAS_BINDINGS)) !== 0;
    const hashed = short ? abi.PART_WORDS : abi.KEY_WORDS;
    let seen = 0;
    for (let place = 0; place < places; place++) {
      const first = this.#words[this.#field(abi.SET_PLACES) / 4 + place]!;
      for (let number = first; number !== 0; number = this.#words[this.#at(number) + abi.ENTRY_NEXT / 4]!) {
        const key = this.#at(number) + abi.ENTRY_KEY / 4;
        demand((hashOf(this.#words.subarray(key, key + hashed)) & (places - 1)) === place, 'an entry in another place');
        seen++;
      }
    }
    demand(seen === this.#field(abi.SET_COUNT), 'entries without a place');
  }

  /** The first word of an entry. */
  #at(number: number): number {
    return (this.#field(abi.SET_ENTRIES) + (number - 1) * abi.ENTRY_SIZE) / 4;
  }

  /** What a set needs that rules change. */
  #changes(parts: number, count: number): void {
    const room = this.#field(abi.SET_ROOM);
    const added = this.#field(abi.SET_ADDED);
    const end = this.#words.length * 4;
    demand(added % 8 === 0 && added >= end, 'room for more in the midst of others');
    demand(added + room * abi.ENTRY_SIZE <= end + setsBehind(this.#words), 'room for more outside');
    demand(room === 0 || this.#field(abi.SET_MOST) <= count + room, 'too little room');
    demand(this.#field(abi.SET_USED) === count && this.#field(abi.SET_LIVE) === count, 'entries in use');
    demand(this.#field(abi.SET_FREE) === 0 && this.#field(abi.SET_HAND) === 0, 'free entries');
    demand(
      [0, 4].every((half) => this.#field(abi.SET_EARLIEST + half) === 0),
      'a time before which none is over',
    );
    demand(this.#field(abi.SET_SOLID) === 0, 'holes');
    for (let i = 0, which = 0; i < parts >>> 12; i++) {
      if (((parts >>> (4 * i)) & 15) !== abi.PART_NET) continue;
      const counts = this.#field(abi.SET_PREFIX_COUNTS + which);
      if (counts !== 0) {
        this.#inside(counts, abi.PREFIX_COUNTS * 4, 4);
        this.#inside(this.#field(abi.SET_PREFIXES + which), 4 + abi.PREFIX_COUNTS * 4, 4);
        this.#counted(i, counts / 4, this.#field(abi.SET_PREFIXES + which) / 4);
      }
      which += 4;
    }
  }

  /** Chains lead to earlier entries, or to later ones where their order counts. */
  #entry(at: number, number: number): void {
    const next = this.#words[at + abi.ENTRY_NEXT / 4]!;
    const ordered = (this.#field(abi.SET_FEATURES) & abi.SET_HAS_IFACE) !== 0;
    if (ordered) demand(next === 0 || (next > number && next <= this.#field(abi.SET_COUNT)), 'an entry out of order');
    else this.#number(next, number);
    this.#prefixed(at);
    demand((this.#words[at + abi.ENTRY_FLAGS / 4]! & ~(abi.ENTRY_IS_NOMATCH | abi.ENTRY_IS_WAITING)) === 0, 'flags');
    if ((this.#field(abi.SET_FEATURES) & abi.SET_HAS_MEMBERS) === 0) return;
    const member = this.#words[at + abi.ENTRY_KEY / 4]!;
    demand(member < this.#sets, 'a member that does not exist');
    const features = abi.SETS_FIRST + member * abi.SET_HEADER_SIZE + abi.SET_FEATURES;
    demand((this.#words[features / 4]! & abi.SET_HAS_MEMBERS) === 0, 'a list in a list');
  }

  /** The counts of prefixes of a part are those of the entries, and the list is that of the prefixes there are. */
  #counted(part: number, counts: number, list: number): void {
    const found = new Uint32Array(abi.PREFIX_COUNTS);
    for (let number = 1; number <= this.#field(abi.SET_COUNT); number++) {
      const prefix = this.#words[this.#at(number) + abi.ENTRY_KEY / 4 + (part + 1) * abi.PART_WORDS - 1]!;
      demand(prefix < abi.PREFIX_COUNTS, 'a prefix');
      found[prefix]!++;
    }
    const there = [...found.keys()].filter((prefix) => found[prefix]! > 0).reverse();
    demand(
      found.every((number, prefix) => this.#words[counts + prefix] === number),
      'counts of prefixes',
    );
    demand(
      this.#words[list] === there.length && there.every((prefix, i) => this.#words[list + 1 + i] === prefix),
      'a list of prefixes',
    );
  }

  /** Prefixes of networks are counted. */
  #prefixed(at: number): void {
    const parts = this.#field(abi.SET_PARTS);
    for (let i = 0; i < parts >>> 12; i++)
      if (((parts >>> (4 * i)) & 15) === abi.PART_NET)
        demand(this.#words[at + abi.ENTRY_KEY / 4 + (i + 1) * abi.PART_WORDS - 1]! < abi.PREFIX_COUNTS, 'a prefix');
  }

  #prefixes(at: number): void {
    this.#inside(at, 4, 4);
    const count = this.#words[at / 4]!;
    demand(count <= 129, 'prefixes');
    this.#inside(at, 4 + 4 * count, 4);
    for (let i = 1; i <= count; i++) demand(this.#words[at / 4 + i]! <= 128, 'a prefix');
  }

  #number(number: number, end: number): void {
    demand(number < end, 'an entry that does not exist');
  }

  #field(offset: number): number {
    return this.#words[(this.#header + offset) / 4]!;
  }

  #inside(at: number, size: number, alignment: number): void {
    demand(at % alignment === 0 && at + size <= this.#words.length * 4, 'a part outside');
  }
}

function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new ImageError('sets', `sets: ${what}`);
}
