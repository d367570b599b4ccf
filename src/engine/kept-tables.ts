/** The engine's lists of recent, tables of hashlimit and objects of nfacct, read back from the state they lie in. Layout: abi/shared-state.ts; arithmetic: net/netfilter/xt_hashlimit.c. */
import { STATE_SIZE } from '../abi/image.ts';
import * as abi from '../abi/shared-state.ts';
import { HASHLIMIT_BYTES, HASHLIMIT_SIZE, HASHLIMIT_WINDOW, RECENT_ENTRY, RECENT_SIZE } from '../abi/special.ts';
import type { KeptState } from '../compile/tests.ts';
import {
  byName,
  type HashlimitEntry,
  type HashlimitTable,
  type RecentEntry,
  type RecentTable,
  sortHashlimit,
  sortRecent,
  sortTables,
  windowAsCredit,
} from '../model/proc-tables.ts';
import type { ReplayResult } from '../model/witness.ts';

/** Where states begin in the engine's memory, and what shares some. */
export interface Kept {
  memory: ArrayBuffer;
  states: number;
  kept: readonly KeptState[];
}

const RECENT = /^recent (.*)$/s;
const NFACCT = /^nfacct (.*)$/s;
const HASHLIMIT = /^hashlimit ([46]) (.*)$/s;

/** The objects of nfacct; undefined where no rule names one. */
export function readNfacct({ memory, states, kept }: Kept): ReplayResult['nfacct'] {
  const objects = kept.flatMap(({ name, slot }) => {
    const found = NFACCT.exec(name)?.[1];
    const view = new DataView(memory, states + slot * STATE_SIZE);
    const [packets, bytes] = [0, 8].map((at) => Number(view.getBigUint64(at, true))) as [number, number];
    return found === undefined ? [] : [{ name: found, packets, bytes }];
  });
  return objects.length === 0 ? undefined : objects.sort(byName);
}

/** The lists of recent. */
export function readRecent({ memory, states, kept }: Kept): RecentTable[] {
  const lists = kept.flatMap(({ name, slot, parameters }) => {
    const found = RECENT.exec(name)?.[1];
    const view = new DataView(memory, states + slot * STATE_SIZE);
    return found === undefined ? [] : [{ name: found, entries: listed(view, parameters.at(-1)! + 1) }];
  });
  return sortRecent(lists);
}

/** `kept`: stamps an entry has room for. */
function listed(view: DataView, kept: number): RecentEntry[] {
  const out: RecentEntry[] = [];
  const size = RECENT_ENTRY + kept * 8;
  for (let number = view.getUint32(abi.LIST_OLDEST, true); number !== 0; ) {
    const at = RECENT_SIZE + (number - 1) * size;
    const word = (offset: number): number => view.getUint32(at + offset, true);
    const stamp = (place: number): bigint => view.getBigUint64(at + RECENT_ENTRY + place * 8, true);
    const family = view.getUint8(at + abi.LISTED_FAMILY) === 6 ? 6 : 4;
    const oldest = word(abi.LISTED_INDEX);
    out.push({
      family,
      address: Array.from({ length: family === 6 ? 4 : 1 }, (_, i) => word(abi.LISTED_ADDRESS + i * 4)),
      ttl: view.getUint8(at + abi.LISTED_TTL),
      lastSeen: stamp((oldest + kept - 1) % kept),
      oldest,
      stamps: Array.from({ length: word(abi.LISTED_USED) }, (_, i) => stamp(i)),
    });
    number = word(abi.LISTED_NEXT);
  }
  return out;
}

/** The tables of hashlimit, `now` in jiffies. */
export function readHashlimit({ memory, states, kept }: Kept, now: bigint, hz: number): HashlimitTable[] {
  const tables = kept.flatMap(({ name, slot, parameters }): HashlimitTable[] => {
    const [, family, found] = HASHLIMIT.exec(name) ?? [];
    if (found === undefined) return [];
    const reader = new TableReader(new DataView(memory, states + slot * STATE_SIZE), parameters, now, BigInt(hz));
    return [{ family: family === '6' ? 6 : 4, name: found, entries: sortHashlimit(reader.entries()) }];
  });
  return sortTables(tables);
}

