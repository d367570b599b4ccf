/** All sets of a job as the reference keeps them, lists among them. Kernel: net/netfilter/ipset, ip_set_core.c and ip_set_list_set.c. */
import {
  type ElementPart,
  type IpSet,
  LIST_TYPE,
  SET_TYPES,
  type SetChange,
  type SetMember,
  type SetTest,
  type SetUse,
  type SkbInfo,
} from '../model/ipset.ts';
import type { PacketView, Sets } from '../packet/view.ts';
import { partOf } from './ipset-packet.ts';
import { counts, ElementSet, isOver, type Kept, keep, type Look, leftOf } from './ipset-set.ts';

interface KeptMember extends Kept {
  member: SetMember;
}

/** All sets of a job. Timeouts run from `start` on. */
export class IpSets {
  readonly #given: readonly IpSet[];
  readonly #hz: number;
  readonly #sets = new Map<string, ElementSet>();
  readonly #lists = new Map<string, { set: IpSet; members: KeptMember[] }>();

  constructor(sets: readonly IpSet[], start: bigint, hz: number) {
    this.#given = sets;
    this.#hz = hz;
    for (const set of sets) {
      if (set.type !== LIST_TYPE) this.#sets.set(set.name, new ElementSet(set, start, hz));
      else {
        const members = set.members.map((member) => ({ member, ...keep(member, start, hz) }));
        this.#lists.set(set.name, { set, members });
      }
    }
  }

  /** ip_set_test. `now`: jiffies. */
  test(asked: SetTest, packet: PacketView, now: bigint): boolean {
    return this.#test(packet, { asked, length: packet.length, now, info: undefined });
  }

  /** What the element says of the packet's mark that is found as a match finds it: undefined where none is. */
  infoOf(use: SetUse, packet: PacketView, now: bigint): SkbInfo | undefined {
    const asked: SetTest = { ...use, returnNomatch: false, updates: true, subUpdates: true };
    const look: Look = { asked, length: packet.length, now, info: undefined };
    return this.#test(packet, look) ? (look.info ?? { mark: 0, mask: 0, priority: 0, queue: 0 }) : undefined;
  }

  /** ip_set_add, ip_set_del: of a list the first set that it changes, and no other. */
  change(change: SetChange, packet: PacketView, now: bigint): void {
    const list = this.#lists.get(change.set);
    if (list === undefined) {
      this.#change(change.set, change, packet, now);
      return;
    }
    for (const kept of list.members) if (!isOver(kept, now) && this.#change(kept.member.set, change, packet, now)) return;
  }

  /** All sets as they are at a moment. */
  left(now: bigint): IpSet[] {
    return this.#given.map((set) => {
      const elements = this.#sets.get(set.name)?.left(now) ?? [];
      const members = (this.#lists.get(set.name)?.members ?? [])
        .filter((kept) => !isOver(kept, now))
        .map(({ member, ...kept }) => ({ set: member.set, ...leftOf(kept, member.comment, now, BigInt(this.#hz)) }));
      return { ...set, elements, members };
    });
  }

  #test(packet: PacketView, look: Look): boolean {
    const { asked } = look;
    const list = this.#lists.get(asked.set);
    if (list === undefined) return this.#testSet(asked.set, packet, look);
    const { packets: _packets, bytes: _bytes, ...plain } = asked;
    const inner: Look = { ...look, asked: { ...plain, updates: asked.updates && asked.subUpdates } };
    for (const kept of list.members) {
      if (isOver(kept, look.now) || !this.#testSet(kept.member.set, packet, inner)) continue;
      look.info = inner.info;
      if (counts(kept, list.set, look)) return true;
    }
    return false;
  }

  #testSet(name: string, packet: PacketView, look: Look): boolean {
    const table = this.#sets.get(name)!;
    const parts = partsOf(table.set, look.asked, packet);
    if (parts === undefined) return false;
    const answer = table.test(parts, look);
    const takesNomatch = SET_TYPES[table.set.type]!.includes('net');
    return answer === (look.asked.returnNomatch && takesNomatch ? 'nomatch' : 'match');
  }

  #change(name: string, change: SetChange, packet: PacketView, now: bigint): boolean {
    const table = this.#sets.get(name)!;
    const parts = partsOf(table.set, change, packet);
    if (parts === undefined) return false;
    const moment = { length: packet.length, now };
    return change.deed === 'add' ? table.add(parts, change, moment) : table.del(parts, moment);
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

/** The sets as matches and targets ask them, at the time of the packet at hand, in jiffies. */
export const atTime = (sets: () => IpSets, now: () => bigint): Sets => ({
  test: (asked, packet) => sets().test(asked, packet, now()),
  change: (change, packet) => sets().change(change, packet, now()),
  infoOf: (use, packet) => sets().infoOf(use, packet, now()),
});
