/**
 * XXH64 with seed 0, the checksum of zstd frames (RFC 8878 3.1.1; the algorithm: xxhash_spec.md of github.com/Cyan4973/xxHash). Numbers of 64 bits are pairs of 32-bit
 * halves: BigInt would take longer than the unpacking.
 */
const STRIPE = 32;

/** A 64-bit number that is changed in place. */
class Wide {
  high: number;
  low: number;

  constructor(high: number, low: number) {
    this.high = high | 0;
    this.low = low | 0;
  }

  set(high: number, low: number): this {
    this.high = high | 0;
    this.low = low | 0;
    return this;
  }

  add({ high, low }: Wide): this {
    const sum = (this.low >>> 0) + (low >>> 0);
    return this.set(this.high + high + (sum > 0xffff_ffff ? 1 : 0), sum);
  }

  xor({ high, low }: Wide): this {
    return this.set(this.high ^ high, this.low ^ low);
  }

  multiply({ high, low }: Wide): this {
    const [a, b, c, d] = [this.low >>> 16, this.low & 0xffff, low >>> 16, low & 0xffff];
    const bottom = b * d;
    const middle = a * d + (bottom >>> 16);
    const upper = b * c + (middle & 0xffff);
    const carried = a * c + Math.floor(middle / 0x10000) + Math.floor(upper / 0x10000);
    return this.set(carried + Math.imul(this.high, low) + Math.imul(this.low, high), (upper << 16) | (bottom & 0xffff));
  }

  /** Left, by 1 to 31 bits. */
  rotate(bits: number): this {
    const { high, low } = this;
    return this.set((high << bits) | (low >>> (32 - bits)), (low << bits) | (high >>> (32 - bits)));
  }

  /** x ^= x >>> bits, for bits from 1 to 63. */
  fold(bits: number): this {
    const { high, low } = this;
    if (bits >= 32) return this.set(high, low ^ (high >>> (bits - 32)));
    return this.set(high ^ (high >>> bits), low ^ ((low >>> bits) | (high << (32 - bits))));
  }
}

const P1 = new Wide(0x9e3779b1, 0x85ebca87);
const P2 = new Wide(0xc2b2ae3d, 0x27d4eb4f);
const P3 = new Wide(0x165667b1, 0x9e3779f9);
const P4 = new Wide(0x85ebca77, 0xc2b2ae63);
const P5 = new Wide(0x27d4eb2f, 0x165667c5);

const copyOf = ({ high, low }: Wide): Wide => new Wide(high, low);

export class Xxh64 {
  readonly #lanes = [copyOf(P1).add(P2), copyOf(P2), new Wide(0, 0), new Wide(-P1.high - (P1.low === 0 ? 0 : 1), -P1.low)];
  readonly #held = new Uint8Array(STRIPE);
  readonly #input = new Wide(0, 0);
  #length = 0;

  take(bytes: Uint8Array): void {
    const before = this.#length % STRIPE;
    this.#length += bytes.length;
    let at = 0;
    if (before > 0) {
      at = Math.min(STRIPE - before, bytes.length);
      this.#held.set(bytes.subarray(0, at), before);
      if (before + at < STRIPE) return;
      this.#stripe(new DataView(this.#held.buffer), 0);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (; at + STRIPE <= bytes.length; at += STRIPE) this.#stripe(view, at);
    this.#held.set(bytes.subarray(at));
  }

  /** The low half of the digest, unsigned: what zstd writes. */
  low(): number {
    return this.#finish().low >>> 0;
  }

  /** Sixteen hexadecimal digits. */
  hex(): string {
    const { high, low } = this.#finish();
    return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #stripe(view: DataView, at: number): void {
    for (let lane = 0; lane < 4; lane++) this.#round(this.#lanes[lane]!, this.#read(view, at + lane * 8));
  }

  #read(view: DataView, at: number): Wide {
    return this.#input.set(view.getUint32(at + 4, true), view.getUint32(at, true));
  }

  #round(lane: Wide, input: Wide): Wide {
    return lane.add(input.multiply(P2)).rotate(31).multiply(P1);
  }

  #finish(): Wide {
    const sum = this.#length < STRIPE ? copyOf(P5) : this.#merged();
    sum.add(new Wide(Math.floor(this.#length / 2 ** 32), this.#length));
    const view = new DataView(this.#held.buffer);
    const end = this.#length % STRIPE;
    let at = 0;
    for (; at + 8 <= end; at += 8) {
      sum.xor(this.#round(new Wide(0, 0), this.#read(view, at))).rotate(27);
      sum.multiply(P1).add(P4);
    }
    if (at + 4 <= end) {
      sum.xor(new Wide(0, view.getUint32(at, true)).multiply(P1)).rotate(23);
      sum.multiply(P2).add(P3);
      at += 4;
    }
    for (; at < end; at++) sum.xor(new Wide(0, this.#held[at]!).multiply(P5)).rotate(11).multiply(P1);
    return sum.fold(33).multiply(P2).fold(29).multiply(P3).fold(32);
  }

  #merged(): Wide {
    const sum = new Wide(0, 0);
    for (const [lane, bits] of [1, 7, 12, 18].entries()) sum.add(copyOf(this.#lanes[lane]!).rotate(bits));
    for (const lane of this.#lanes)
      sum
        .xor(this.#round(new Wide(0, 0), copyOf(lane)))
        .multiply(P1)
        .add(P4);
    return sum;
  }
}
