/** Repeatable randomness for mutations; WASMTABLES_SEED repeats a run. */
export const SEED = Number(process.env.WASMTABLES_SEED ?? Date.now() % 2 ** 31);

/** Numbers in [0, below), mulberry32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return Math.floor((((value ^ (value >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** Bytes that make readers stumble: lengths at their limits. */
const WORDS = [0, 1, 0x7fff_ffff, 0xffff_ffff, 0x0004_0001, 0x0010_0001, 28, 0x0a0d0d0a];

/** One of many ways to spoil a file: flipped bits, bytes put over, cut out, put in, moved, cut off. */
export function spoil(bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let out = new Uint8Array(bytes);
  for (let times = 1 + random.below(4); times > 0; times--) out = once(out, random);
  return out;
}

function once(bytes: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  // Faults in the headers at the front matter most.
  const at = random.below(random.below(2) === 0 ? Math.min(bytes.length, 400) : bytes.length);
  const length = random.below(random.pick([4, 16, 200]));
  switch (random.below(6)) {
    case 0:
      if (bytes.length > 0) bytes[at] = bytes[at]! ^ (1 << random.below(8));
      return bytes;
    case 1:
      return bytes.slice(0, at);
    case 2:
      return join(bytes.subarray(0, at), bytes.subarray(at + length));
    case 3:
      return join(bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at));
    case 4:
      if (at + 4 <= bytes.length) new DataView(bytes.buffer).setUint32(at, random.pick(WORDS), random.below(2) === 0);
      return bytes;
    default:
      return join(bytes.subarray(at), bytes.subarray(0, at));
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}
