/**
 * RATEEST and rateest (xt_RATEEST.c, xt_rateest.c): estimators of rates (gen_estimator.c), whose timer is caught up with when somebody counts or asks. Parameters and state: abi/special.ts.
 */
import { FIELD_LENGTH } from '../../src/abi/fields.ts';
import { RATE_BYTES, RATE_DELTA, RATE_GREATER, RATE_INVERT, RATE_KEPT, RATE_LESS, RATE_PACKETS } from '../../src/abi/special.ts';
import { sinceStart } from '../sets/region.ts';

/** Offsets in the state: of bytes, and of packets. */
const BYTES: usize = 8;
const PACKETS: usize = 24;
/** Behind each of them. */
const AVERAGE: usize = 8;

/** COMPARE's own parameters. */
const OWN: usize = 20;

let keptBytes: u64 = 0;
let keptPackets: u64 = 0;

/** Always true. */
export function countPacket(estimator: usize, state: usize, slot: usize): bool {
  catchUp(estimator, state, slot);
  store<u64>(state, load<u64>(state, BYTES) + (load<u32>(slot + FIELD_LENGTH * 4) as u64), BYTES);
  store<u64>(state, load<u64>(state, PACKETS) + 1, PACKETS);
  return true;
}

/** Always true. */
export function keepRates(estimator: usize, state: usize, slot: usize): bool {
  catchUp(estimator, state, slot);
  keptBytes = rateOf(state + BYTES);
  keptPackets = rateOf(state + PACKETS);
  return true;
}

export function compareRates(parameters: usize, state: usize, slot: usize): bool {
  catchUp(parameters + OWN, state, slot);
  const flags = load<u32>(parameters);
  const bytes = side(flags, rateOf(state + BYTES), load<u32>(parameters, 4));
  const packets = side(flags, rateOf(state + PACKETS), load<u32>(parameters, 8));
  const kept = (flags & RATE_KEPT) !== 0;
  const otherBytes = kept ? side(flags, keptBytes, load<u32>(parameters, 12)) : (load<u32>(parameters, 12) as u64);
  const otherPackets = kept ? side(flags, keptPackets, load<u32>(parameters, 16)) : (load<u32>(parameters, 16) as u64);
  const holds =
    ((flags & RATE_BYTES) === 0 || compare(flags, bytes, otherBytes)) &&
    ((flags & RATE_PACKETS) === 0 || compare(flags, packets, otherPackets));
  return holds !== ((flags & RATE_INVERT) !== 0);
}

/** A rate, or what it has less than the number. */
function side(flags: u32, rate: u64, number: u64): u64 {
  if ((flags & RATE_DELTA) === 0) return rate;
  return number >= rate ? number - rate : 0;
}

function compare(flags: u32, one: u64, other: u64): bool {
  if ((flags & RATE_LESS) !== 0) return one < other;
  return (flags & RATE_GREATER) !== 0 ? one > other : one === other;
}

function rateOf(at: usize): u64 {
  return load<u64>(at, AVERAGE) >> 8;
}

/** est_timer, as often as it went off: a tick's jiffy is over when the timer is looked at. */
function catchUp(estimator: usize, state: usize, slot: usize): void {
  const since = sinceStart(slot);
  if (since === 0) return;
  const due = (since - 1) / (load<u32>(estimator) as u64);
  const missed = due - load<u64>(state);
  if (missed === 0) return;
  store<u64>(state, due);
  const shift = load<u32>(estimator, 4) as u64;
  const weight = load<u32>(estimator, 8) as u64;
  settle(state + BYTES, shift, weight, missed - 1);
  settle(state + PACKETS, shift, weight, missed - 1);
}

/** One tick with what came, then `idle` without. Where an average loses the same at each of many, they are one step. */
function settle(at: usize, shift: u64, weight: u64, idle: u64): void {
  let average = load<u64>(at, AVERAGE);
  average += ((load<u64>(at) << shift) >> weight) - (average >> weight);
  store<u64>(at, 0);
  while (idle !== 0) {
    const loss = average >> weight;
    if (loss === 0) break;
    let steps = (average - (loss << weight)) / loss + 1;
    if (steps > idle) steps = idle;
    average -= steps * loss;
    idle -= steps;
  }
  store<u64>(at, average, AVERAGE);
}
