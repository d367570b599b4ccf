/** Sets of ipset as the reference keeps them. Kernel: net/netfilter/ipset, ip_set_core.c, ip_set_hash_gen.h, ip_set_bitmap_gen.h and ip_set_list_set.c. */
import { maskAddress, prefixMask } from '../model/address.ts';
import {
  type CounterTest,
  type ElementPart,
  elementKey,
  type IpSet,
  LIST_TYPE,
  SET_TYPES,
  type SetElement,
  type SetMember,
  type SetTest,
  type SetUse,
} from '../model/ipset.ts';
import type { Family } from '../model/ruleset.ts';
import type { PacketView } from '../packet/view.ts';
import { partOf } from './ipset-packet.ts';

/** What is kept of an element or of a member of a list while packets come. */
interface Kept {
  /** Jiffies; null: for ever. */
  expires: bigint | null;
  packets: bigint;
  bytes: bigint;
}

interface KeptElement extends Kept {
  element: SetElement;
}

interface KeptMember extends Kept {
  member: SetMember;
}

/** What testing a set says: `nomatch` is an element that speaks against it. */
type Answer = 'match' | 'nomatch' | 'miss';

const BITS: Record<Family, number> = { 4: 32, 6: 128 };

/** One set of elements. */
class ElementSet {
  readonly set: IpSet;
  readonly #elements = new Map<string, KeptElement>();

  constructor(set: IpSet, start: bigint, hz: number) {
    this.set = set;
    for (const element of set.elements) {
      const { packets, bytes, timeout } = element;
      this.#elements.set(elementKey(element.parts), { element, packets, bytes, expires: expiry(timeout, start, hz) });
    }
  }

  /** Looks for the packet's parts; those of networks are tried in every size that is there, the smallest networks first, the first part's before the second's. */
  test(parts: readonly ElementPart[], asked: SetTest, length: number, now: bigint): Answer {
    const kinds = SET_TYPES[this.set.type]!;
    const sizes = kinds.map((kind, i) => (kind === 'net' ? this.#sizes(i) : [undefined]));
    for (const choice of product(sizes)) {
      const wanted = parts.map((part, i) => (choice[i] === undefined ? part : shortened(part, choice[i])));
      const found = this.#elements.get(elementKey(wanted));
      if (found === undefined || !counts(found, this.set.counters, asked, length, now)) continue;
      return found.element.nomatch ? 'nomatch' : 'match';
    }
    return 'miss';
  }

  /** Prefixes of elements, expired ones too, the longest first. */
  #sizes(part: number): number[] {
    const all = new Set([...this.#elements.values()].map(({ element }) => element.parts[part]!.prefix));
    return [...all].sort((a, b) => b - a);
  }
}

/** All sets of a job. Timeouts run from `start` on. */
export class IpSets {
  readonly #sets = new Map<string, ElementSet>();
  readonly #lists = new Map<string, { set: IpSet; members: KeptMember[] }>();

  constructor(sets: readonly IpSet[], start: bigint, hz: number) {
    for (const set of sets) {
      if (set.type !== LIST_TYPE) {
        this.#sets.set(set.name, new ElementSet(set, start, hz));
        continue;
      }
      const members = set.members.map((member) => {
        const { packets, bytes, timeout } = member;
        return { member, packets, bytes, expires: expiry(timeout, start, hz) };
      });
      this.#lists.set(set.name, { set, members });
    }
  }

  /** ip_set_test. `now`: jiffies. */
  test(asked: SetTest, packet: PacketView, now: bigint): boolean {
    const list = this.#lists.get(asked.set);
    if (list === undefined) return this.#testSet(asked.set, asked, packet, now);
    const { packets: _packets, bytes: _bytes, ...plain } = asked;
    const sub = { ...plain, updates: asked.updates && asked.subUpdates };
    for (const kept of list.members) {
      if (!this.#testSet(kept.member.set, sub, packet, now)) continue;
      if (counts(kept, list.set.counters, asked, packet.length, now)) return true;
    }
    return false;
  }

  #testSet(name: string, asked: SetTest, packet: PacketView, now: bigint): boolean {
    const table = this.#sets.get(name)!;
    const parts = partsOf(table.set, asked, packet);
    if (parts === undefined) return false;
    const answer = table.test(parts, asked, packet.length, now);
    const takesNomatch = SET_TYPES[table.set.type]!.includes('net');
    return answer === (asked.returnNomatch && takesNomatch ? 'nomatch' : 'match');
  }
}

/** What the packet has for each part of an element; undefined where the set is not for it. */
function partsOf(set: IpSet, { sides }: SetUse, packet: PacketView): ElementPart[] | undefined {
  const kinds = SET_TYPES[set.type]!;
  if (sides.length < kinds.length || (set.family !== null && set.family !== packet.family)) return undefined;
  const parts: ElementPart[] = [];
  for (const [i, kind] of kinds.entries()) {
    const part = partOf(kind, set, sides[i]!, packet);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts;
}

/** ip_set_match_extensions: expired ones are not there; what is looked at counts, and then its counters decide. */
function counts(kept: Kept, counters: boolean, { updates, packets, bytes }: SetTest, length: number, now: bigint): boolean {
  if (kept.expires !== null && now > kept.expires) return false;
  if (!counters) return true;
  if (updates) {
    kept.packets += 1n;
    kept.bytes += BigInt(length);
  }
  return holds(packets, kept.packets) && holds(bytes, kept.bytes);
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

function expiry(timeout: number, start: bigint, hz: number): bigint | null {
  return timeout === 0 ? null : start + BigInt(timeout * hz);
}

function shortened({ words }: ElementPart, prefix: number): ElementPart {
  const family = words.length === 1 ? 4 : 6;
  return { words: maskAddress(words, prefixMask(Math.min(prefix, BITS[family]), family)), prefix };
}

/** Every choice of one of each, the first list's changing least. */
function product<T>(lists: readonly (readonly T[])[]): T[][] {
  return lists.reduce<T[][]>((before, list) => before.flatMap((one) => list.map((each) => [...one, each])), [[]]);
}
