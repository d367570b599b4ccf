/** Connections that helpers foresee (net/netfilter/nf_conntrack_expect.c of 6.18). Expiry is looked at when one is met, as for connections. */
import { HELPER_NONE } from '../../abi/helpers.ts';
import type { Family, Words } from '../../model/ruleset.ts';
import type { Connection, Direction } from './connection.ts';
import type { Help, Policy } from './helpers/helper.ts';
import type { Tuple } from './tuple.ts';

/** What a first packet must look like to be expected. */
export interface Expectation {
  family: Family;
  /** Source address and port as far as the mask has ones; destination and protocol exactly. */
  tuple: Tuple;
  mask: { source: Words; sourcePort: number };
  /** The connection whose helper foresees it. */
  master: Connection;
  /** Not used up by the connection it was for. */
  permanent: boolean;
  /** Its class: how many there may be of a master, and for how long, is said for each. */
  kind: number;
  /** Nothing fulfils it yet. */
  inactive: boolean;
  /** HELPER_* of the helper that the connection is assigned to. */
  assigns: number;
  /** The connection is translated as its master is (nf_nat_follow_master), or to where SIP announced it (nf_nat_sip_expected). */
  follows: Follows | Announced | Forwarded | null;
  /** The jiffy at which it is over. */
  timeout: number;
}

/** In which direction of its master it goes, and the port it has behind the translation: that of its destination, or of its source. */
export interface Follows {
  direction: Direction;
  port: number;
  end: 'source' | 'destination';
}

/** In which direction of its master it goes, where it was announced before that was translated, and whether there is another of a pair (media). */
export interface Announced {
  direction: Direction;
  address: Words;
  port: number;
  media: boolean;
}

/** In which direction of its master it goes, and to where that was forwarded. */
export interface Forwarded {
  direction: Direction;
  forwardedTo: Words;
  port: number;
}

/** What a helper says of one; the rest follows from its policy. */
export type Foreseen = Pick<Expectation, 'tuple' | 'mask'> &
  Partial<Pick<Expectation, 'permanent' | 'kind' | 'inactive' | 'assigns' | 'follows'>> & {
    /** The same that another connection made expected is as good. */
    anyMaster?: boolean;
  };

/** `already`: the same is, by another connection or as another class. `busy`: nobody could tell it from one that is expected already. `full`: there are too many. */
export type Expected = 'expected' | 'already' | 'busy' | 'full';

export class ExpectationTable {
  /** By what is never masked, the zone of the master among it, whichever directions are in it (nf_ct_zone_equal_any); the newest first. */
  readonly #byDestination = new Map<string, Expectation[]>();
  /** How many the kernel keeps at most. */
  readonly #most: number;
  #count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** The expectation that a new connection's tuple fulfils; it is used up by that, unless it is permanent. One whose master is not confirmed yet hides those behind it. */
  fulfil(family: Family, zone: number, tuple: Tuple, now: number): Expectation | undefined {
    const found = this.#living(family, zone, tuple, now).find((one) => !one.inactive && fits(tuple, one));
    if (found === undefined || !found.master.confirmed) return undefined;
    if (!found.permanent) this.remove(found);
    return found;
  }

  /** The first that the tuple would fulfil, were it active (__nf_ct_expect_find). */
  find(family: Family, zone: number, tuple: Tuple, now: number): Expectation | undefined {
    return this.#living(family, zone, tuple, now).find((one) => fits(tuple, one));
  }

