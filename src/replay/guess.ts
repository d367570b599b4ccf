/** Guesses the host model from the first packets of a capture and from the rules, and says what it guessed. */

import { formatAddress, isWhole } from '../model/address.ts';
import { count } from '../model/count.ts';
import { numberlessNotes } from '../model/device-numbers.ts';
import type { Host } from '../model/host.ts';
import { buildHost, type HostGiven } from '../model/host-build.ts';
import type { Family, RuleSet } from '../model/ruleset.ts';
import type { Frame } from '../model/witness.ts';
import { type Census, type Censuses, countFrame, emptyCensus, GUESS_FRAMES, type Seen } from './census.ts';
import { NumberedPackets } from './numberless.ts';

/** An address is taken for the host's own when it stands in nearly every packet of its family. */
const NEARLY_ALL = 0.9;
/** Enough when the rules are those of a host that forwards nothing. */
const MOST = 0.5;

/** Looks at packets one by one, and keeps none. Never fails: with nothing to go by, every packet is taken for a forwarded one. */
export class HostGuess {
  /** How many frames it wants to see at most. */
  readonly wanted: number;
  readonly #rules: readonly RuleSet[];
  readonly #given: HostGiven;
  readonly #walked: Record<FilterChain, boolean>;
  readonly #census = emptyCensus();

  /** `given` holds flags that were given without saying who is local (`--in` alone). */
  constructor(rules: readonly RuleSet[], given: HostGiven = {}) {
    this.#rules = rules;
    this.#given = given;
    this.#walked = filterChains(rules);
    this.wanted = this.#forwardsOnly() ? 0 : GUESS_FRAMES;
  }

