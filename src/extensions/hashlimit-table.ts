/** A table of `hashlimit` as the reference keeps it. Kernel: net/netfilter/xt_hashlimit.c, revision 3. */
import { type HashlimitKey, type HashlimitEntry as Shown, sortHashlimit, windowAsCredit } from '../model/proc-tables.ts';
import { jiffiesAt } from '../model/profile.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { skipExtensions } from '../packet/ipv6.ts';
import type { PacketView } from '../packet/view.ts';
import {
  byteCost,
  byteCreditsPerJiffy,
  credits,
  creditsPerJiffy,
  type HashlimitOptions,
  jiffiesOf,
} from './hashlimit-options.ts';
import { bytesOf, SCALE } from './hashlimit-rates.ts';

/** Buckets of a machine with a GiB of memory and more; eight entries for each. */
const USUAL_SIZE = 8192;
const TCP_LIKE: readonly number[] = [6, 17, 33, 50, 132, 136];
const AUTHENTICATION = 51;
const U32 = 0xffff_ffffn;

interface HashlimitEntry {
  key: HashlimitKey;
  expires: bigint;
  /** Jiffies of the last change. */
  before: bigint;
  credit: bigint;
  /** Of packets: the most credit. Of bytes: how often it is filled again. */
  cap: bigint;
  cost: bigint;
  /** Of a window: what passed in it, and whether that of the window before was too much. */
  passed: bigint;
  exceeded: boolean;
}

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** Made by the rule that is loaded first: its options are those of all, but for `above` and whether bytes are counted. */
export class HashlimitTable {
  readonly options: HashlimitOptions;
  readonly family: Family;
  readonly #hz: number;
  readonly #entries = new Map<string, HashlimitEntry>();
  /** When the collector came last, as far as anybody looked. */
  #collected = -1n;

  constructor(options: HashlimitOptions, family: Family, hz: number) {
    this.options = options;
    this.family = family;
    this.#hz = hz;
  }

