/** Lists of `recent` and tables of `hashlimit` as `tail -v -n +1` prints the kernel's files below /proc/net. Kernel: recent_seq_show (xt_recent.c), dl_seq_print (xt_hashlimit.c). */
import { formatAddress } from '../model/address.ts';
import type { HashlimitEntry, HashlimitTable, RecentEntry, RecentTable } from '../model/proc-tables.ts';
import type { Words } from '../model/ruleset.ts';

/** `==> /proc/net/xt_recent/DEFAULT <==`, then a line an entry. */
export const recentLines = (tables: readonly RecentTable[]): string[] =>
  files(tables.map(({ name, entries }) => [`xt_recent/${name}`, entries.map(recentLine)]));

/** `==> /proc/net/ipt_hashlimit/web <==`, then a line an entry. */
export const hashlimitLines = (tables: readonly HashlimitTable[]): string[] =>
  files(
    tables.map(({ family, name, entries }) => [`${family === 4 ? 'ipt' : 'ip6t'}_hashlimit/${name}`, entries.map(hashlimitLine)]),
  );

const files = (all: readonly [path: string, lines: readonly string[]][]): string[] =>
  all.flatMap(([path, lines], i) => [...(i === 0 ? [] : ['']), `==> /proc/net/${path} <==`, ...lines]);

const recentLine = ({ address, ttl, lastSeen, oldest, stamps }: RecentEntry): string =>
  `src=${whole(address)} ttl: ${ttl} last_seen: ${lastSeen} oldest_pkt: ${oldest} ${stamps.join(', ')}`;

const hashlimitLine = ({
  seconds,
  source,
  sourcePort,
  destination,
  destinationPort,
  credit,
  cap,
  cost,
}: HashlimitEntry): string =>
  `${seconds} ${whole(source)}:${sourcePort}->${whole(destination)}:${destinationPort} ${credit} ${cap} ${cost}`;

/** %pI4 and %pI6, which writes all zeros. */
function whole(address: Words): string {
  if (address.length === 1) return formatAddress(address);
  return address.flatMap((word) => [word >>> 16, word & 0xffff].map((half) => half.toString(16).padStart(4, '0'))).join(':');
}
