/** Writes aligned PER (ITU-T X.691): bits, and octets that begin with a byte of their own. */

export class Per {
  readonly #bytes: number[] = [];
  /** Bits of the last byte that are free. */
  #free = 0;

  /** `count` bits of a number, the highest first. */
  bits(value: number, count: number): this {
    for (let left = count - 1; left >= 0; left--) {
      if (this.#free === 0) this.#bytes.push(0);
      this.#free = this.#free === 0 ? 7 : this.#free - 1;
      this.#bytes[this.#bytes.length - 1]! |= ((value >> left) & 1) << this.#free;
    }
    return this;
  }

  flags(...there: readonly boolean[]): this {
    for (const one of there) this.bits(one ? 1 : 0, 1);
    return this;
  }

  octets(bytes: Iterable<number>): this {
    this.#bytes.push(...bytes);
    this.#free = 0;
    return this;
  }

  /** A number of two octets. */
  half(value: number): this {
    return this.octets([(value >> 8) & 255, value & 255]);
  }

  length(value: number): this {
    return value < 128 ? this.octets([value]) : this.half(0x8000 | value);
  }

  /** An octet string behind its length, or a value of an open type. */
  open(bytes: Iterable<number>): this {
    const all = [...bytes];
    return this.length(all.length).octets(all);
  }

  /** A number of up to 32 bits, less its least. */
  long(value: number): this {
    const octets = [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
    const from = Math.min(
      octets.findIndex((one) => one !== 0),
      3,
    );
    const used = octets.slice(from < 0 ? 3 : from);
    return this.bits(used.length - 1, 2).octets(used);
  }

  /** An object identifier, by its octets. */
  object(octets: readonly number[]): this {
    return this.open(octets);
  }

  /** A string of wide characters, 1 to 128. */
  wide(text: string): this {
    this.bits(text.length - 1, 7);
    return this.octets([...text].flatMap((character) => [0, character.charCodeAt(0)]));
  }

  /** An alternative of a choice with extensions: so many bits tell which of the root it is. */
  choice(number: number, bits: number): this {
    return this.bits(0, 1).bits(number, bits);
  }

  /** One that is an extension, by its number among them. */
  extension(number: number, value: Iterable<number>): this {
    return this.bits(1, 1).bits(number, 7).open(value);
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.length(items.length);
    for (const item of items) write(item);
    return this;
  }

  /** Extensions of a sequence: those that are there, by their place. */
  extensions(count: number, values: Readonly<Record<number, Iterable<number>>>): this {
    this.bits(count - 1, 7);
    for (let i = 0; i < count; i++) this.flags(values[i] !== undefined);
    for (let i = 0; i < count; i++) if (values[i] !== undefined) this.open(values[i]!);
    return this;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
