/**
 * Messages of SNMP, versions 1 and 2 (RFC 1157, RFC 3416), in BER as the kernel's decoder reads them: lib/asn1_decoder.c with what scripts/asn1_compiler.c makes of net/ipv4/netfilter/nf_nat_snmp_basic.asn1 (6.18).
 * It is laxer than the grammar: most alternatives are tried one after the other even behind one that was there, and where the data is at its end all may be missing.
 */

/** One step of reading: an element, or that one of the optional ones before it must have been there. */
type Step = Element | 'one of these';

interface Element {
  /** Class, whether it has elements inside (CONSTRUCTED), number. */
  tag: number;
  /** It may be missing. */
  optional?: boolean;
  /** Not looked for where what came before is there. */
  otherwise?: boolean;
  inside?: readonly Step[];
  /** What is inside may come again and again. */
  many?: boolean;
  /** What its content must be. */
  is?: (content: Uint8Array) => boolean;
  /** Its content is an address. */
  address?: boolean;
}

const CONSTRUCTED = 0x20;
const LONG_TAG = 0x1f;
const [INTEGER, STRING, NULL, OBJECT] = [0x02, 0x04, 0x05, 0x06];
const SEQUENCE = 0x30;
const ADDRESS = 0x40;
/** Counter, ticks, opaque, counter of 64 bits, unsigned. */
const APPLICATION: readonly number[] = [0x41, 0x43, 0x44, 0x46, 0x42];
/** No such object, no such instance, end of the view. */
const EXCEPTIONS: readonly number[] = [0x80, 0x81, 0x82];
/** Requests and answers, in the order of the grammar. Traps of version 1 (0xa4) are none of them. */
const PDUS: readonly number[] = [0xa0, 0xa1, 0xa5, 0xa2, 0xa3, 0xa6, 0xa7, 0xa8];
const INDEFINITE = 0x80;

const BINDING: readonly Step[] = [
  { tag: OBJECT },
  { tag: INTEGER, optional: true },
  { tag: STRING, optional: true, otherwise: true },
  { tag: OBJECT, optional: true, otherwise: true },
  { tag: ADDRESS, optional: true, address: true, is: ({ length }) => length === 4 },
  ...APPLICATION.map((tag) => ({ tag, optional: true })),
  ...[NULL, ...EXCEPTIONS].map((tag) => ({ tag, optional: true, otherwise: true })),
  'one of these',
];

const PDU: readonly Step[] = [
  ...[INTEGER, INTEGER, INTEGER].map((tag) => ({ tag })),
  { tag: SEQUENCE, many: true, inside: [{ tag: SEQUENCE, inside: BINDING }] },
];

const MESSAGE: Element = {
  tag: SEQUENCE,
  inside: [
    { tag: INTEGER, is: ([version, ...more]) => version !== undefined && more.length === 0 && version <= 1 },
    { tag: STRING },
    ...PDUS.map((tag) => ({ tag, optional: true, inside: PDU })),
    'one of these',
  ],
};

/** Where values that are addresses lie in a message; null: it cannot be read. What follows it does not matter. */
export function addressesIn(message: Uint8Array): number[] | null {
  const reader = new Reader(message);
  return reader.read([MESSAGE]) ? reader.addresses : null;
}

class Reader {
  readonly addresses: number[] = [];
  readonly #data: Uint8Array;
  #at = 0;
  /** Of the innermost element of known length. */
  #end: number;
  /** What was looked for last was there. */
  #there = false;

  constructor(data: Uint8Array) {
    this.#data = data;
    this.#end = data.length;
  }

  /** False: something else stands there. */
  read(steps: readonly Step[]): boolean {
    for (const step of steps) {
      if (step === 'one of these') {
        if (!this.#there) return false;
      } else if (!this.#skips(step) && !this.#element(step)) return false;
    }
    return true;
  }

  #skips({ optional = false, otherwise = false }: Element): boolean {
    return (otherwise && this.#there) || (optional && this.#at === this.#end);
  }

  #element(element: Element): boolean {
    const length = this.#header(element.tag);
    if (length === 'another') return element.optional === true;
    if (length === 'wrong') return false;
    if (element.inside !== undefined) {
      if (!this.#inside(element.inside, element.many === true, length)) return false;
      if (element.optional) this.#there = true;
      return true;
    }
    // What has nothing inside always has a length.
    const content = this.#data.subarray(this.#at, this.#at + (length ?? 0));
    if (element.is?.(content) === false) return false;
    if (element.address) this.addresses.push(this.#at);
    this.#at += content.length;
    return true;
  }

  /** Tag and length. null: as long as up to two zeros. */
  #header(tag: number): number | null | 'another' | 'wrong' {
    this.#there = false;
    if (this.#left < 2) return 'wrong';
    const found = this.#data[this.#at]!;
    if ((found & LONG_TAG) === LONG_TAG) return 'wrong';
    if (((found ^ tag) & ~(tag & CONSTRUCTED)) !== 0) return 'another';
    this.#there = true;
    this.#at++;
    let length = this.#data[this.#at++]!;
    if (length === INDEFINITE) return (found & CONSTRUCTED) !== 0 && this.#left >= 2 ? null : 'wrong';
    if (length > INDEFINITE) {
      const bytes = length - INDEFINITE;
      if (bytes > 2 || bytes > this.#left) return 'wrong';
      length = 0;
      for (let i = 0; i < bytes; i++) length = length * 256 + this.#data[this.#at++]!;
    }
    return length > this.#left ? 'wrong' : length;
  }

  get #left(): number {
    return this.#end - this.#at;
  }

  #inside(steps: readonly Step[], many: boolean, length: number | null): boolean {
    const outer = this.#end;
    if (length !== null) this.#end = this.#at + length;
    for (;;) {
      if (!this.read(steps)) return false;
      if (length === null) {
        if (this.#left < 2) return false;
        if (this.#data[this.#at] === 0) {
          this.#at += 2;
          return this.#data[this.#at - 1] === 0;
        }
        if (!many) return false;
      } else if (!many || this.#left === 0) {
        if (this.#left !== 0) return false;
        this.#end = outer;
        return true;
      }
    }
  }
}
