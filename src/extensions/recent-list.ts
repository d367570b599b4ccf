/** A list of `recent` as the reference keeps it. Kernel: net/netfilter/xt_recent.c. */

import type { RecentEntry as Shown } from '../model/proc-tables.ts';
import { jiffiesAt } from '../model/profile.ts';
import type { Family, Words } from '../model/ruleset.ts';

/** Addresses a list remembers (ip_list_tot). */
const MOST_ENTRIES = 100;
/** Times an address keeps where no rule asks for more. */
const USUAL_STAMPS = 32;

export interface RecentEntry {
  family: Family;
  /** Masked. */
  address: Words;
  ttl: number;
  /** Jiffies; written round and round. */
  stamps: bigint[];
  /** Where the next stamp goes; the latest is the one before. */
  index: number;
}

export interface RecentQuestion {
  deed: 'set' | 'rcheck' | 'update' | 'remove';
  invert: boolean;
  seconds: number;
  reap: boolean;
  hits: number;
  ttl: boolean;
}

/** Made by the rule that is loaded first: its mask is that of all. */
export class RecentList {
  readonly #mask: Words;
  /** The mask of the kernel's type for `index`: it has a byte before 6.12. */
  readonly #places: number;
  /** A power of two. */
  #stamps = 0;
  /** The one that was changed longest ago is the first. */
  readonly #entries = new Map<string, RecentEntry>();

  constructor(mask: Words, places: number) {
    this.#mask = mask;
    this.#places = places;
  }

  /** A rule that asks for so many hits is loaded: every address keeps as many stamps as the greediest rule wants. */
  keep(hits: number): void {
    let stamps = hits === 0 ? USUAL_STAMPS : 1;
    while (stamps < hits) stamps *= 2;
    this.#stamps = Math.max(this.#stamps, stamps);
  }

  /** As /proc shows them. */
  shown(): Shown[] {
    return [...this.#entries.values()].map(({ family, address, ttl, stamps, index }) => ({
      family,
      address: family === 4 ? address.slice(0, 1) : address,
      ttl,
      lastSeen: stamps[(index - 1) & (this.#stamps - 1)] ?? 0n,
      oldest: index,
      stamps: [...stamps],
    }));
  }

  evaluate(asked: RecentQuestion, family: Family, address: Words, ttl: number, time: bigint, hz: number): boolean {
    const { deed, invert, seconds } = asked;
    const now = jiffiesAt(time, hz);
    const masked = [0, 1, 2, 3].map(
      (i) => ((address[i] ?? 0) & (this.#mask[i] ?? (this.#mask[0] === 0xffffffff ? ~0 : 0))) >>> 0,
    );
    const key = `${family} ${masked}`;
    const found = this.#entries.get(key);
    const entry = found === undefined || fits(found, asked.ttl ? ttl : 0) ? found : undefined;
    if (entry === undefined) {
      if (deed !== 'set') return invert;
      this.#make(key, { family, address: masked, ttl, stamps: [now], index: 1 });
      return !invert;
    }
    if (deed === 'remove') {
      this.#entries.delete(key);
      return !invert;
    }
    if (deed === 'set') {
      this.#touch(key, entry, ttl, now);
      return !invert;
    }
    const since = now - BigInt((seconds * hz) % 2 ** 32);
    const answer = enough(entry, asked, since) !== invert;
    const updates = deed === 'update' && answer;
    if (asked.reap) this.#reap(since, updates ? entry : undefined);
    if (updates) this.#touch(key, entry, ttl, now);
    return answer;
  }

  #make(key: string, entry: RecentEntry): void {
    const oldest = this.#entries.keys().next();
    if (this.#entries.size >= MOST_ENTRIES && oldest.done !== true) this.#entries.delete(oldest.value);
    this.#entries.set(key, entry);
  }

  #touch(key: string, entry: RecentEntry, ttl: number, now: bigint): void {
    const place = entry.index & (this.#stamps - 1);
    // What lies behind a wrapped index is not counted.
    const next = (place + 1) & this.#places;
    if (next !== 0 || place < entry.stamps.length) entry.stamps[place] = now;
    entry.index = next;
    entry.ttl = ttl;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  /** Only the oldest entry is thrown away, and not the one that is about to be updated. */
  #reap(since: bigint, spared: RecentEntry | undefined): void {
    const [first] = this.#entries;
    if (first === undefined || first[1] === spared) return;
    const last = first[1].stamps[first[1].index - 1];
    // A wrapped index: the kernel reads what lies before the stamps, which no time is behind.
    if (last !== undefined && since > last) this.#entries.delete(first[0]);
  }
}

/** A TTL of 0 is any. */
const fits = (entry: RecentEntry, ttl: number): boolean => ttl === 0 || entry.ttl === 0 || entry.ttl === ttl;

function enough({ stamps }: RecentEntry, { seconds, hits }: RecentQuestion, since: bigint): boolean {
  const counted = seconds === 0 ? stamps.length : stamps.filter((stamp) => stamp >= since).length;
  return counted >= Math.max(1, hits);
}
