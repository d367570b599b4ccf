/** What a witness remembers held against what tools printed of the kernel: connections and expectations (`conntrack -L`, `conntrack -L expect`), sets (`ipset save`); line by line, column by column. */
import type { IpSet } from '../model/ipset.ts';
import type { ConntrackEntry, ConntrackExpectation, ConntrackTuple } from '../model/outcome.ts';
import { conntrackLine, expectationLine } from '../report/conntrack.ts';
import { saveIpsets } from '../syntax/index.ts';

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
  return heldAgainst(kernel, lineOf(before), lineOf(behind));
}

/** The lines of `ipset save`, less the sizes that only the kernel knows; seconds left stand behind `timeout`. */
function setLines(text: string): Map<string, number> {
  const lines = text.replaceAll(/(?<=^create .*)( initval 0x\w+| hashsize \d+)/gm, '').split('\n');
  return new Map(
    lines.map((line) => {
      const [, before, seconds, behind = ''] = /^(add \S+ \S+) timeout (\d+)(.*)$/.exec(line) ?? [];
      return before === undefined ? [line, 0] : [`${before} ...${behind}`, Number(seconds)];
    }),
  );
}

/** The same for sets, whose order the tool does not tell. The kernel's lines are taken as they are: they have not been through our reader. */
export function setDifferences({ text, from, to, hz }: Listing, sets: (at: bigint) => IpSet[]): string[] {
  const jiffy = 1_000_000_000n / BigInt(hz) + 1n;
  const [before, behind] = [from - jiffy, to + jiffy].map((at) => setLines(saveIpsets(sets(at))));
  return heldAgainst(setLines(text), before!, behind!);
}

/** The lines of the kernel, and those of a witness before and behind the kernel's moment, each with the seconds left. */
function heldAgainst(
  kernel: ReadonlyMap<string, number>,
  first: ReadonlyMap<string, number>,
  last: ReadonlyMap<string, number>,
): string[] {
  const lines = [...last.keys()].filter((line) => !kernel.has(line)).map((line) => `not listed by the kernel: ${line}`);
  for (const [line, seconds] of kernel) {
    const most = first.get(line);
    const least = last.get(line) ?? 0;
    if (most === undefined) lines.push(`listed by the kernel only: ${line}`);
    else if (seconds > most || seconds < least) lines.push(`${line}: ${seconds} seconds by the kernel, ${least} to ${most} here`);
  }
  return lines;
}

/** By the line without its seconds; zones are not printed, so several lines may be the same: those with more seconds come first. */
function expectationsByLine(expectations: readonly ConntrackExpectation[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { timeout = 0, ...rest } of [...expectations].sort((a, b) => (b.timeout ?? 0) - (a.timeout ?? 0))) {
    const line = expectationLine(rest);
    let times = 1;
    while (found.has(times === 1 ? line : `${line} (${times})`)) times++;
    found.set(times === 1 ? line : `${line} (${times})`, timeout);
  }
  return found;
}

/**
 * The same of expectations. What is over stays in the kernel's list until its timer runs (0 seconds), and what a connection whose time is over expects until the collector comes by: these are left out.
 */
export function expectationDifferences(
  { expectations, from, to, hz }: Omit<Listing, 'text'> & { expectations: readonly ConntrackExpectation[] },
  answer: {
    connections(at: bigint): ConntrackEntry[];
    expectations(at: bigint): ConntrackExpectation[];
  },
): string[] {
  const jiffy = 1_000_000_000n / BigInt(hz) + 1n;
  const [before, behind] = [from - jiffy, to + jiffy];
  const masters = new Set(answer.connections(before).map(({ original }) => endsOf(original)));
  const [first, last] = [answer.expectations(before), answer.expectations(behind)].map(expectationsByLine);
  const living = expectations.filter(({ timeout = 0, master }) => timeout > 0 && masters.has(endsOf(master)));
  const atLast = new Map([...last!].filter(([, seconds]) => seconds > 0));
  return heldAgainst(expectationsByLine(living), first!, atLast);
}

const endsOf = ({ source, destination }: ConntrackTuple): string =>
  [source.address, source.port, destination.address, destination.port].join(' ');
