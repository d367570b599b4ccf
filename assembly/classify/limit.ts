/**
 * limit. A state slot: u32 used (0: never evaluated, so the bucket is full), u32 credits, u64 jiffies; nft: u32 used, u64 tokens at 8, u64 time at 16.
 */
import { PACKET_JIFFIES } from '../../src/abi/packet.ts';
import { now } from '../clock.ts';
import { creditsPerJiffy } from './program.ts';

/** xt_limit.c: credits grow with jiffies in 32-bit arithmetic, and are refilled at every evaluation. Parameters: cost, cap. */
export function limitLegacy(parameters: usize, state: usize, slot: usize): bool {
  const cost = load<u32>(parameters);
  const cap = load<u32>(parameters, 4);
  const now = load<u64>(slot, PACKET_JIFFIES);
  if (load<u32>(state) === 0) {
    store<u32>(state, 1);
    store<u32>(state, cap, 4);
    store<u64>(state, now, 8);
  }
  const before = load<u32>(state, 4);
  // The kernel's shortcut when nothing can have changed.
  if (before < cost && load<u64>(state, 8) === now) return false;
  let credits = before + ((now - load<u64>(state, 8)) as u32) * creditsPerJiffy;
  store<u64>(state, now, 8);
  if (credits > cap) credits = cap;
  const enough = credits >= cost;
  if (enough) credits -= cost;
  store<u32>(state, credits, 4);
  return enough;
}

/** nft_limit.c: a bucket of nanoseconds. Parameters: cost low, high, bucket low, high. */
export function limitNft(parameters: usize, state: usize): bool {
  const cost = wide(parameters);
  const full = wide(parameters + 8);
  if (load<u32>(state) === 0) {
    store<u32>(state, 1);
    store<u64>(state, full, 8);
    store<u64>(state, now, 16);
  }
  let tokens = load<u64>(state, 8) + now - load<u64>(state, 16);
  if (tokens > full) tokens = full;
  store<u64>(state, now, 16);
  const enough = tokens >= cost;
  store<u64>(state, enough ? tokens - cost : tokens, 8);
  return enough;
}

function wide(at: usize): u64 {
  return (load<u32>(at) as u64) | ((load<u32>(at, 4) as u64) << 32);
}
