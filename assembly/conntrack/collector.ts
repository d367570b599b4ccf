/**
 * The collector of connections whose time is over (nf_conntrack_core.c, gc_worker), as far as packets could tell when it comes: for what is of a PPTP call, for that takes others along. It comes with the
 * first packet of every minute, and takes what was over a minute before that minute began: the kernel's rests no longer than that.
 */
import { helpIsThere } from './help-region';
import { hz } from './parameters';
import { setClock, sweep } from './table';

const MINUTE_SECONDS: i64 = 60;

/** Jiffies at which it comes again. */
export let due: i64 = 0;

export function collectorInit(): void {
  due = 0;
}

/** A packet at `now`, `due` or later. */
export function collect(now: i64): void {
  const minute = MINUTE_SECONDS * (hz() as i64);
  const begun = now - (now % minute);
  due = begun + minute;
  if (!helpIsThere()) return;
  setClock(now);
  sweep(begun - minute, true);
}
