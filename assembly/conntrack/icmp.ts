/** The ICMP tracker (nf_conntrack_proto_icmp.c): questions and their answers, and which messages report errors. */
import { TRACKING_ICMP } from '../../src/abi/conntrack';
import { FIELD_ICMP_TYPE, FIELD_L4_LENGTH } from '../../src/abi/fields';
import { INVALID_CHECKSUM, INVALID_ICMP_TYPE, INVALID_NONE, INVALID_SHORT } from '../../src/abi/reasons';
import { checksumHolds } from './checksum';
import { parameter } from './parameters';
import { refresh } from './timeout';

export const ICMP_HEADER_SIZE: u32 = 8;
const HIGHEST_TYPE: u32 = 18;
const ECHO_REPLY: u32 = 0;
const ECHO: u32 = 8;
const TIMESTAMP: u32 = 13;
const ADDRESS_REPLY: u32 = 18;

/** No question and no answer. */
export const ICMP_UNPAIRED: u32 = 0xff;

/** The type that asks, of the pair a type belongs to: 8/0, 13/14, 15/16, 17/18. */
export function icmpQuestion(type: u32): u32 {
  if (type === ECHO_REPLY || type === ECHO) return ECHO;
  return type >= TIMESTAMP && type <= ADDRESS_REPLY ? type - ((type - TIMESTAMP) & 1) : ICMP_UNPAIRED;
}

/** The answer to a type that asks. */
export function icmpAnswer(question: u32): u32 {
  return question === ECHO ? ECHO_REPLY : question + 1;
}

/** 3 destination unreachable, 4 source quench, 5 redirect, 11 time exceeded, 12 parameter problem. */
export function icmpIsError(type: u32): bool {
  return (type >= 3 && type <= 5) || type === 11 || type === 12;
}

/** Checks the header (nf_conntrack_icmpv4_error before it looks inside). Out: INVALID_NONE or why not. */
export function icmpCheck(slot: usize, verify: bool): u32 {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < ICMP_HEADER_SIZE) return INVALID_SHORT;
  if (verify && !checksumHolds(slot, 0, present)) return INVALID_CHECKSUM;
  return load<u32>(slot, FIELD_ICMP_TYPE * 4) > HIGHEST_TYPE ? INVALID_ICMP_TYPE : INVALID_NONE;
}

/** One question or answer. Always accepted. */
export function icmpPacket(entry: usize, now: i64): void {
  refresh(entry, parameter(TRACKING_ICMP), now);
}
