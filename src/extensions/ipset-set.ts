/** One set of elements as the reference keeps it. Kernel: net/netfilter/ipset, ip_set_core.c, ip_set_hash_gen.h and ip_set_bitmap_gen.h. */
import { HOLES } from '../abi/sets.ts';
import { maskAddress, prefixMask } from '../model/address.ts';
import {
  type CounterTest,
  type ElementPart,
  elementKey,
  IFACE_PHYSDEV,
  IFACE_WILDCARD,
  type IpSet,
  interfaceName,
  MAC_UNKNOWN,
  MOST_TIMEOUT,
  SET_TYPES,
  type SetChange,
  type SetElement,
  type SetExtras,
  type SetTest,
  type SkbInfo,
} from '../model/ipset.ts';
import type { Family } from '../model/ruleset.ts';
import { sameWords } from '../packet/bytes.ts';

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
  /** bitmap:ip,mac, without a MAC so far: seconds that its life will have once there is one. */
  waits?: number;
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
  /** hash:net,iface: elements by their network, in the order in which they came. */
  readonly #networks = new Map<string, KeptElement[]>();
  /** Places there may be: as many as elements, and some holes. */
  readonly #room: number;
  /** Elements that are no holes. */
  #live = 0;
  /** No element's time is over before this; undefined: nobody looked yet, null: never. */
  #soonest: bigint | null | undefined;
  /** Where the first hole may be. */
  #firstHole = 0;
  /** Where a full set with `forceadd` gave a place away last. */
  #hand = -1;

  constructor(set: IpSet, start: bigint, hz: number) {
    this.set = set;
    this.#hz = BigInt(hz);
    this.#room = set.maxelem + (set.timeout === undefined ? 0 : HOLES);
    this.#prefixes = SET_TYPES[set.type]!.map(() => new Map<number, number>());
    for (const { parts, nomatch, comment, ...extras } of set.elements)
      this.#insert({ parts, nomatch, comment, ...this.#first(parts, extras, start, hz) });
  }

  /** An address without a MAC lives for ever, until it gets one. */
  #first(parts: readonly ElementPart[], extras: SetExtras, start: bigint, hz: number): Kept & Pick<KeptElement, 'waits'> {
    const kept = keep(extras, start, hz);
    return this.#waitsFor(parts) ? { ...kept, expires: null, waits: extras.timeout } : kept;
  }

  #waitsFor(parts: readonly ElementPart[]): boolean {
    return this.set.type === 'bitmap:ip,mac' && parts[1]!.prefix === MAC_UNKNOWN;
  }

  /** Looks for the packet's parts; those of networks are tried in every size that is there, the smallest networks first, the first part's before the second's. */
  test(parts: readonly ElementPart[], look: Look): Answer {
    const kinds = SET_TYPES[this.set.type]!;
    if (kinds[1] === 'iface') return this.#testInterface(parts, look);
    if (this.set.type === 'bitmap:ip,mac') return this.#testBinding(parts, look);
    const sizes = kinds.map((kind, i) => (kind === 'net' ? this.#sizes(i) : [undefined]));
    for (const choice of product(sizes)) {
      const wanted = parts.map((part, i) => (choice[i] === undefined ? part : shortened(part, choice[i])));
      const found = this.#elements.get(elementKey(wanted, this.set.type));
      if (found === undefined || found.hole === true || !counts(found, this.set, look)) continue;
      return found.nomatch ? 'nomatch' : 'match';
    }
    return 'miss';
  }

  /** Elements of one network are looked through in the order in which they came; where there are any, and none of them spoke, larger networks are not asked. */
  #testInterface(parts: readonly ElementPart[], look: Look): Answer {
    for (const size of this.#sizes(0)) {
      let met = false;
      for (const kept of this.#networks.get(elementKey([shortened(parts[0]!, size)], this.set.type)) ?? []) {
        if (kept.hole === true) continue;
        met = true;
        if (!isOf(kept.parts[1]!, parts[1]!)) continue;
        if (counts(kept, this.set, look)) return kept.nomatch ? 'nomatch' : 'match';
        met = false;
      }
      if (met) break;
    }
    return 'miss';
  }

  /** The first packet from an address brings the MAC that is not known yet, and its element begins anew. */
  #testBinding(parts: readonly ElementPart[], look: Look): Answer {
    const found = this.#find(parts);
    if (found === undefined) return 'miss';
    if (found.waits !== undefined) {
      this.#fill(found, parts, found.waits, look);
      return 'match';
    }
    return sameWords(found.parts[1]!.words, parts[1]!.words) && counts(found, this.set, look) ? 'match' : 'miss';
  }

  #fill(found: KeptElement, parts: readonly ElementPart[], seconds: number, moment: Moment): void {
    Object.assign(found, this.#fresh(seconds, moment), { parts, waits: undefined, comment: undefined });
  }

  /** The element that stands in the way of another with these parts. */
  #find(parts: readonly ElementPart[]): KeptElement | undefined {
    if (SET_TYPES[this.set.type]![1] !== 'iface') return this.#elements.get(elementKey(parts, this.set.type));
    const others = this.#networks.get(elementKey(parts.slice(0, 1), this.set.type)) ?? [];
    const live = others.find((kept) => kept.hole !== true && isOf(kept.parts[1]!, parts[1]!));
    return live ?? this.#elements.get(elementKey(parts, this.set.type));
  }

  /** What an element begins with that a packet brings. */
  #fresh(seconds: number, { length, now }: Moment): Kept {
    const expires = seconds === 0 ? null : now + BigInt(seconds) * this.#hz;
    if (this.#soonest !== undefined) this.#soonest = sooner(this.#soonest, expires);
    return { packets: 1n, bytes: BigInt(length), info: this.set.skbinfo ? NO_INFO : undefined, expires };
  }

  /** mtype_add of what a packet has: true when that element is new, or begins anew. */
  add(given: readonly ElementPart[], { exist, timeout }: SetChange, moment: Moment): boolean {
    const { now } = moment;
    const parts = this.#outermost(given);
    const { range } = this.set;
    if (range !== undefined && (parts[0]!.words[0]! < range[0] || parts[0]!.words[0]! > range[1])) return false;
    const full = this.#isFull();
    if (full) this.#collect(now);
    const seconds = this.set.timeout === undefined ? 0 : Math.min(timeout ?? this.set.timeout, MOST_TIMEOUT);
    const known = this.#find(parts);
    if (known?.waits !== undefined) {
      // A timeout that is the set's own is taken for none.
      this.#fill(known, parts, seconds === this.set.timeout ? known.waits : seconds, moment);
      return true;
    }
    const fresh = this.#fresh(seconds, moment);
    if (known?.hole === true) {
      this.#revive(known, fresh);
      return true;
    }
    if (known !== undefined) {
      if (!exist && !isOver(known, now)) return false;
      Object.assign(known, fresh, { nomatch: false }, range === undefined ? {} : { comment: undefined });
      if (exist && this.set.type === 'bitmap:ip,mac') known.parts = parts;
      return true;
    }
    if (full && this.#isFull() && !this.#makeRoom()) return false;
    this.#insert({ parts, nomatch: false, comment: undefined, ...fresh });
    return true;
  }

  /** mtype_del: true when that element was there. */
  del(given: readonly ElementPart[], { now }: Moment): boolean {
    const known = this.#find(this.#outermost(given));
    if (known === undefined || known.hole === true) return false;
    const over = isOver(known, now);
    if (!over || this.set.range !== undefined) this.#remove(known);
    return !over;
  }

  /** The elements whose time is not over, in no order. */
  left(now: bigint): SetElement[] {
    return [...this.#elements.values()]
      .filter((kept) => kept.hole !== true && !isOver(kept, now))
      .map(({ parts, nomatch, comment, waits, ...kept }) => ({
        parts,
        nomatch,
        ...leftOf(kept, comment, now, this.#hz),
        ...(waits === undefined ? {} : { timeout: waits }),
      }));
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
    if (this.#soonest !== undefined && !isOver({ expires: this.#soonest }, now)) return;
    this.#soonest = null;
    for (const kept of this.#elements.values()) {
      if (kept.hole === true) continue;
      if (isOver(kept, now)) {
        kept.hole = true;
        this.#firstHole = Math.min(this.#firstHole, kept.slot);
        this.#counted(kept, -1);
      } else this.#soonest = sooner(this.#soonest, kept.expires);
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
    const key = elementKey(element.parts, this.set.type);
    const kept = { ...element, slot };
    this.#slots[slot] = key;
    this.#elements.set(key, kept);
    if (SET_TYPES[this.set.type]![1] === 'iface') this.#group(element.parts).push(kept);
    this.#counted(element, 1);
  }

  #remove(kept: KeptElement): void {
    this.#release(kept);
    this.#counted(kept, -1);
  }

  /** The first hole is one no more. */
  #freeHole(): void {
    let kept: KeptElement | undefined;
    while (kept?.hole !== true && this.#firstHole < this.#slots.length)
      kept = this.#elements.get(this.#slots[this.#firstHole++] ?? '');
    if (kept?.hole === true) this.#release(kept);
  }

  #release(kept: KeptElement): void {
    const { parts, slot } = kept;
    this.#slots[slot] = undefined;
    this.#free.push(slot);
    this.#elements.delete(elementKey(parts, this.set.type));
    if (SET_TYPES[this.set.type]![1] === 'iface') {
      const group = this.#group(parts);
      group.splice(group.indexOf(kept), 1);
    }
  }

  #counted({ parts }: Pick<KeptElement, 'parts'>, more: number): void {
    this.#live += more;
    for (const [i, { prefix }] of parts.entries()) this.#count(i, prefix, more);
  }

  /** hash:net,iface: the elements of a network. */
  #group(parts: readonly ElementPart[]): KeptElement[] {
    const key = elementKey(parts.slice(0, 1), this.set.type);
    const known = this.#networks.get(key) ?? [];
    this.#networks.set(key, known);
    return known;
  }

  #count(part: number, prefix: number, more: number): void {
    const counts = this.#prefixes[part]!;
    const left = (counts.get(prefix) ?? 0) + more;
    if (left === 0) counts.delete(prefix);
    else counts.set(prefix, left);
  }
}

/** hash_netiface4_data_equal: the device of an element, or all that begin as it says; ports of bridges are no devices. */
export function isOf({ words, prefix }: ElementPart, wanted: ElementPart): boolean {
  if ((prefix & IFACE_PHYSDEV) !== (wanted.prefix & IFACE_PHYSDEV)) return false;
  const [name, other] = [interfaceName(words), interfaceName(wanted.words)];
  return (prefix & IFACE_WILDCARD) === 0 ? name === other : other.startsWith(name);
}

export const isOver = ({ expires }: Pick<Kept, 'expires'>, now: bigint): boolean => expires !== null && now > expires;

/** The sooner of two ends of life; null: never. */
function sooner(one: bigint | null, other: bigint | null): bigint | null {
  if (one === null || other === null) return one ?? other;
  return one < other ? one : other;
}

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
