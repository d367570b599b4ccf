/**
 * Messages of H.323 in aligned PER (ITU-T X.691), read as net/netfilter/nf_conntrack_h323_asn1.c of 6.18 reads them: the types it knows (abi/h323.ts), its limits, and where it goes wrong. An error ends the
 * reading, and nothing of the message counts; where it stops by itself, what it has read counts, and what stands behind is read on from there.
 */
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
  OPEN,
  OPTIONAL,
  ROLE_SHIFT,
  SEQUENCE,
  SKIPPED,
  SOME_BITS,
  STOP,
  WIDE,
} from '../../../abi/h323.ts';

/** What was kept of a value. */
export class Kept {
  /** Of a sequence its fields, of a list its elements, of a choice the alternative, as they stand. */
  readonly parts: { role: number; kept: Kept }[] = [];
  /** Of octets: where they begin in the message. */
  at = 0;
  /** Of a number. */
  value = 0;

  /** The parts with that role, however deep, in the order in which they stand; not what is in them again. */
  all(role: number): Kept[] {
    return this.parts.flatMap((part) => (part.role === role ? [part.kept] : part.kept.all(role)));
  }

  first(role: number): Kept | undefined {
    return this.all(role)[0];
  }
}

interface Type {
  kind: number;
  extensible: boolean;
  size: number;
  low: number;
  high: number;
  fields: readonly Field[];
}

interface Field {
  type: number;
  optional: boolean;
  open: boolean;
  role: number;
}

const TYPES = readTypes();

function readTypes(): ReadonlyMap<number, Type> {
  const types = new Map<number, Type>();
  for (let at = 0; at < H323_TYPES.length; ) {
    const [name = 0, kind = 0, size = 0, low = 0, high = 0] = H323_TYPES.slice(at, at + 5);
    const next = H323_TYPES.findIndex((word, index) => index > at && word < 0);
    const end = next < 0 ? H323_TYPES.length : next;
    const fields = H323_TYPES.slice(at + 5, end).map((word) => ({
      type: word & FIELD_TYPE,
      optional: (word & OPTIONAL) !== 0,
      open: (word & OPEN) !== 0,
      role: word >> ROLE_SHIFT,
    }));
    types.set(-name, { kind: kind & ~EXTENSIBLE, extensible: (kind & EXTENSIBLE) !== 0, size, low, high, fields });
    at = end;
  }
  return types;
}

/** What the kernel keeps of a value of that type, which begins at `from` in the message; null: it cannot be read. */
export function readMessage(type: number, message: Uint8Array, from = 0): Kept | null {
  const kept = new Kept();
  return new Reader(message, from).read(type, kept) ? kept : null;
}

/** More optional fields, and more extensions, than these are too many. */
const MOST_FIELDS = 32;