  /** Counts devices by their numbers, in other captures, too. */
  numbered(): NumberedPackets {
    return new NumberedPackets(this.#census.devices);
  }

  /** The next frame of the capture. */
  see(frame: Frame): void {
    if (this.wanted > 0) countFrame(this.#census, frame);
  }

  #forwardsOnly(): boolean {
    return this.#walked.FORWARD && !this.#walked.INPUT && !this.#walked.OUTPUT;
  }

  /** The host model for the packets that were seen. `all`: there are no others. */
  host(all = true): Host {
    const host = this.#guessed(all);
    host.notes.push(...numberlessNotes(this.#census.devices.size, false));
    return host;
  }

  #guessed(all: boolean): Host {
    const given = this.#given;
    const names = interfacesOf(this.#rules);
    if (this.#forwardsOnly()) return router(given, names, 'only FORWARD has rules');
    const census = this.#census;
    if (census.interfaces.size > 1 && this.#walked.FORWARD) {
      const why = `the capture has the interfaces ${[...census.interfaces].join(', ')}`;
      return router(given, names, `${why}; with --addr and --route its own packets and ways are known`);
    }
    const { local, notes } = ownAddresses(census, this.#rules, { enough: this.#walked.FORWARD ? NEARLY_ALL : MOST, all });
    if (local.length === 0) return router(given, names, 'no address of this host stands in nearly every packet');
    const input = given.in ?? names.in[0] ?? 'eth0';
    const host = buildHost({ ...given, local, in: input, out: given.out ?? names.out[0] ?? input });
    return { ...host, guessed: true, notes: notes.map((note) => `${note}; --local or --forward says it for sure`) };
  }
}

/** An address of one family that is taken for the host's own. */
interface Own {
  family: Family;
  address: string;
  seen: Seen;
  why: string;
  /** Others that are, too. */
  beside: string[];
}

/** The addresses taken for the host's own, and why. Both families' are of one machine. */
function ownAddresses(
  census: Censuses,
  rules: readonly RuleSet[],
  { enough, all }: { enough: number; all: boolean },
): { local: string[]; notes: string[] } {
  const named = addressesOf(rules);
  const found = ([4, 6] as const).flatMap((family) => ownOf(family, census, named, enough));
  const [sure, other] = found.sort((a, b) => strength(b, named) - strength(a, named) || b.seen.packets - a.seen.packets);
  if (sure === undefined) return { local: [], notes: [] };
  const family = sure.family === 4 ? 6 : 4;
  const like = other === undefined ? 'stranger' : kinship(sure, other, named);
  const second = like === 'same' ? other : (withMac(sure, family, census) ?? (like === 'unknown' ? other : undefined));
  const own = [sure, ...(second === undefined ? [] : [second])].sort((a, b) => a.family - b.family);
  const of = (counted: Census): string => `${all ? '' : 'the first '}${count(counted.packets)} IPv`;
  const notes = own.map(({ family, address, seen, why, beside }) => {
    const also = beside.length === 0 ? '' : ` and ${beside.join(', ')} with the same MAC`;
    return `guessed ${address}${also} to be the host's own (${why} in ${count(seen.packets)} of ${of(census.families[family])}${family} packets)`;
  });
  const left = census.families[family];
  if (second === undefined && left.packets > 0) {
    const stranger =
      other === undefined
        ? 'no address stands in nearly all of them'
        : `${other.address} does not belong to the MAC of ${sure.address}`;
    notes.push(`took ${of(left)}${family} packets for those of others (${stranger})`);
  }
  return { local: own.flatMap(({ address, beside }) => [address, ...beside]), notes };
}

function ownOf(family: Family, census: Censuses, named: readonly string[], enough: number): Own[] {
  const counted = census.families[family];
  const address = named.find((one) => counted.addresses.has(one)) ?? bestOf(counted, enough);
  if (address === undefined) return [];
  const seen = counted.addresses.get(address)!;
  const why = named.includes(address) ? 'the rules name it, and it is' : 'it is';
  return [{ family, address, seen, why, beside: linkLocalOf(seen, census) }];
}

/** What the rules say comes before what the capture says, and that before what only stands often in it. */
const strength = ({ address, seen }: Own, named: readonly string[]): number =>
  named.includes(address) ? 2 : seen.outgoing > 0 ? 1 : 0;

/** Whether both are of one machine. */
function kinship(sure: Own, other: Own, named: readonly string[]): 'same' | 'unknown' | 'stranger' {
  if (strength(other, named) > 0) return 'same';
  // What the host sent would be told as such.
  if (strength(sure, named) === 1 && other.seen.sent > 0) return 'stranger';
  const { macs } = sure.seen;
  if (macs.size === 0 || other.seen.macs.size === 0) return 'unknown';
  return [...other.seen.macs].some((mac) => macs.has(mac)) ? 'same' : 'stranger';
}

/** The addresses of the other family that the same network card sent with, fresh. */
function withMac(sure: Own, family: Family, census: Censuses): Own | undefined {
  const [mac, ...others] = sure.seen.macs;
  if (mac === undefined || others.length > 0) return undefined;
  const sent = [...census.families[family].addresses]
    .filter(([, seen]) => seen.near && seen.macs.has(mac) && seen.macs.size === 1)
    .sort(([, a], [, b]) => b.packets - a.packets);
  const [first, ...more] = sent;
  if (first === undefined) return undefined;
  const [address, seen] = first;
  const beside = [...more.map(([name]) => name), ...linkLocalOf(seen, census)];
  return { family, address, seen, why: `it has the MAC of ${sure.address}, and is`, beside };
}

/** An address that lies behind a router is no candidate, however much it talks. */
function bestOf(census: Census, enough: number): string | undefined {
  const [best] = census.ranking();
  if (best === undefined) return undefined;
  const [address, seen] = best;
  return seen.near && seen.packets >= census.packets * enough ? address : undefined;
}

/** The link-local addresses the same network card sent with; none when it sent for more than one card. */
function linkLocalOf(seen: Seen, census: Censuses): string[] {
  const [mac, ...others] = seen.macs;
  return mac === undefined || others.length > 0 ? [] : [...(census.linkLocal.get(mac) ?? [])];
}

function router(given: HostGiven, names: Named, why: string): Host {
  const input = given.in ?? names.in[0] ?? 'eth0';
  const output = given.out ?? names.out.find((name) => name !== input) ?? (input === 'eth1' ? 'eth0' : 'eth1');
  const host = buildHost({ ...given, forward: true, in: input, out: output });
  const note = `guessed a router (${why}): every packet enters at ${input} and leaves at ${output}, answers, too, which on the router go the other way: rules with -i or -o are judged for one direction only; --local ADDRESS/PREFIX@DEVICE for each of its devices, or --addr and --route, says it for sure`;
  return { ...host, guessed: true, notes: [note] };
}

type FilterChain = 'INPUT' | 'FORWARD' | 'OUTPUT';

/** Which built-in chains of filter have rules. */
function filterChains(rules: readonly RuleSet[]): Record<FilterChain, boolean> {
  const chains = rules.flatMap((ruleset) => ruleset.tables.find((table) => table.name === 'filter')?.chains ?? []);
  const has = (name: string): boolean => chains.some((chain) => chain.name === name && chain.rules.length > 0);
  return { INPUT: has('INPUT'), FORWARD: has('FORWARD'), OUTPUT: has('OUTPUT') };
}

const rulesIn = (ruleset: RuleSet, names?: readonly string[]) =>
  ruleset.tables.flatMap((table) =>
    table.chains.filter((chain) => names?.includes(chain.name) ?? true).flatMap((chain) => chain.rules),
  );

/** Interfaces that rules name without a wildcard (lo left out), those of FORWARD first. */
interface Named {
  in: string[];
  out: string[];
}

function interfacesOf(rules: readonly RuleSet[]): Named {
  const all = [...rules.flatMap((ruleset) => rulesIn(ruleset, ['FORWARD'])), ...rules.flatMap((ruleset) => rulesIn(ruleset))];
  const names = (side: 'inInterface' | 'outInterface'): string[] =>
    all
      .map((rule) => rule.builtin[side])
      .filter((match) => match !== undefined && !match.invert && !match.pattern.endsWith('+') && match.pattern !== 'lo')
      .map((match) => match!.pattern);
  return { in: names('inInterface'), out: names('outInterface') };
}

/** Whole addresses that INPUT's rules have as destination or OUTPUT's as source: the writer says they are the host's. */
function addressesOf(rules: readonly RuleSet[]): string[] {
  const found = rules.flatMap((ruleset) => [
    ...rulesIn(ruleset, ['INPUT']).map((rule) => rule.builtin.destination),
    ...rulesIn(ruleset, ['OUTPUT']).map((rule) => rule.builtin.source),
  ]);
  return found
    .filter((match) => match !== undefined && !match.invert && isWhole(match.mask))
    .map((match) => formatAddress(match!.address));
}