  /** As /proc shows them at a moment, which is no earlier than the last packet. */
  shown(now: bigint): Shown[] {
    this.#collect(now);
    const hz = BigInt(this.#hz);
    const { window } = this.options;
    const all = [...this.#entries.values()].map((entry) => {
      const at = { ...entry };
      this.#refill(at, now);
      const { credit, cap, cost, passed, exceeded } = at;
      const numbers =
        window === undefined
          ? { credit, cap, cost }
          : { credit: windowAsCredit(window, exceeded), cap: passed, cost: this.#rate() };
      return { ...entry.key, seconds: (entry.expires - now) / hz, ...numbers };
    });
    return sortHashlimit(all);
  }

  evaluate({ above, bytes }: HashlimitOptions, packet: PacketView): boolean | 'hotdrop' {
    const now = jiffiesAt(packet.time, this.#hz);
    const key = keyOf(this.options, packet);
    if (key === undefined) return 'hotdrop';
    const name = JSON.stringify(key);
    this.#collect(now);
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      if (this.#entries.size >= this.#most()) return 'hotdrop';
      entry = this.#fresh(key, now);
      this.#entries.set(name, entry);
    } else {
      this.#refill(entry, now);
    }
    entry.expires = now + jiffiesOf(this.options.expire, this.#hz);
    const below =
      this.options.window === undefined ? this.#pays(entry, bytes, packet.length) : this.#fits(entry, bytes, packet.length);
    return below !== above;
  }

  #most(): number {
    const size = this.options.size || USUAL_SIZE;
    return this.options.max === 0 ? 8 * size : Math.max(this.options.max, size);
  }

  /** The collector comes at whole multiples of its interval. */
  #collect(now: bigint): void {
    const last = now - (now % jiffiesOf(this.options.gcInterval, this.#hz));
    if (last === this.#collected) return;
    this.#collected = last;
    for (const [name, entry] of this.#entries) if (entry.expires <= last) this.#entries.delete(name);
  }

  /** rateinfo_init. */
  #fresh(key: HashlimitKey, now: bigint): HashlimitEntry {
    const { average, burst, bytes } = this.options;
    const entry = { key, expires: 0n, before: now, credit: 0n, cap: 0n, cost: 0n, passed: 0n, exceeded: false };
    if (this.options.window !== undefined) return entry;
    if (bytes) return { ...entry, credit: this.#second(), cost: byteCost(average, this.#hz), cap: burst };
    const full = credits(u64(average * burst), this.#hz);
    return { ...entry, credit: full, cap: full, cost: credits(average, this.#hz) };
  }

  /** A second's credit of bytes: the bucket. */
  #second(): bigint {
    return byteCreditsPerJiffy(this.#hz) * BigInt(this.#hz);
  }

  /** rateinfo_recalc. */
  #refill(entry: HashlimitEntry, now: bigint): void {
    const passed = u64(now - entry.before);
    if (passed === 0n) return;
    const { window, bytes } = this.options;
    if (window !== undefined) {
      const length = BigInt.asUintN(32, BigInt(window) * BigInt(this.#hz));
      if (passed < length) return;
      entry.before = now;
      entry.exceeded = u64(entry.passed * length) > u64(passed * this.#rate());
      entry.passed = 0n;
      return;
    }
    entry.before = now;
    const held = entry.credit;
    const most = bytes ? this.#second() : entry.cap;
    entry.credit = u64(held + passed * (bytes ? byteCreditsPerJiffy(this.#hz) : creditsPerJiffy(this.#hz)));
    // A bucket of bytes is full when its number came round.
    if (entry.credit > most || (bytes && held >= entry.credit)) entry.credit = most;
  }

  /** Packets, or bytes, a second. */
  #rate(): bigint {
    return this.options.bytes ? bytesOf(this.options.average) : SCALE / this.options.average;
  }

  #fits(entry: HashlimitEntry, bytes: boolean, length: number): boolean {
    const { burst, bytes: ofBytes } = this.options;
    entry.passed = u64(entry.passed + (bytes ? BigInt(length) : 1n));
    const rate = this.#rate();
    const most = ofBytes ? rate * (burst === 0n ? 1n : burst) : rate + burst;
    return !entry.exceeded && entry.passed <= u64(most);
  }

  #pays(entry: HashlimitEntry, bytes: boolean, length: number): boolean {
    const cost = bytes ? this.#byteCost(entry, length) : entry.cost;
    if (entry.credit < cost) return false;
    entry.credit -= cost;
    return true;
  }

  /** Chunks of 16 bytes; a bucket that is empty is filled again, as often as the burst says. */
  #byteCost(entry: HashlimitEntry, length: number): bigint {
    const most = this.#second();
    let cost = u64(BigInt((length >>> 4) + 1) * entry.cost);
    if (cost > most) cost = most;
    if (entry.credit < cost && entry.cap !== 0n) {
      entry.cap -= 1n;
      entry.credit = most;
    }
    return cost & U32;
  }
}

/** hashlimit_init_dst; undefined where the ports of a packet are not there. */
function keyOf({ modes, sourceMask, destinationMask }: HashlimitOptions, packet: PacketView): HashlimitKey | undefined {
  const masked = (address: Words, bits: number): Words =>
    address.map(
      (word, i) =>
        (word & Number((0xffff_ffff_0000_0000n >> BigInt(Math.min(32, Math.max(0, bits - 32 * i)))) & 0xffff_ffffn)) >>> 0,
    );
  const wantsPorts = modes.includes('srcport') || modes.includes('dstport');
  const ports = wantsPorts ? portsOf(packet) : ([0, 0] as const);
  if (ports === undefined) return undefined;
  return {
    source: masked(packet.source, modes.includes('srcip') ? sourceMask : 0),
    sourcePort: modes.includes('srcport') ? ports[0] : 0,
    destination: masked(packet.destination, modes.includes('dstip') ? destinationMask : 0),
    destinationPort: modes.includes('dstport') ? ports[1] : 0,
  };
}

/** Zeros for protocols without ports. IPv4 fragments are read like any packet. */
function portsOf({ family, bytes }: PacketView): [number, number] | undefined {
  let [protocol, at] = [bytes[9]!, (bytes[0]! & 15) * 4];
  if (family === 6) {
    const upper = skipExtensions(bytes);
    if (upper === 'unparsable') return undefined;
    [protocol, at] = [upper.protocol, upper.offset];
  }
  if (protocol === AUTHENTICATION) at += 4;
  else if (!TCP_LIKE.includes(protocol)) return [0, 0];
  if (at + 4 > bytes.length) return undefined;
  return [bytes[at]! * 256 + bytes[at + 1]!, bytes[at + 2]! * 256 + bytes[at + 3]!];
}
