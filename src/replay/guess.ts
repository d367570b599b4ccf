/** Guesses the host model from the first packets of a capture and from the rules, and says what it guessed. */
import { formatAddress, isWhole } from '../model/address.ts';
import { numberlessNotes } from '../model/device-numbers.ts';
import type { Host } from '../model/host.ts';
import { buildHost, type HostGiven } from '../model/host-build.ts';
import type { RuleSet } from '../model/ruleset.ts';
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

/** The addresses taken for the host's own, and why. */
function ownAddresses(
  census: Censuses,
  rules: readonly RuleSet[],
  { enough, all }: { enough: number; all: boolean },
): { local: string[]; notes: string[] } {
  const local: string[] = [];
  const notes: string[] = [];
  const named = addressesOf(rules);
  for (const family of [4, 6] as const) {
    const counted = census.families[family];
    const best = named.find((address) => counted.addresses.has(address)) ?? bestOf(counted, enough);
    if (best === undefined) continue;
    const seen = counted.addresses.get(best)!;
    const why = named.includes(best) ? 'the rules name it, and it is' : 'it is';
    const beside = linkLocalOf(seen, census);
    local.push(best, ...beside);
    const also = beside.length === 0 ? '' : ` and ${beside.join(', ')} with the same MAC`;
    notes.push(
      `guessed ${best}${also} to be the host's own (${why} in ${seen.packets} of ${all ? '' : 'the first '}${counted.packets} IPv${family} packets)`,
    );
  }
  return { local, notes };
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
