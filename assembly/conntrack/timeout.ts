/** When entries expire (nf_conntrack_core.c, __nf_ct_refresh_acct; nf_conntrack.h, nf_ct_expires). */
import { STATUS_CONFIRMED } from '../../src/abi/fields';
import { ENTRY_STATUS, ENTRY_TIMEOUT } from './entry';
import { account, accounting } from './extension';

/** What netbios-ns gives the connection that asks: no helper gives less. */
export const NETBIOS_SECONDS: u32 = 3;

export function isConfirmed(entry: usize): bool {
  return (load<u32>(entry, ENTRY_STATUS) & STATUS_CONFIRMED) !== 0;
}

/** The packet in hand keeps the entry alive for `jiffies`, and counts. */
export function refresh(entry: usize, jiffies: u32, now: i64): void {
  if (accounting) account(entry);
  setLife(entry, jiffies, now);
}

/** The entry lives `jiffies` from `now`; an unconfirmed one from its confirmation. */
export function setLife(entry: usize, jiffies: u32, now: i64): void {
  const start = isConfirmed(entry) ? now : 0;
  store<i64>(entry, start + (jiffies as i64), ENTRY_TIMEOUT);
}

/**
 * Jiffies until the entry expires, 0 when it has. That of an unconfirmed entry is 0: the kernel subtracts its uptime from a number that is
 * still relative there, which is negative from some minutes after boot on.
 */
export function jiffiesLeft(entry: usize, now: i64): u32 {
  if (!isConfirmed(entry)) return 0;
  return max(load<i64>(entry, ENTRY_TIMEOUT) - now, 0) as u32;
}
