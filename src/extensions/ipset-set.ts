/** One set of elements as the reference keeps it. Kernel: net/netfilter/ipset, ip_set_core.c, ip_set_hash_gen.h and ip_set_bitmap_gen.h. */
import { HOLES } from '../abi/sets.ts';
import { maskAddress, prefixMask } from '../model/address.ts';
import {
  type CounterTest,
  type ElementPart,
  elementKey,
  type IpSet,
  MOST_TIMEOUT,
  SET_TYPES,
  type SetChange,
  type SetElement,
  type SetExtras,
  type SetTest,
  type SkbInfo,
} from '../model/ipset.ts';
import type { Family } from '../model/ruleset.ts';

/** What is kept of an element or of a member of a list while packets come. */
export interface Kept {
  /** Jiffies; null: for ever. */
  expires: bigint | null;
  packets: bigint;
  bytes: bigint;
  info: SkbInfo | undefined;
}

/** One question of a packet: what is asked, the packet's length, the time in jiffies, and what the elements that were looked at say of its mark. */
export interface Look {
  asked: SetTest;
  length: number;
  now: bigint;
  info: SkbInfo | undefined;
}

/** A packet that changes a set: its length, the time in jiffies. */
export interface Moment {
  length: number;
  now: bigint;
}

interface KeptElement extends Kept {
  parts: readonly ElementPart[];
  nomatch: boolean;
  comment: string | undefined;
  slot: number;
  /** It was taken away when its time was over, and its place is still its own: it may come back to a set that is full. */
  hole?: boolean;
}

/** What testing a set says: `nomatch` is an element that speaks against it. */
export type Answer = 'match' | 'nomatch' | 'miss';

const BITS: Record<Family, number> = { 4: 32, 6: 128 };
const NO_INFO: SkbInfo = { mark: 0, mask: 0, priority: 0, queue: 0 };

export class ElementSet {
  readonly set: IpSet;
  readonly #hz: bigint;
  readonly #elements = new Map<string, KeptElement>();
  /** Of every part, how many elements have each prefix: those whose time is over, too, as long as nobody took them away. */
  readonly #prefixes: Map<number, number>[];
  /** Keys of the elements. The kernel's places are those of a hash with a secret key; which one gives way to another is of no matter but for `forceadd`. */
  readonly #slots: (string | undefined)[] = [];
  readonly #free: number[] = [];
  /** Places there may be: as many as elements, and some holes. */
  readonly #room: number;
  /** Elements that are no holes. */
  #live = 0;
  /** Where a full set with `forceadd` gave a place away last. */
  #hand = -1;

  constructor(set: IpSet, start: bigint, hz: number) {
    this.set = set;
    this.#hz = BigInt(hz);
    this.#room = set.maxelem + (set.timeout === undefined ? 0 : HOLES);
    this.#prefixes = SET_TYPES[set.type]!.map(() => new Map<number, number>());
    for (const { parts, nomatch, comment, ...extras } of set.elements)
      this.#insert({ parts, nomatch, comment, ...keep(extras, start, hz) });
  }

