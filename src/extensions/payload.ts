/** Tests of bytes of the packet that have no field of their own: SPECIAL_PAYLOAD of abi/special.ts. */
import {
  PAYLOAD_HEADER,
  PAYLOAD_NETWORK,
  PAYLOAD_TRANSPORT,
  PAYLOAD_WHOLE,
  SPECIAL_PAYLOAD,
  TEST_HOTDROP,
  TEST_MISS,
} from '../abi/special.ts';
import type { OnFail, Test } from '../model/predicate.ts';

export interface Bytes {
  /** `{ header: 44 }`: the first IPv6 extension header of that protocol number; `whole`: it must be there to the end its length says. */
  base: 'network' | 'transport' | { header: number; whole?: boolean };
  offset: number;
  /** 0: nothing is compared, `offset` bytes have to be there. */
  width: 0 | 1 | 2 | 4;
  mask?: number;
  low?: number;
  high?: number;
  invert?: boolean;
  /** When they are not there; a header that is not there at all is a miss. */
  short: OnFail;
}

/** low <= (bytes & mask) <= high; without bounds any value will do. */
export function payloadTest({
  base,
  offset,
  width,
  mask = 0xffffffff,
  low = 0,
  high = 0xffffffff,
  invert = false,
  short,
}: Bytes): Test {
  const parameters = [
    baseCode(base),
    offset,
    width,
    mask >>> 0,
    low >>> 0,
    high >>> 0,
    invert ? 1 : 0,
    short === 'hotdrop' ? TEST_HOTDROP : TEST_MISS,
  ];
  return { kind: 'special', code: SPECIAL_PAYLOAD, parameters, stateful: false };
}

function baseCode(base: Bytes['base']): number {
  if (base === 'network') return PAYLOAD_NETWORK;
  if (base === 'transport') return PAYLOAD_TRANSPORT;
  return PAYLOAD_HEADER | base.header | (base.whole === true ? PAYLOAD_WHOLE : 0);
}

/** Bytes four a word, the first lowest; the last word is filled up with zeros. */
export function packed(bytes: readonly number[]): number[] {
  const words = new Array<number>(Math.ceil(bytes.length / 4)).fill(0);
  for (const [at, byte] of bytes.entries()) words[at >> 2] = (words[at >> 2]! | (byte << ((at & 3) * 8))) >>> 0;
  return words;
}
