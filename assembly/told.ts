/** What is told of packets that are judged by their bytes (bare.ts), all of a batch in one word. */
import { SHORT_FORWARDS, SHORT_LEAVES } from './plan.ts';

/** Their bytes; above them how many left this host, how many were forwarded, and how many opened a connection, which are none of the others. No batch has more than fit. */
export const TOLD_LEFT: u64 = 24;
export const TOLD_FORWARDED: u64 = 31;
export const TOLD_OPENED: u64 = 38;
export const TOLD_BYTES: u64 = (1 << 24) - 1;
export const TOLD_PACKETS: u64 = 127;
const WAYS: u32 = (SHORT_LEAVES | SHORT_FORWARDS) << (TOLD_LEFT as u32);

/** Of a packet that goes through this short plan, what is told beside its bytes. */
export function toldOfPlan(plan: u32): u32 {
  return (plan << (TOLD_LEFT as u32)) & WAYS;
}
