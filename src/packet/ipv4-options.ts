/** IPv4 options as the receiving stack judges them, and writes into them (net/ipv4/ip_options.c: __ip_options_compile; what an answer bears of them: __ip_options_echo). */
import { u8, u32 } from './bytes.ts';

const END = 0;
const NOP = 1;
const RECORD_ROUTE = 7;
const TIMESTAMP = 68;
const LOOSE_SOURCE_ROUTE = 131;
const CIPSO = 134;
const STRICT_SOURCE_ROUTE = 137;
const ROUTER_ALERT = 148;
/** Of a timestamp option: times only, times with addresses, those of addresses that the sender names. */
const [TIMES, TIMES_AND_ADDRESSES, TIMES_OF_LISTED] = [0, 1, 3];

export type OptionsResult = 'fine' | 'malformed' | 'source-route';

/** What becomes of the options of a packet that is received. All places are from the first option on. */
export interface Compiled {
  /** Where the first fault lies, as a parameter problem tells it; null: they are fine. */
  readonly fault: number | null;
  /** They carry a source route. */
  readonly sourceRoute: boolean;
  /** As they are then; what stands behind a fault has not been looked at. */
  readonly bytes: Uint8Array;
  /** Places where an address of the host or a time was written. */
  readonly drawn: readonly number[];
  /** The stack has written into them: an address or a time, that there was no room for a time, or nothing behind the end of the list. The header's checksum then no longer holds until the packet leaves. */
  readonly written: boolean;
  /** An error about the packet can be sent to where it came from: of an address or a time there is room for the answer's, or for none, and of a source route nothing is used up. */
  readonly answerable: boolean;
}

/** While options are walked over. */
class Walk {
  readonly bytes: Uint8Array;
  readonly drawn: number[] = [];
  readonly #isListed: (address: number) => boolean;
  readonly #kinds = new Set<number>();
  written = false;
  answerable = true;

  constructor(options: Uint8Array, isListed: (address: number) => boolean) {
    this.bytes = Uint8Array.from(options);
    this.#isListed = isListed;
  }

  get sourceRoute(): boolean {
    return this.#kinds.has(STRICT_SOURCE_ROUTE);
  }

  /** Behind the end of the list nothing is left. */
  end(at: number): void {
    if (this.bytes.subarray(at).some((byte) => byte !== END)) this.written = true;
    this.bytes.fill(END, at);
  }

  /** An option of a whole length: where in it the fault lies, or null. */
  option(at: number, length: number): number | null {
    const option = this.bytes.subarray(at, at + length);
    switch (option[0]) {
      case LOOSE_SOURCE_ROUTE:
      case STRICT_SOURCE_ROUTE:
        return this.#sourceRoute(option);
      case RECORD_ROUTE:
        return this.#recordRoute(option, at);
      case TIMESTAMP:
        return this.#timestamp(option, at);
      case ROUTER_ALERT:
        return length < 4 ? 1 : null;
      case CIPSO:
        // cipso_v4_validate: no domain of interpretation is configured.
        return length < 8 ? 1 : 2;
      default:
        return null;
    }
  }

  #sourceRoute(option: Uint8Array): number | null {
    if (option.length < 3) return 1;
    if (option[2]! < 4) return 2;
    if (this.sourceRoute) return 0;
    this.#kinds.add(STRICT_SOURCE_ROUTE);
    // The answer to what has come a part of its way goes back the same way, to another address.
    if (Math.min(option[2]!, option.length + 1) >= 8) this.answerable = false;
    return null;
  }

  #recordRoute(option: Uint8Array, at: number): number | null {
    if (this.#kinds.has(RECORD_ROUTE)) return 0;
    if (option.length < 3) return 1;
    const pointer = option[2]!;
    if (pointer < 4) return 2;
    this.#kinds.add(RECORD_ROUTE);
    if (pointer > option.length) return null;
    if (pointer + 3 > option.length) return 2;
    this.#write(option, at, 0, 4);
    this.#answer(option, 1);
    return null;
  }

  #timestamp(option: Uint8Array, at: number): number | null {
    if (this.#kinds.has(TIMESTAMP)) return 0;
    if (option.length < 4) return 1;
    const [pointer, kind] = [option[2]!, option[3]! & 15];
    if (pointer < 5) return 2;
    this.#kinds.add(TIMESTAMP);
    if (pointer > option.length) return kind === TIMES_OF_LISTED ? null : this.#overflow(option);
    const needed = kind === TIMES_AND_ADDRESSES || kind === TIMES_OF_LISTED ? 8 : 4;
    if (pointer + needed - 1 > option.length) return 2;
    if (kind === TIMES) {
      this.#write(option, at, 0, 4);
      this.#answer(option, 1);
    } else if (kind === TIMES_AND_ADDRESSES) {
      this.#write(option, at, 0, 8);
      this.#answer(option, 2);
    } else if (kind === TIMES_OF_LISTED && this.#isListed(u32(option, pointer - 1))) {
      this.#write(option, at, 4, 8);
      this.#answer(option, 1);
    }
    return null;
  }

  /** One more had no room. */
  #overflow(option: Uint8Array): number | null {
    if (option[3]! >> 4 === 15) return 3;
    option[3]! += 16;
    this.written = true;
    return null;
  }

  /** The slot that the pointer points at, of `size` bytes, is filled from its byte `from` on. */
  #write(option: Uint8Array, at: number, from: number, size: number): void {
    const slot = at + option[2]! - 1;
    for (let i = from; i < size; i++) this.drawn.push(slot + i);
    option[2]! += size;
    this.written = true;
  }

  /** __ip_options_echo: there is room for as many words more, or none at all. */
  #answer(option: Uint8Array, words: number): void {
    const left = option.length - (option[2]! - 1);
    if (left > 0 && left < 4 * words) this.answerable = false;
  }
}

/** `options`: the bytes behind the fixed header. `isListed`: the stack fills in the time of an address that the sender names: any but a unicast address of others (inet_addr_type). */
export function compileOptions(options: Uint8Array, isListed: (address: number) => boolean): Compiled {
  const walk = new Walk(options, isListed);
  const fault = faultOf(options, walk);
  const { sourceRoute, bytes, drawn, written, answerable } = walk;
  return { fault, sourceRoute, bytes, drawn, written, answerable };
}

function faultOf(options: Uint8Array, walk: Walk): number | null {
  let at = 0;
  while (at < options.length) {
    const kind = u8(options, at);
    if (kind === END) {
      walk.end(at);
      return null;
    }
    if (kind === NOP) {
      at++;
      continue;
    }
    if (options.length < at + 2) return at;
    const length = u8(options, at + 1);
    if (length < 2 || at + length > options.length) return at;
    const fault = walk.option(at, length);
    if (fault !== null) return at + fault;
    at += length;
  }
  return null;
}

/** `options`: the bytes behind the fixed header. `malformed` drops the packet; `source-route`: well formed and carrying one. */
export function checkOptions(options: Uint8Array): OptionsResult {
  const { fault, sourceRoute } = compileOptions(options, () => false);
  if (fault !== null) return 'malformed';
  return sourceRoute ? 'source-route' : 'fine';
}
