/** A witness's connections held against what `conntrack -L` printed: line by line, column by column. */
import type { ConntrackEntry } from '../model/outcome.ts';
import { conntrackLine } from '../report/conntrack.ts';

/** When the kernel listed: after `from`, before `to` (nanoseconds since the epoch), at HZ `hz`. */
export interface Listing {
  text: string;
  from: bigint;
  to: bigint;
  hz: number;
}

/** The line of a connection up to its reply: there is but one for each. */
const originalOf = (line: string): string =>
  line
    .replace(/^(\S+ +\d+ \S+ +\d+) \d+( [A-Z][A-Z0-9_]*)?/, '$1')
    .replace(/( \[UNREPLIED\])? src=\S+ dst=\S+[^[\]]*?( \[ASSURED\])? mark=.*$/, '');

/** A number of the reply that the kernel draws by lot is left out of the lines of that connection. */
function withoutDrawn(lines: readonly string[], entries: readonly ConntrackEntry[]): string[] {
  const drawn = new Map(
    entries.flatMap((entry) => (entry.drawn === undefined ? [] : [[originalOf(conntrackLine(entry)), entry.drawn] as const])),
  );
  return lines.map((line) => {
    const ends = drawn.get(originalOf(line)) ?? [];
    const masked = ends.reduce(
      (text, end) => text.replace(end === 'source' ? /(.*)( dport=)\d+/ : /(.*)( sport=)\d+/, '$1$2*'),
      line,
    );
    return ends.length > 0 ? masked.replace(/(.*)( id=)\d+/, '$1$2*') : masked;
  });
}

/** Whole seconds left, by the line without them. */
function byLine(lines: readonly string[]): Map<string, number> {
  return new Map(
    lines.map((line) => {
      // A connection that others were expected by is used by these, too; we do not count them.
      const [, before = '', seconds = '', behind = ''] = /^(\S+ +\d+ \S+ +\d+ )(\d+)( .*) use=\d+$/.exec(line) ?? [];
      return [`${before}...${behind}`, Number(seconds)];
    }),
  );
}

/**
 * What differs, a line each. The moment of listing is known within some milliseconds only: what lives at its end must be listed, what is listed must live at its begin, and the seconds
 * left lie between those of both. The kernel's jiffies have a phase of their own, so a jiffy is added on both sides.
 */
export function listingDifferences({ text, from, to, hz }: Listing, connections: (at: bigint) => ConntrackEntry[]): string[] {
  const jiffy = 1_000_000_000n / BigInt(hz) + 1n;
  const [before, behind] = [connections(from - jiffy), connections(to + jiffy)];
  const lineOf = (entries: readonly ConntrackEntry[]): Map<string, number> =>
    byLine(withoutDrawn(entries.map(conntrackLine), before));
  const kernel = byLine(
    withoutDrawn(
      text.split('\n').filter((line) => line !== ''),
      before,
    ),
  );
  const [first, last] = [lineOf(before), lineOf(behind)];
  const lines = [...last.keys()].filter((line) => !kernel.has(line)).map((line) => `not listed by the kernel: ${line}`);
  for (const [line, seconds] of kernel) {
    const most = first.get(line);
    const least = last.get(line) ?? 0;
    if (most === undefined) lines.push(`listed by the kernel only: ${line}`);
    else if (seconds > most || seconds < least) lines.push(`${line}: ${seconds} seconds by the kernel, ${least} to ${most} here`);
  }
  return lines;
}
