/** The state of an image's special tests: there, whole, and the same for all who share it. */
import { STATE_SIZE } from '../abi/image.ts';
import * as special from '../abi/special.ts';
import type { KeptState } from '../compile/tests.ts';
import { ImageError } from './image-error.ts';

interface Shared {
  /** Of tests of several codes that share it. */
  kind?: string;
  /** From which parameter on they must agree, and how many bytes it has by those; NaN for what the engine would fail on. */
  from: number;
  bytes(agreed: Uint32Array): number;
}

const rates = (from: number): Shared => ({ kind: 'rates', from, bytes: () => special.RATE_SIZE });

/** State that tests share. */
const SHARED: ReadonlyMap<number, Shared> = new Map<number, Shared>([
  [special.SPECIAL_ACCOUNT, { from: 0, bytes: () => special.ACCOUNT_SIZE }],
  [special.SPECIAL_RATE_COUNT, rates(0)],
  [special.SPECIAL_RATE_KEEP, rates(0)],
  [special.SPECIAL_RATE_COMPARE, rates(5)],
  [special.SPECIAL_RECENT, { from: 4, bytes: ([, , , , stamps]) => recentBytes(stamps!) }],
  [
    special.SPECIAL_HASHLIMIT,
    {
      from: 2,
      bytes: ([, most, places, entry, low, high]) =>
        low === 0 && high === 0 ? Number.NaN : hashlimitBytes(most!, places!, entry!),
    },
  ],
]);

const recentBytes = (stamps: number): number =>
  (stamps & (stamps + 1)) !== 0
    ? Number.NaN
    : special.RECENT_SIZE + special.RECENT_ENTRIES * (special.RECENT_ENTRY + (stamps + 1) * 8);

function hashlimitBytes(most: number, places: number, entry: number): number {
  if ((places & (places + 1)) !== 0 || (entry !== special.HASHLIMIT_ENTRY4 && entry !== special.HASHLIMIT_ENTRY6))
    return Number.NaN;
  return special.HASHLIMIT_SIZE + (places + 1) * 4 + most * entry;
}

/** The codes of tests whose state is told at the end, by what its name begins with, and how many parameters they agree on. */
const TOLD: readonly (readonly [name: RegExp, code: number, parameters: number])[] = [
  [/^recent /, special.SPECIAL_RECENT, 5],
  [/^hashlimit [46] /, special.SPECIAL_HASHLIMIT, 26],
  [/^nfacct /, special.SPECIAL_ACCOUNT, 0],
];

/** Throws ImageError from any of its methods. */
export class StateChecker {
  readonly #states: number;
  /** By first slot: what uses it, and the slot behind it. */
  readonly #claims = new Map<number, { user: string; end: number }>();

  constructor(states: number) {
    this.#states = states;
  }

  /** A test of a known code with all its parameters; its first slot of state (0 for tests without, too). */
  test(code: number, slot: number, parameters: Uint32Array): void {
    const shared = SHARED.get(code);
    if (shared === undefined) {
      demand(slot === 0 || slot < this.#states, 'state that does not exist');
      if (slot !== 0) this.#claim(slot, slot + 1, 'one test');
      return;
    }
    this.#share(code, shared, slot, parameters.subarray(shared.from));
  }

  /** State that is told at the end: what its name says it is, for whatever tests use it. */
  kept({ name, slot, parameters }: KeptState): void {
    const [, code, agreed] = TOLD.find(([pattern]) => pattern.test(name)) ?? [];
    if (code === undefined) return;
    demand(slot >= 0 && parameters.length === agreed, 'state that does not exist');
    this.#share(code, SHARED.get(code)!, slot, Uint32Array.from(parameters));
  }

  /** The slot of a template of CT. */
  template(slot: number): void {
    demand(slot < this.#states, 'state that does not exist');
    this.#claim(slot, slot + 1, 'a template');
  }

  /** When all tests were seen: no state lies in another's. */
  end(): void {
    let before = 0;
    for (const [slot, { end }] of [...this.#claims].sort(([a], [b]) => a - b)) {
      demand(slot >= before, 'state that overlaps');
      before = end;
    }
  }

  #share(code: number, shared: Shared, slot: number, agreed: Uint32Array): void {
    const end = slot + Math.ceil(shared.bytes(agreed) / STATE_SIZE);
    demand(end <= this.#states, 'state that does not exist');
    this.#claim(slot, end, `${shared.kind ?? code}: ${agreed}`);
  }

  #claim(slot: number, end: number, user: string): void {
    const known = this.#claims.get(slot);
    demand(known === undefined || known.user === user, 'state of several kinds');
    this.#claims.set(slot, { user, end });
  }
}

function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new ImageError('code', `code: ${what}`);
}