  /** nf_ct_expect_related. */
  expect(master: Connection, help: Help, foreseen: Foreseen, now: number, hz: number): Expected {
    const { tuple, mask, permanent = false, inactive = false, assigns = HELPER_NONE, kind = 0, follows = null } = foreseen;
    const {
      family,
      zone: { id: zone },
    } = master;
    const { most, seconds } = policyOf(help, kind);
    const fresh: Expectation = {
      family,
      tuple,
      mask,
      master,
      permanent,
      inactive,
      assigns,
      kind,
      follows,
      timeout: now + seconds * hz,
    };
    for (const one of this.#living(family, zone, tuple, now)) {
      if ((foreseen.anyMaster || one.master === master) && same(one, fresh)) {
        if (one.master !== master || one.kind !== kind) return 'already';
        this.remove(one);
        break;
      }
      if (clash(one, fresh)) return 'busy';
    }
    const alike = (): Expectation[] => help.expectations.filter((one) => one.kind === kind);
    if (alike().length >= most) {
      for (const one of alike()) if (one.timeout - now <= 0) this.remove(one);
      const oldest = alike().at(-1);
      if (alike().length >= most && oldest !== undefined) this.remove(oldest);
    }
    if (this.#count >= this.#most) this.#dropOver(now);
    if (this.#count >= this.#most) return 'full';
    const key = keyOf(family, zone, tuple);
    this.#byDestination.set(key, [fresh, ...(this.#byDestination.get(key) ?? [])]);
    help.expectations.unshift(fresh);
    this.#count++;
    return 'expected';
  }

  remove(gone: Expectation): void {
    const key = keyOf(gone.family, gone.master.zone.id, gone.tuple);
    const others = (this.#byDestination.get(key) ?? []).filter((one) => one !== gone);
    if (others.length > 0) this.#byDestination.set(key, others);
    else this.#byDestination.delete(key);
    const { help } = gone.master;
    if (help !== null) help.expectations = help.expectations.filter((one) => one !== gone);
    this.#count--;
  }

  /** The connection is no more: nor is what it made us expect. */
  forget(master: Connection): void {
    for (const one of [...(master.help?.expectations ?? [])]) this.remove(one);
  }

  /** All that are in force at `now`. */
  *live(now: number): Iterable<Expectation> {
    for (const all of this.#byDestination.values()) for (const one of all) if (isLiving(one, now)) yield one;
  }

  /** Here their timers have not run. */
  #dropOver(now: number): void {
    for (const all of [...this.#byDestination.values()]) for (const one of all) if (!isLiving(one, now)) this.remove(one);
  }

  #living(family: Family, zone: number, tuple: Tuple, now: number): Expectation[] {
    const all = this.#byDestination.get(keyOf(family, zone, tuple)) ?? [];
    const gone = all.filter((one) => !isLiving(one, now));
    for (const one of gone) this.remove(one);
    return gone.length === 0 ? all : all.filter((one) => isLiving(one, now));
  }
}

const policyOf = ({ helper: { policy } }: Help, kind: number): Policy => ('most' in policy ? policy : policy[kind]!);

/** A master whose time is over took its expectations along. */
export function isLiving({ timeout, master }: Expectation, now: number): boolean {
  return timeout - now > 0 && !master.dead && (!master.confirmed || master.timeout - now > 0);
}

function keyOf(family: Family, zone: number, { protocol, destination, destinationPort }: Tuple): string {
  return `${family}|${zone}|${protocol}|${destination.join('.')}|${destinationPort}`;
}

const maskedAlike = (a: Tuple, b: Tuple, mask: Expectation['mask']): boolean =>
  mask.source.every((bits, i) => ((a.source[i]! ^ b.source[i]!) & bits) === 0) &&
  ((a.sourcePort ^ b.sourcePort) & mask.sourcePort) === 0;

/** nf_ct_tuple_mask_cmp; the destination is the same already. */
const fits = (tuple: Tuple, one: Expectation): boolean => maskedAlike(tuple, one.tuple, one.mask);

/** Nobody could tell which of the two a connection was for. */
function clash(a: Expectation, b: Expectation): boolean {
  const source = a.mask.source.map((bits, i) => bits & b.mask.source[i]!);
  return maskedAlike(a.tuple, b.tuple, { source, sourcePort: a.mask.sourcePort & b.mask.sourcePort });
}

function same(a: Expectation, b: Expectation): boolean {
  return (
    a.tuple.sourcePort === b.tuple.sourcePort &&
    a.mask.sourcePort === b.mask.sourcePort &&
    a.tuple.source.every((word, i) => word === b.tuple.source[i]) &&
    a.mask.source.every((word, i) => word === b.mask.source[i])
  );
}
