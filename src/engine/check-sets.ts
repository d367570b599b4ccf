/** Checks the region of sets of an image: every offset and every number the engine can follow stays inside, and every search ends. */
import * as abi from '../abi/sets.ts';
import { ImageError } from './image-error.ts';

/** The number of sets. Throws ImageError. */
export function checkSets(region: Uint8Array): number {
  if (region.length === 0) return 0;
  demand(region.length % 8 === 0 && region.length >= abi.SETS_FIRST, 'size');
  const words = new Uint32Array(region.slice().buffer);
  const count = words[0]!;
  demand(count <= (region.length - abi.SETS_FIRST) / abi.SET_HEADER_SIZE, 'more sets than there is room for');
  for (let set = 0; set < count; set++) new SetChecker(words, count, abi.SETS_FIRST + set * abi.SET_HEADER_SIZE).run();
  return count;
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

  run(): void {
    const parts = this.#field(abi.SET_PARTS);
    demand(parts >>> 12 <= 3, 'parts');
    for (let i = 0; i < parts >>> 12; i++) {
      const kind = (parts >>> (4 * i)) & 15;
      demand(kind >= abi.PART_IP && kind <= abi.PART_MARK, 'a part of an unknown kind');
    }
    for (const which of [0, 4]) this.#prefixes(this.#field(abi.SET_PREFIXES + which));
    const count = this.#field(abi.SET_COUNT);
    const entries = this.#field(abi.SET_ENTRIES);
    this.#inside(entries, count * abi.ENTRY_SIZE, 8);
    const places = this.#field(abi.SET_PLACE_MASK) + 1;
    demand(places > 0 && (places & (places - 1)) === 0, 'places');
    this.#inside(this.#field(abi.SET_PLACES), places * 4, 4);
    for (let place = 0; place < places; place++) this.#number(this.#words[this.#field(abi.SET_PLACES) / 4 + place]!, count + 1);
    for (let number = 1; number <= count; number++) this.#entry(entries / 4 + ((number - 1) * abi.ENTRY_SIZE) / 4, number);
  }

  /** Chains lead to earlier entries. */
  #entry(at: number, number: number): void {
    this.#number(this.#words[at + abi.ENTRY_NEXT / 4]!, number);
    if ((this.#field(abi.SET_FEATURES) & abi.SET_HAS_MEMBERS) === 0) return;
    const member = this.#words[at + abi.ENTRY_KEY / 4]!;
    demand(member < this.#sets, 'a member that does not exist');
    const features = abi.SETS_FIRST + member * abi.SET_HEADER_SIZE + abi.SET_FEATURES;
    demand((this.#words[features / 4]! & abi.SET_HAS_MEMBERS) === 0, 'a list in a list');
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
