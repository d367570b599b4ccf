/** Random values of the types that the kernel knows of H.323, as its decoder reads them: where it stops, nothing more is written. So every row of the table is held against the kernel's own. */
import {
  BITS,
  BYTE,
  CHOICE,
  CONSTRAINED,
  DIGITS,
  EXTENSIBLE,
  FIELD_TYPE,
  FIXED,
  H323_TYPES,
  HALF,
  INTEGER,
  LENGTH,
  LIST,
  NUL,
  OCTETS,
  OPEN,
  OPTIONAL,
  ROLE_IPV4,
  ROLE_IPV6,
  ROLE_SHIFT,
  SEQUENCE,
  SKIPPED,
  SOME_BITS,
  STOP,
  WIDE,
} from '../../src/abi/h323.ts';
import { Per } from '../../src/fuzz/per.ts';
import { addressBytes } from '../reference/build.ts';

interface Row {
  kind: number;
  size: number;
  low: number;
  high: number;
  fields: readonly number[];
}

/** By type. */
export const ROWS: ReadonlyMap<number, Row> = new Map(
  H323_TYPES.flatMap((word, at) => {
    if (word >= 0) return [];
    const next = H323_TYPES.findIndex((other, i) => i > at && other < 0);
    const [kind = 0, size = 0, low = 0, high = 0, ...fields] = H323_TYPES.slice(at + 1, next < 0 ? undefined : next);
    return [[-word, { kind, size, low, high, fields }] as const];
  }),
);

export class Values {
  readonly #random: () => number;
  readonly #own: readonly string[];
  readonly #written: Map<number, number>;

  /** `own`: addresses that are written, mostly, by family. `written`: how often each type was. */
  constructor(random: () => number, own: readonly string[], written: Map<number, number>) {
    this.#random = random;
    this.#own = own;
    this.#written = written;
  }

  /** A value of that type, alone. */
  value(type: number): Uint8Array {
    const per = new Per();
    this.#write(per, type, 0, 0);
    return per.done();
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #some(most: number): number[] {
    return this.#octets(this.#below(most + 1));
  }

  #octets(count: number): number[] {
    return Array.from({ length: count }, () => this.#below(256));
  }

  #write(per: Per, type: number, role: number, depth: number): void {
    if (type === NUL) return;
    if (type <= SOME_BITS) {
      per.bits(this.#below(1 << type), type);
      return;
    }
    this.#written.set(type, (this.#written.get(type) ?? 0) + 1);
    const row = ROWS.get(type)!;
    const kind = row.kind & ~EXTENSIBLE;
    if (kind === SEQUENCE) this.#sequence(per, row, depth);
    else if (kind === LIST) this.#list(per, row, depth);
    else if (kind === CHOICE) this.#choice(per, row, depth);
    else if (kind === INTEGER) this.#integer(per, row);
    else this.#string(per, row, kind, role);
  }

