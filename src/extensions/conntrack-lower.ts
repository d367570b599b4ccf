/** conntrack and state in the predicate language: fields where they say it all, else one special test. */
import {
  CT_ESTABLISHED,
  CT_INVALID,
  CT_NEW,
  CT_RELATED,
  CT_UNTRACKED,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  STATUS_ENTRY,
} from '../abi/fields.ts';
import * as special from '../abi/special.ts';
import type { Test } from '../model/predicate.ts';
import type { ConntrackOptions, Side } from './conntrack-options.ts';
import { constant, masked, oneOf, range } from './tests.ts';

const ALL_STATES = [CT_INVALID, CT_NEW, CT_ESTABLISHED, CT_RELATED, CT_UNTRACKED];
/** States a packet can only be in when it has a connection. */
const WITH_ENTRY = [CT_NEW, CT_ESTABLISHED, CT_RELATED];
const NAT_STATES = special.CONNTRACK_STATE_SNAT | special.CONNTRACK_STATE_DNAT;
const SIDES: readonly Side[] = ['origsrc', 'origdst', 'replsrc', 'repldst'];
const ADDRESS_FLAGS = [
  special.CONNTRACK_ORIGSRC,
  special.CONNTRACK_ORIGDST,
  special.CONNTRACK_REPLSRC,
  special.CONNTRACK_REPLDST,
];
const PORT_FLAGS = [
  special.CONNTRACK_ORIGSRC_PORT,
  special.CONNTRACK_ORIGDST_PORT,
  special.CONNTRACK_REPLSRC_PORT,
  special.CONNTRACK_REPLDST_PORT,
];

export function lowerConntrack(options: ConntrackOptions): Test[] {
  return (
    fieldTests(options) ?? [
      { kind: 'special', code: special.SPECIAL_CONNTRACK, parameters: parametersOf(options), stateful: false },
    ]
  );
}

/** undefined when fields cannot say it: tuples, lifetimes, NAT states, or conditions that the kernel skips when there is no connection. */
function fieldTests({ state, protocol, addresses, ports, status, expire, direction }: ConntrackOptions): Test[] | undefined {
  if (protocol !== undefined || expire !== undefined) return undefined;
  if (SIDES.some((side) => addresses[side] !== undefined || ports[side] !== undefined)) return undefined;
  if (state !== undefined && (state.mask & NAT_STATES) !== 0) return undefined;
  const others = [...statusTests(status), ...directionTests(direction)];
  if (state === undefined) return [masked(FIELD_CT_STATUS, STATUS_ENTRY, STATUS_ENTRY), ...others];
  const asked = ALL_STATES.filter((each) => (state.mask & (1 << each)) !== 0);
  const accepted = ALL_STATES.filter((each) => asked.includes(each) !== state.invert);
  const plain = [oneOf(FIELD_CT_STATE, asked, state.invert)];
  if (status === undefined && direction === undefined) return plain;
  return accepted.every((each) => WITH_ENTRY.includes(each)) ? [...plain, ...others] : undefined;
}

function statusTests(status: ConntrackOptions['status']): Test[] {
  if (status === undefined) return [];
  if (status.mask === 0) return [constant(status.invert)];
  // Any of the bits: not (all of them zero).
  return [masked(FIELD_CT_STATUS, status.mask, 0, !status.invert)];
}

function directionTests(direction: ConntrackOptions['direction']): Test[] {
  if (direction === undefined) return [];
  const wanted = direction === 'ORIGINAL' ? 0 : 1;
  return [range(FIELD_CT_DIRECTION, wanted, wanted)];
}

/** In the order of abi/special.ts. */
function parametersOf({ state, protocol, addresses, ports, status, expire, direction }: ConntrackOptions): number[] {
  let flags = 0;
  let inverted = 0;
  const set = (flag: number, condition: { invert: boolean } | undefined): void => {
    if (condition === undefined) return;
    flags |= flag;
    if (condition.invert) inverted |= flag;
  };
  set(special.CONNTRACK_STATE, state);
  set(special.CONNTRACK_PROTO, protocol);
  set(special.CONNTRACK_STATUS, status);
  set(special.CONNTRACK_EXPIRES, expire);
  set(special.CONNTRACK_DIRECTION, direction === undefined ? undefined : { invert: false });
  const words: number[] = [];
  const portWords: number[] = [];
  for (const [i, side] of SIDES.entries()) {
    const condition = addresses[side];
    const range = ports[side];
    set(ADDRESS_FLAGS[i] ?? 0, condition);
    set(PORT_FLAGS[i] ?? 0, range);
    // Bits outside the mask do not count for the kernel; the engine may compare them plainly.
    const mask = four(condition?.mask);
    words.push(...four(condition?.address).map((word, w) => (word & (mask[w] ?? 0)) >>> 0), ...mask);
    portWords.push(range?.low ?? 0, range?.high ?? 0);
  }
  const head = [flags, inverted, state?.mask ?? 0, status?.mask ?? 0, direction === 'REPLY' ? 1 : 0, protocol?.number ?? 0];
  return [...head, expire?.low ?? 0, expire?.high ?? 0, ...words, ...portWords];
}

function four(words: readonly number[] | undefined): number[] {
  return [0, 1, 2, 3].map((i) => (words?.[i] ?? 0) >>> 0);
}
