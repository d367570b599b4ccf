/**
 * The small language that extensions lower to. A match becomes a list of tests, done in order; the first that fails decides: `miss` (the rule does not match) or
 * `hotdrop` (the packet is dropped now, the rule is not counted). Tests of fields (abi/fields.ts) can be decided by the tree; special tests are residual.
 */

import type { NatSpec } from './nat.ts';

export type OnFail = 'miss' | 'hotdrop';

export type Test =
  /** low <= field <= high (u32, unsigned), inverted when `invert`. */
  | { kind: 'range'; field: number; low: number; high: number; invert: boolean; onFail: OnFail }
  /** (field & mask) === value. */
  | { kind: 'mask'; field: number; mask: number; value: number; invert: boolean; onFail: OnFail }
  /** Any of `fields` lies in any of `ranges` (multiport, sets of states: low === high). */
  | { kind: 'ranges'; fields: readonly number[]; ranges: readonly (readonly [number, number])[]; invert: boolean; onFail: OnFail }
  /** For all i: (field[i] & mask[i]) === value[i], over consecutive fields (addresses, MAC). */
  | { kind: 'words'; field: number; mask: readonly number[]; value: readonly number[]; invert: boolean; onFail: OnFail }
  /** low <= (field[0], field[1]...) <= high, compared as one big unsigned number (iprange). */
  | { kind: 'wordRange'; field: number; low: readonly number[]; high: readonly number[]; invert: boolean; onFail: OnFail }
  /** abi/special.ts. `stateful`: it changes state when reached, so it is never skipped, doubled or moved. */
  | { kind: 'special'; code: number; parameters: readonly number[]; stateful: boolean; shared?: SharedState }
  /** Decided without a packet (assumed matches, `comment`). */
  | { kind: 'constant'; value: boolean };

/**
 * State that all tests which name it share (a list of `recent`, a table of `hashlimit`), in whatever rules of whatever tables. Tests with it are stateful. Behind their own parameters
 * the compiler writes, the same for all of them: `first` of the rule that is loaded first, then the largest of each of `most`.
 */
export interface SharedState {
  /** Unique over all kinds. */
  name: string;
  first: readonly number[];
  most: readonly number[];
  /** Bytes of memory it takes; the largest counts. */
  bytes: number;
}

/** What a target does besides being counted. */
export type Action =
  /** RESET: rejected by a TCP reset, which closes the packet's connection. */
  | { kind: 'verdict'; verdict: 'ACCEPT' | 'DROP' | 'REJECT' | 'RESET' }
  | { kind: 'return' }
  | { kind: 'jump'; chain: string }
  | { kind: 'goto'; chain: string }
  /** No target, LOG, NFLOG...: go on with the next rule. */
  | { kind: 'continue' }
  /** mark = (mark & ~mask) ^ value. */
  | { kind: 'mark'; mask: number; value: number }
  /** CT --notrack and NOTRACK: untracked unless a connection or an untracked mark is already there. */
  | { kind: 'notrack' }
  /** Translates the packet's connection; the walk ends, with DROP where there is no address to give. */
  | { kind: 'nat'; spec: NatSpec }
  /** Something done with the packet's connection: a code and parameters of abi/effects.ts; `changes`: the fields (abi/fields.ts) of the packet that change; `ends`: the walk ends behind it, with ACCEPT. */
  | { kind: 'effect'; code: number; parameters: readonly number[]; changes: readonly number[]; ends?: true };