class TableReader {
  readonly #view: DataView;
  readonly #parameters: readonly number[];
  readonly #now: bigint;
  readonly #hz: bigint;

  constructor(view: DataView, parameters: readonly number[], now: bigint, hz: bigint) {
    this.#view = view;
    this.#parameters = parameters;
    this.#now = now;
    this.#hz = hz;
  }

  /** Those whose time was not over when the collector came last. */
  entries(): HashlimitEntry[] {
    const collected = this.#now - (this.#now % this.#wide(abi.TABLE_COLLECT));
    const places = this.#parameters[abi.TABLE_PLACE_MASK]! + 1;
    const size = this.#parameters[abi.TABLE_ENTRY_SIZE]!;
    const out: HashlimitEntry[] = [];
    for (let place = 0; place < places; place++) {
      let number = this.#view.getUint32(HASHLIMIT_SIZE + place * 4, true);
      while (number !== 0) {
        const at = HASHLIMIT_SIZE + places * 4 + (number - 1) * size;
        if (this.#number(at + size - abi.BUCKET_EXPIRES) > collected) out.push(this.#entry(at, size));
        number = this.#view.getUint32(at + abi.BUCKET_NEXT, true);
      }
    }
    return out;
  }

  #entry(at: number, size: number): HashlimitEntry {
    const words = (size - abi.BUCKET_EXPIRES - abi.BUCKET_KEY - 4) / 8;
    const key = (from: number, count: number): number[] =>
      Array.from({ length: count }, (_, i) => this.#view.getUint32(at + abi.BUCKET_KEY + (from + i) * 4, true));
    const [ports = 0] = key(2 * words, 1);
    return {
      source: key(0, words),
      sourcePort: ports >>> 16,
      destination: key(words, words),
      destinationPort: ports & 0xffff,
      seconds: (this.#number(at + size - abi.BUCKET_EXPIRES) - this.#now) / this.#hz,
      ...this.#credit(at + size),
    };
  }

  /** What was gained until now counts. */
  #credit(end: number): Pick<HashlimitEntry, 'credit' | 'cap' | 'cost'> {
    const mode = this.#parameters[abi.TABLE_MODE]!;
    const passed = this.#now - this.#number(end - abi.BUCKET_CHANGED);
    const [held, cap] = [this.#number(end - abi.BUCKET_CREDIT), this.#number(end - abi.BUCKET_CAP)];
    const cost = this.#wide(abi.TABLE_COST);
    if ((mode & HASHLIMIT_WINDOW) !== 0) {
      const length = BigInt(this.#parameters[abi.TABLE_WINDOW]!);
      const over = passed > 0n && passed >= length;
      const exceeded = over ? BigInt.asUintN(64, held * length) > BigInt.asUintN(64, passed * cost) : cap !== 0n;
      const seconds = this.#parameters[abi.TABLE_WINDOW_SECONDS]!;
      return { credit: windowAsCredit(seconds, exceeded), cap: over ? 0n : held, cost };
    }
    if (passed === 0n) return { credit: held, cap, cost };
    const gain = this.#wide(abi.TABLE_GAIN);
    const credit = BigInt.asUintN(64, held + passed * gain);
    const ofBytes = (mode & HASHLIMIT_BYTES) !== 0;
    const most = ofBytes ? gain * this.#hz : cap;
    return { credit: credit > most || (ofBytes && credit <= held) ? most : credit, cap, cost };
  }

  #number(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }

  /** A parameter of 64 bits. */
  #wide(at: number): bigint {
    return BigInt(this.#parameters[at]!) | (BigInt(this.#parameters[at + 1]!) << 32n);
  }
}
