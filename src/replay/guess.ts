/** Guesses the host model from the first packets of a capture and from the rules, and says what it guessed. */
import { formatAddress } from '../model/address.ts';
import type { Host } from '../model/host.ts';
import { buildHost, type HostGiven } from '../model/host-build.ts';
import type { Family, RuleSet } from '../model/ruleset.ts';
import type { Frame } from '../model/witness.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { readLink } from '../packet/link.ts';

/** How many frames are looked at. */
export const GUESS_FRAMES = 20_000;

/** An address is taken for the host's own when it stands in nearly every packet of its family. */
const NEARLY_ALL = 0.9;

const WELL_KNOWN = 1024;

interface Seen {
  packets: number;
  /** Packets in which this address is at the side of the lower, well-known port: servers are protected more often than clients. */
  serving: number;
}

class Census {
  readonly addresses = new Map<string, Seen>();
  packets = 0;

  note(address: string, serving: boolean): void {
    const seen = this.addresses.get(address) ?? { packets: 0, serving: 0 };
    seen.packets++;
    if (serving) seen.serving++;
    this.addresses.set(address, seen);
  }

  /** The most frequent addresses first; the serving side wins a tie. */
  ranking(): [string, Seen][] {
    return [...this.addresses].sort(([, a], [, b]) => b.packets - a.packets || b.serving - a.serving);
  }
}

/**
 * The host model for these packets under these rules. Never fails: with nothing to go by, every packet is taken for a forwarded one.
 * `given` holds flags that were given without saying who is local (`--in` alone).
 */
export function guessHost(frames: readonly Frame[], rules: readonly RuleSet[], given: HostGiven = {}): Host {
  const names = interfacesOf(rules);
  if (onlyForwards(rules)) return router(given, names, 'only FORWARD has rules');
  const census = takeCensus(frames);
  const local: string[] = [];
  const notes: string[] = [];
  for (const family of [4, 6] as const) {
    const counted = census[family];
    const [best] = counted.ranking();
    if (best === undefined) continue;
    const [address, seen] = best;
    if (seen.packets < counted.packets * NEARLY_ALL) continue;
    local.push(address);
    notes.push(`guessed ${address} to be the host's own address (in ${seen.packets} of ${counted.packets} IPv${family} packets)`);
  }
  if (local.length === 0) return router(given, names, 'no address stands in nearly every packet');
  const input = given.in ?? names.in ?? 'eth0';
  const host = buildHost({ ...given, local, in: input, out: given.out ?? names.out ?? input });
  return { ...host, guessed: true, notes: notes.map((note) => `${note}; --local or --forward says it for sure`) };
}

function router(given: HostGiven, names: { in?: string; out?: string }, why: string): Host {
  const input = given.in ?? names.in ?? 'eth0';
  const output = given.out ?? names.out ?? (input === 'eth1' ? 'eth0' : 'eth1');
  const host = buildHost({ ...given, forward: true, in: input, out: output });
  const note = `guessed a router (${why}): every packet enters at ${input} and leaves at ${output}; --local, --in and --out say it for sure`;
  return { ...host, guessed: true, notes: [note] };
}

/** Rules in filter's FORWARD and none in INPUT and OUTPUT. */
function onlyForwards(rules: readonly RuleSet[]): boolean {
  const chains = rules.flatMap((ruleset) => ruleset.tables.find((table) => table.name === 'filter')?.chains ?? []);
  const has = (name: string): boolean => chains.some((chain) => chain.name === name && chain.rules.length > 0);
  return has('FORWARD') && !has('INPUT') && !has('OUTPUT');
}

/** The first interfaces the rules name without a wildcard (lo left out). */
function interfacesOf(rules: readonly RuleSet[]): { in?: string; out?: string } {
  const all = rules.flatMap((ruleset) => ruleset.tables.flatMap((table) => table.chains.flatMap((chain) => chain.rules)));
  const name = (side: 'inInterface' | 'outInterface'): string | undefined =>
    all
      .map((rule) => rule.builtin[side])
      .find((match) => match !== undefined && !match.invert && !match.pattern.endsWith('+') && match.pattern !== 'lo')?.pattern;
  const found: { in?: string; out?: string } = {};
  const [input, output] = [name('inInterface'), name('outInterface')];
  if (input !== undefined) found.in = input;
  if (output !== undefined) found.out = output;
  return found;
}

function takeCensus(frames: readonly Frame[]): Record<Family, Census> {
  const census = { 4: new Census(), 6: new Census() };
  for (const frame of frames.slice(0, GUESS_FRAMES)) countFrame(frame, census);
  return census;
}

function countFrame(frame: Frame, census: Record<Family, Census>): void {
  const link = readLink(frame);
  if (link.kind !== 'ip') return;
  const bytes = frame.bytes.subarray(link.offset);
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && ipv4.checkHeader(bytes) === null) {
    countPacket(
      census[4],
      4,
      ipv4.source(bytes),
      ipv4.destination(bytes),
      portsOf(bytes, ipv4.protocol(bytes), ipv4.headerLength(bytes)),
    );
  } else if (version === 6 && bytes.length >= ipv6.HEADER_LENGTH) {
    countPacket(
      census[6],
      6,
      ipv6.source(bytes),
      ipv6.destination(bytes),
      portsOf(bytes, ipv6.nextHeader(bytes), ipv6.HEADER_LENGTH),
    );
  }
}

function portsOf(bytes: Uint8Array, protocol: number, offset: number): [number, number] {
  if ((protocol !== 6 && protocol !== 17) || bytes.length < offset + 4) return [0, 0];
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  return [view.getUint16(0), view.getUint16(2)];
}

function countPacket(
  census: Census,
  family: Family,
  source: readonly number[],
  destination: readonly number[],
  ports: [number, number],
): void {
  if (!isUnicast(source, family) || !isUnicast(destination, family)) return;
  census.packets++;
  const [from, to] = ports;
  census.note(formatAddress(source), from < to && from < WELL_KNOWN && from !== 0);
  census.note(formatAddress(destination), to < from && to < WELL_KNOWN && to !== 0);
}

/** Neither multicast, broadcast, unspecified nor link-local: an address that can be a host's own for good. */
function isUnicast(address: readonly number[], family: Family): boolean {
  const first = address[0]!;
  if (family === 4) return first !== 0 && first >>> 28 < 14 && first >>> 24 !== 127;
  return first >>> 24 !== 0xff && first >>> 22 !== 0x3fa && address.some((word) => word !== 0);
}