  #integer(per: Per, { size }: Row): void {
    if (size === CONSTRAINED) per.long(this.#below(2 ** (8 * (1 + this.#below(4)))));
    else if (size === LENGTH) per.open(this.#some(4));
    else per.octets(this.#octets(size === BYTE ? 1 : 2));
  }

  #string(per: Per, { size, low }: Row, kind: number, role: number): void {
    if (kind === OCTETS && size === FIXED) {
      const own = role === ROLE_IPV4 || role === ROLE_IPV6;
      const bytes = own && this.#random() < 0.9 ? addressBytes(this.#own[role === ROLE_IPV4 ? 0 : 1]!) : this.#octets(low);
      if (low > 2) per.octets(bytes);
      else for (const byte of bytes) per.bits(byte, 8);
      return;
    }
    const more = this.#below(size < BYTE ? Math.min(1 << size, 6) : 6);
    const count = low + more;
    if (size === LENGTH) per.octets([]).length(count);
    else if (size === HALF) per.half(count);
    else if (size === BYTE) per.octets([more]);
    else per.bits(more, size).octets([]);
    if (kind === BITS || kind === DIGITS) for (let i = 0; i < count * (kind === DIGITS ? 4 : 1); i++) per.bits(this.#below(2), 1);
    else per.octets(this.#octets(count * (kind === WIDE ? 2 : 1)));
  }

  /** Deep down little is there, but for what the kernel keeps something of. */
  #there(field: number, depth: number): boolean {
    return this.#random() < (field >> ROLE_SHIFT > 0 ? 0.9 : 0.5 - depth * 0.03);
  }

  #sequence(per: Per, { kind, size, low, high, fields }: Row, depth: number): void {
    const extended = (kind & EXTENSIBLE) !== 0 && this.#there(Math.max(0, ...fields.slice(low)), depth);
    const root = fields.slice(0, low);
    if ((kind & EXTENSIBLE) !== 0) per.flags(extended);
    const there = root.map((field) => (field & OPTIONAL) === 0 || this.#there(field, depth));
    // Optional fields behind the end of what the kernel reads have their bits, too.
    const flags = there.filter((_, i) => (root[i]! & OPTIONAL) !== 0);
    for (let i = 0; i < size; i++) per.flags(flags[i] ?? false);
    for (const [i, field] of root.entries()) {
      if ((field & FIELD_TYPE) === STOP) return;
      if (!there[i]) continue;
      if ((field & OPEN) !== 0) per.open(this.#content(field & ~OPEN, depth));
      else this.#write(per, field & FIELD_TYPE, field >> ROLE_SHIFT, depth + 1);
    }
    if (extended) this.#extensions(per, fields.slice(low), high - low, depth);
  }

  #extensions(per: Per, fields: readonly number[], known: number, depth: number): void {
    const count = this.#random() < 0.7 ? Math.max(1, Math.min(known, fields.length)) : 1 + this.#below(31);
    const there = Array.from({ length: count }, (_, i) => this.#there(fields[i] ?? SKIPPED, depth));
    per
      .bits(count - 1, 7)
      .flags(...there)
      .octets([]);
    for (const [i, present] of there.entries()) {
      const field = i < known ? (fields[i] ?? SKIPPED) : SKIPPED;
      if ((field & FIELD_TYPE) === STOP) return;
      // Those that the kernel does not know it takes to be there.
      if (present || i >= known) per.open(this.#content(field, depth));
    }
  }

  /** What stands in a value behind its length: at least what is read of it. */
  #content(field: number, depth: number): number[] {
    if (field === SKIPPED) return this.#some(5);
    const per = new Per();
    this.#write(per, field & FIELD_TYPE, field >> ROLE_SHIFT, depth + 1);
    return [...per.done(), ...(this.#random() < 0.1 ? this.#some(3) : [])];
  }

  #list(per: Per, { fields: [field = 0] }: Row, depth: number): void {
    const count = this.#below(this.#random() < 0.15 ? 6 : 3);
    per.octets([]).length(count);
    for (let i = 0; i < count; i++) {
      if ((field & OPEN) === 0) this.#write(per, field & FIELD_TYPE, field >> ROLE_SHIFT, depth + 1);
      else per.octets([]).open(this.#content(field & ~OPEN, depth));
    }
  }

  /** The alternative whose type was written least. */
  #rarest(fields: readonly number[], numbers: readonly number[]): number | undefined {
    const count = (number: number): number => this.#written.get(fields[number]! & FIELD_TYPE) ?? 0;
    return [...numbers].sort((a, b) => count(a) - count(b))[0];
  }

  #choice(per: Per, { kind, size, low, fields }: Row, depth: number): void {
    const extensible = (kind & EXTENSIBLE) !== 0;
    // What is kept, what is read, anything.
    const kept = fields.some((field) => field >> ROLE_SHIFT > 0) && this.#random() < 0.6;
    const read = this.#random() < 0.9;
    const wanted = (field: number): boolean => (kept ? field >> ROLE_SHIFT > 0 : !read || (field !== STOP && field !== SKIPPED));
    const numbers = fields.flatMap((field, i) => (wanted(field) ? [i] : []));
    const number = (this.#random() < 0.5 ? this.#rarest(fields, numbers) : numbers[this.#below(numbers.length)]) ?? 0;
    const field = fields[number]!;
    if (number < low) {
      if (extensible) per.flags(false);
      per.bits(number, size);
      if (field !== STOP) this.#write(per, field & FIELD_TYPE, field >> ROLE_SHIFT, depth + 1);
      return;
    }
    per.flags(true).bits(number - low, 7);
    if (field !== STOP) per.octets([]).open(this.#content(field, depth));
  }
}