class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  /** Bits of the byte there that are read. */
  #bit = 0;

  constructor(bytes: Uint8Array, from: number) {
    this.#bytes = bytes;
    this.#at = from;
  }

  /** False: an error. */
  read(type: number, kept: Kept | null): boolean {
    if (type === NUL) return true;
    if (type <= SOME_BITS) {
      this.#skipBits(type);
      return this.#has(0, 0);
    }
    const known = TYPES.get(type)!;
    switch (known.kind) {
      case SEQUENCE:
        return this.#sequence(known, kept);
      case LIST:
        return this.#list(known, kept);
      case CHOICE:
        return this.#choice(known, kept);
      case INTEGER:
        return this.#integer(known, kept);
      default:
        return this.#string(known, kept);
    }
  }

  #has(bytes: number, bits: number): boolean {
    return this.#at + bytes + Math.ceil((bits + this.#bit) / 8) <= this.#bytes.length;
  }

  /** Behind the end is nothing that counts. */
  #byte(at: number): number {
    return this.#bytes[at] ?? 0;
  }

  #align(): void {
    if (this.#bit > 0) this.#at++;
    this.#bit = 0;
  }

  #skipBits(count: number): void {
    const bit = this.#bit + count;
    this.#at += bit >> 3;
    this.#bit = bit & 7;
  }

  /** Up to eight. */
  #bits(count: number): number {
    const two = (this.#byte(this.#at) << 8) | this.#byte(this.#at + 1);
    const value = (two >> (16 - this.#bit - count)) & ((1 << count) - 1);
    this.#skipBits(count);
    return value;
  }

  /** Of up to 32 optional fields which are there, the first one first. The kernel forgets where it stands in a byte when they end with the fourth. */
  #present(count: number): boolean[] {
    const shift = this.#bit + count === 32 ? 0 : this.#bit;
    const present = Array.from({ length: count }, (_, i) => {
      const bit = shift + i;
      return (this.#byte(this.#at + (bit >> 3)) & (0x80 >> (bit & 7))) !== 0;
    });
    this.#skipBits(count);
    return present;
  }

  /** One byte, or two of which the first has the upper bit. Both must be there. null: they are not. */
  #length(): number | null {
    if (!this.#has(2, 0)) return null;
    const first = this.#byte(this.#at++);
    return first < 0x80 ? first : ((first & 0x3f) << 8) | this.#byte(this.#at++);
  }

  #integer({ size, low }: Type, kept: Kept | null): boolean {
    if (size === CONSTRAINED) return this.#long(low, kept);
    this.#align();
    if (size === LENGTH) {
      const length = this.#length();
      if (length === null) return false;
      this.#at += length;
    } else {
      this.#at += size === BYTE ? 1 : 2;
    }
    return this.#has(0, 0);
  }

  /** The kernel goes on as many bytes behind a number that it keeps as this has. */
  #long(low: number, kept: Kept | null): boolean {
    if (!this.#has(0, 2)) return false;
    const length = this.#bits(2) + 1;
    if (!this.#has(length, 0)) return false;
    this.#align();
    if (kept !== null) {
      let value = 0;
      for (let i = 0; i < length; i++) value = value * 256 + this.#byte(this.#at++);
      kept.value = (value + low) >>> 0;
    }
    this.#at += length;
    return this.#has(0, 0);
  }

  #string({ kind, size, low }: Type, kept: Kept | null): boolean {
    if (kind === BITS) return this.#bitString(size);
    if (size === FIXED) {
      // Two octets stand where the bits before them end.
      if (low > 2) this.#align();
      if (kept !== null) kept.at = this.#at;
      this.#at += low;
      return this.#has(0, 0);
    }
    const count = this.#count(size);
    if (count === null) return false;
    if (kind === DIGITS) this.#skipBits((count + low) * 4);
    else this.#at += (count + low) * (kind === WIDE ? 2 : 1);
    return this.#has(0, 0);
  }

  #bitString(size: number): boolean {
    this.#align();
    if (!this.#has(2, 0)) return false;
    const length = size === HALF ? this.#byte(this.#at++) * 256 + this.#byte(this.#at++) : this.#length()!;
    this.#at += length >> 3;
    this.#bit = length & 7;
    return this.#has(0, 0);
  }

  /** How long a string is. null: that is not there. */
  #count(size: number): number | null {
    if (size < BYTE) {
      if (!this.#has(0, size)) return null;
      const count = this.#bits(size);
      this.#align();
      return count;
    }
    this.#align();
    if (size === LENGTH) return this.#length();
    return this.#has(1, 0) ? this.#byte(this.#at++) : null;
  }

  #sequence({ extensible, size, low, high, fields }: Type, kept: Kept | null): boolean {
    if (!this.#has(0, 1)) return false;
    const extended = extensible && this.#bits(1) === 1;
    if (!this.#has(0, size)) return false;
    const present = this.#present(size);
    for (const field of fields.slice(0, low)) {
      if (field.type === STOP) return true;
      if (field.optional && present.shift() !== true) continue;
      if (!(field.open ? this.#enclosed(field, kept) : this.read(field.type, into(field, kept)))) return false;
    }
    return !extended || this.#extensions(fields.slice(low), high - low, kept);
  }

  /** Those of the kernel's own version are there if they are said to be; of later ones each that could be is taken to be there. */
  #extensions(fields: readonly Field[], known: number, kept: Kept | null): boolean {
    if (!this.#has(0, 7)) return false;
    const count = this.#bits(7) + 1;
    if (!this.#has(0, count) || count > MOST_FIELDS) return false;
    const present = this.#present(count);
    this.#align();
    for (const [i, there] of present.entries()) {
      const field = fields[i] ?? UNKNOWN;
      if (i < known && field.type === STOP) return true;
      if (i < known && !there) continue;
      if (!this.#enclosed(i < known ? field : UNKNOWN, kept)) return false;
    }
    return true;
  }

  /** A value behind its length. What is not kept is not looked at. `counts`: of a list, the element is one of those that count. */
  #enclosed(field: Field, kept: Kept | null, counts = true): boolean {
    const length = this.#length();
    if (length === null || !this.#has(length, 0)) return false;
    const begin = this.#at;
    if (kept === null || field.role === 0) {
      this.#at += length;
      return true;
    }
    if (!this.read(field.type, counts ? into(field, kept) : null)) return false;
    this.#at = begin + length;
    this.#bit = 0;
    return true;
  }

  #list({ high, fields }: Type, kept: Kept | null): boolean {
    const [field = UNKNOWN] = fields;
    this.#align();
    const count = this.#length();
    if (count === null) return false;
    for (let i = 0; i < count; i++) {
      const counts = i < high;
      if (field.open) this.#align();
      const read = field.open ? this.#enclosed(field, kept, counts) : this.read(field.type, counts ? into(field, kept) : null);
      if (!read) return false;
    }
    return true;
  }

  #choice({ extensible, size, low, fields }: Type, kept: Kept | null): boolean {
    if (!this.#has(0, 1)) return false;
    const extended = extensible && this.#bits(1) === 1;
    if (!this.#has(0, extended ? 7 : size)) return false;
    const number = extended ? low + this.#bits(7) : this.#bits(size);
    if (!extended && number >= low) return false;
    const field = fields[number] ?? UNKNOWN;
    if (field.type === STOP) return true;
    if (!extended) return this.read(field.type, into(field, kept));
    this.#align();
    return this.#enclosed(field, kept);
  }
}

/** Of what only its length is known. */
const UNKNOWN: Field = { type: SKIPPED, optional: false, open: true, role: 0 };

/** Where a field's value is kept. */
function into({ role }: Field, kept: Kept | null): Kept | null {
  if (kept === null || role === 0) return null;
  const part = new Kept();
  kept.parts.push({ role, kept: part });
  return part;
}