  /** Looks for the packet's parts; those of networks are tried in every size that is there, the smallest networks first, the first part's before the second's. */
  test(parts: readonly ElementPart[], look: Look): Answer {
    const kinds = SET_TYPES[this.set.type]!;
    const sizes = kinds.map((kind, i) => (kind === 'net' ? this.#sizes(i) : [undefined]));
    for (const choice of product(sizes)) {
      const wanted = parts.map((part, i) => (choice[i] === undefined ? part : shortened(part, choice[i])));
      const found = this.#elements.get(elementKey(wanted));
      if (found === undefined || found.hole === true || !counts(found, this.set, look)) continue;
      return found.nomatch ? 'nomatch' : 'match';
    }
    return 'miss';
  }

  /** mtype_add of what a packet has: true when that element is new, or begins anew. */
  add(given: readonly ElementPart[], { exist, timeout }: SetChange, { length, now }: Moment): boolean {
    const parts = this.#outermost(given);
    const { range } = this.set;
    if (range !== undefined && (parts[0]!.words[0]! < range[0] || parts[0]!.words[0]! > range[1])) return false;
    const full = this.#isFull();
    if (full) this.#collect(now);
    const seconds = this.set.timeout === undefined ? 0 : Math.min(timeout ?? this.set.timeout, MOST_TIMEOUT);
    const fresh: Kept = {
      packets: 1n,
      bytes: BigInt(length),
      info: this.set.skbinfo ? NO_INFO : undefined,
      expires: seconds === 0 ? null : now + BigInt(seconds) * this.#hz,
    };
    const known = this.#elements.get(elementKey(parts));
    if (known?.hole === true) {
      this.#revive(known, fresh);
      return true;
    }
    if (known !== undefined) {
      if (!exist && !isOver(known, now)) return false;
      Object.assign(known, fresh, { nomatch: false }, range === undefined ? {} : { comment: undefined });
      return true;
    }
    if (full && this.#isFull() && !this.#makeRoom()) return false;
    this.#insert({ parts, nomatch: false, comment: undefined, ...fresh });
    return true;
  }

  /** mtype_del: true when that element was there. */
  del(given: readonly ElementPart[], { now }: Moment): boolean {
    const parts = this.#outermost(given);
    const known = this.#elements.get(elementKey(parts));
    if (known === undefined || known.hole === true) return false;
    const over = isOver(known, now);
    if (!over || this.set.range !== undefined) this.#remove(known);
    return !over;
  }

  /** The elements whose time is not over, in no order. */
  left(now: bigint): SetElement[] {
    return [...this.#elements.values()]
      .filter((kept) => kept.hole !== true && !isOver(kept, now))
      .map(({ parts, nomatch, comment, ...kept }) => ({ parts, nomatch, ...leftOf(kept, comment, now, this.#hz) }));
  }

  /** Of networks what packets add and take out has the longest prefix that elements have; all bits where there are none. */
  #outermost(parts: readonly ElementPart[]): ElementPart[] {
    const kinds = SET_TYPES[this.set.type]!;
    return parts.map((part, i) => {
      const [longest] = kinds[i] === 'net' ? this.#sizes(i) : [];
      return longest === undefined ? part : shortened(part, longest);
    });
  }

  /** Prefixes of elements, the longest first. */
  #sizes(part: number): number[] {
    return [...this.#prefixes[part]!.keys()].sort((a, b) => b - a);
  }

  #isFull(): boolean {
    return this.set.range === undefined && this.#live >= this.set.maxelem;
  }

  /** What the kernel does where a set is full: elements whose time is over go, and leave holes. */
  #collect(now: bigint): void {
    for (const kept of this.#elements.values()) {
      if (kept.hole === true || !isOver(kept, now)) continue;
      kept.hole = true;
      this.#counted(kept, -1);
    }
  }

  #revive(kept: KeptElement, fresh: Kept): void {
    Object.assign(kept, fresh, { hole: false, nomatch: false, comment: undefined });
    this.#counted(kept, 1);
  }

  /** One element goes, where the set says so: the places take turns. */
  #makeRoom(): boolean {
    if (!this.set.forceadd || this.#live === 0) return false;
    for (;;) {
      this.#hand = (this.#hand + 1) % this.#slots.length;
      const key = this.#slots[this.#hand];
      const kept = key === undefined ? undefined : this.#elements.get(key);
      if (kept === undefined || kept.hole === true) continue;
      this.#remove(kept);
      return true;
    }
  }

  #insert(element: Omit<KeptElement, 'slot'>): void {
    if (this.#free.length === 0 && this.#slots.length === this.#room) this.#freeHole();
    const slot = this.#free.pop() ?? this.#slots.length;
    const key = elementKey(element.parts);
    this.#slots[slot] = key;
    this.#elements.set(key, { ...element, slot });
    this.#counted(element, 1);
  }

  #remove(kept: KeptElement): void {
    this.#release(kept);
    this.#counted(kept, -1);
  }

  /** The first hole is one no more. */
  #freeHole(): void {
    const key = this.#slots.find((one) => one !== undefined && this.#elements.get(one)?.hole === true);
    if (key !== undefined) this.#release(this.#elements.get(key)!);
  }

  #release({ parts, slot }: KeptElement): void {
    this.#slots[slot] = undefined;
    this.#free.push(slot);
    this.#elements.delete(elementKey(parts));
  }

  #counted({ parts }: Pick<KeptElement, 'parts'>, more: number): void {
    this.#live += more;
    for (const [i, { prefix }] of parts.entries()) this.#count(i, prefix, more);
  }

  #count(part: number, prefix: number, more: number): void {
    const counts = this.#prefixes[part]!;
    const left = (counts.get(prefix) ?? 0) + more;
    if (left === 0) counts.delete(prefix);
    else counts.set(prefix, left);
  }
}

export const isOver = ({ expires }: Kept, now: bigint): boolean => expires !== null && now > expires;

/** ip_set_match_extensions: expired ones are not there; what is looked at counts, and then its counters decide. */
export function counts(kept: Kept, { counters, skbinfo }: IpSet, look: Look): boolean {
  const { updates, packets, bytes } = look.asked;
  if (isOver(kept, look.now)) return false;
  if (counters) {
    if (updates) {
      kept.packets += 1n;
      kept.bytes += BigInt(look.length);
    }
    if (!holds(packets, kept.packets) || !holds(bytes, kept.bytes)) return false;
  }
  if (skbinfo) look.info = kept.info ?? NO_INFO;
  return true;
}

function holds(test: CounterTest | undefined, counter: bigint): boolean {
  switch (test?.how) {
    case 'eq':
      return counter === test.value;
    case 'ne':
      return counter !== test.value;
    case 'lt':
      return counter < test.value;
    case 'gt':
      return counter > test.value;
    default:
      return true;
  }
}

export const keep = ({ packets, bytes, info, timeout }: SetExtras, start: bigint, hz: number): Kept => ({
  packets,
  bytes,
  info,
  expires: timeout === 0 ? null : start + BigInt(timeout * hz),
});

/** As a file would say it at this moment: whole seconds, and one where there is less. */
export const leftOf = (
  { packets, bytes, info, expires }: Kept,
  comment: string | undefined,
  now: bigint,
  hz: bigint,
): SetExtras => ({
  packets,
  bytes,
  timeout: expires === null ? 0 : Math.max(1, Number((expires - now) / hz)),
  ...(comment === undefined ? {} : { comment }),
  ...(info === undefined ? {} : { info }),
});

function shortened({ words }: ElementPart, prefix: number): ElementPart {
  const family = words.length === 1 ? 4 : 6;
  return { words: maskAddress(words, prefixMask(Math.min(prefix, BITS[family]), family)), prefix };
}

/** Every choice of one of each, the first list's changing least. */
function product<T>(lists: readonly (readonly T[])[]): T[][] {
  return lists.reduce<T[][]>((before, list) => before.flatMap((one) => list.map((each) => [...one, each])), [[]]);
}
