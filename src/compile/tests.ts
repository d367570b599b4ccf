/**
 * Tests as the compiler handles them: equal ones are one object, and each knows which values of which field make it true, so that
 * a box of field values can decide it.
 */
import {
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_DESTINATION_TYPE,
  FIELD_HEADER_ERROR,
  FIELD_ICMP_CODE,
  FIELD_ICMP_TYPE,
  FIELD_PACKET_TYPE,
  FIELD_PROTOCOL,
  FIELD_SOURCE_TYPE,
  FIELD_TCP_FLAGS,
  FIELD_TOS,
  FIELD_TTL,
} from '../abi/fields.ts';
import { STATE_SIZE } from '../abi/image.ts';
import * as special from '../abi/special.ts';
import type { SharedState, Test } from '../model/predicate.ts';
import { KnownTests } from './known-tests.ts';

/** Number of values of the fields that are cut by tables of classes; all others are cut by comparing. */
export const SMALL_FIELDS: ReadonlyMap<number, number> = new Map([
  [FIELD_PROTOCOL, 256],
  [FIELD_TCP_FLAGS, 64],
  [FIELD_ICMP_TYPE, 256],
  [FIELD_ICMP_CODE, 256],
  [FIELD_TTL, 256],
  [FIELD_TOS, 256],
  [FIELD_CT_STATE, 8],
  [FIELD_CT_DIRECTION, 2],
  [FIELD_PACKET_TYPE, 8],
  [FIELD_SOURCE_TYPE, 16],
  [FIELD_DESTINATION_TYPE, 16],
  [FIELD_HEADER_ERROR, 4],
]);

export type Range = readonly [number, number];

/** A condition on one field: true for the values in `ranges` (sorted, disjoint, unsigned). `bits`: the same as 256 bits, for small fields. */
export interface Condition {
  field: number;
  ranges: readonly Range[];
  bits: Uint32Array | null;
}

/**
 * How a test follows from conditions: `all` or `any` of them, inverted or not; `opaque`: only at run time; `lexical`: a range over several words.
 */
export type Shape =
  | { kind: 'all'; conditions: readonly Condition[] }
  | { kind: 'any'; conditions: readonly Condition[] }
  | { kind: 'lexical'; field: number; low: readonly number[]; high: readonly number[] }
  | { kind: 'constant'; value: boolean }
  | { kind: 'opaque' };

export interface CompiledTest {
  /** Dense number within its pool. */
  id: number;
  test: Test;
  shape: Shape;
  /** Bit per field that its shape depends on. */
  fields: number;
  invert: boolean;
  /** A failure drops the packet. */
  drops: boolean;
  /** It may drop the packet: by a failure, or as a special test. */
  mayDrop: boolean;
  /** It may drop the packet after its rule counted. */
  mayDropMatched: boolean;
  /** Its evaluation can be seen from outside, so it is never left out: stateful, or may drop the packet. */
  effective: boolean;
  /** First slot of match state, -1 without; every rule's own, or that of the name it shares state by. */
  state: number;
}

/** Where state lies that tests share by name, and what they agreed on (SharedState). */
export interface KeptState {
  name: string;
  slot: number;
  parameters: number[];
}

/** All tests of one image. Stateful ones are never shared between rules. */
export class TestPool {
  readonly tests: CompiledTest[] = [];
  states = 0;
  /** Of tests without state. */
  private readonly known: KnownTests;
  private readonly shared = new Map<string, number>();
  /** All state that tests share. */
  readonly kept: KeptState[] = [];

  /** `rules`: how many there are, for room. */
  constructor(rules = 0) {
    this.known = new KnownTests(rules);
  }

  add(test: Test): CompiledTest {
    const stateful = test.kind === 'special' && test.stateful;
    const known = stateful ? this.tests.length : this.known.number(test, this.tests.length);
    if (known < this.tests.length) return this.tests[known]!;
    const drops = 'onFail' in test && test.onFail === 'hotdrop';
    const mayDrop = drops || (test.kind === 'special' && !isHarmless(test));
    const shape = shapeOf(test);
    const compiled: CompiledTest = {
      id: this.tests.length,
      test,
      shape,
      fields: fieldsOf(shape),
      invert: 'invert' in test && test.invert,
      drops,
      mayDrop,
      mayDropMatched: test.kind === 'special' && MATCHES_AND_DROPS.has(test.code),
      effective: mayDrop || stateful,
      state: stateful ? this.place(test.shared) : -1,
    };
    this.tests.push(compiled);
    return compiled;
  }

  /** A slot of state that nobody else has. */
  slot(): number {
    return this.states++;
  }

  /** A slot of the test's own, or as many as the state needs that it shares. */
  private place(shared: SharedState | undefined): number {
    const known = shared === undefined ? undefined : this.shared.get(shared.name);
    if (known !== undefined) return known;
    const first = this.states;
    this.states += shared === undefined ? 1 : Math.ceil(shared.bytes / STATE_SIZE);
    if (shared === undefined) return first;
    this.shared.set(shared.name, first);
    this.kept.push({ name: shared.name, slot: first, parameters: [...shared.first, ...shared.most].map((word) => word >>> 0) });
    return first;
  }
}

/** Special tests that may match and drop (TEST_HOTDROP_MATCHED). */
const MATCHES_AND_DROPS = new Set([special.SPECIAL_SCTP_CHUNKS, special.SPECIAL_DCCP_OPTION]);

/** Special tests that never hot-drop. */
const HARMLESS = new Set([
  special.SPECIAL_CONNMARK,
  special.SPECIAL_CLUSTER,
  special.SPECIAL_PACKET_TYPE,
  special.SPECIAL_CONNBYTES,
  special.SPECIAL_CONNLABEL,
  special.SPECIAL_HELPER,
  special.SPECIAL_CONNTRACK,
  special.SPECIAL_LIMIT,
  special.SPECIAL_LIMIT_NFT,
  special.SPECIAL_ADDRTYPE_DEVICE,
  special.SPECIAL_NTH,
  special.SPECIAL_RANDOM,
  special.SPECIAL_QUOTA,
  special.SPECIAL_RECENT,
  special.SPECIAL_ACCOUNT,
  special.SPECIAL_OSF,
  special.SPECIAL_RATE_COUNT,
  special.SPECIAL_RATE_KEEP,
  special.SPECIAL_RATE_COMPARE,
  special.SPECIAL_SET,
  special.SPECIAL_STRING,
  special.SPECIAL_U32,
  special.SPECIAL_IPV6_HEADERS,
  special.SPECIAL_ROUTING_ADDRESSES,
  special.SPECIAL_HEADER_OPTIONS,
  special.SPECIAL_SEGMENTS,
  special.SPECIAL_EUI64,
  special.SPECIAL_TIME,
  special.SPECIAL_BPF,
]);

function isHarmless({ code, parameters }: Test & { kind: 'special' }): boolean {
  // Its last parameter is the answer for bytes that are not there.
  if (code === special.SPECIAL_PAYLOAD) return parameters[7] !== special.TEST_HOTDROP;
  return HARMLESS.has(code);
}

function shapeOf(test: Test): Shape {
  switch (test.kind) {
    case 'constant':
      return { kind: 'constant', value: test.value };
    case 'special':
      return { kind: 'opaque' };
    case 'range':
      return { kind: 'all', conditions: [condition(test.field, [[test.low >>> 0, test.high >>> 0]])] };
    case 'ranges':
      return { kind: 'any', conditions: test.fields.map((field) => condition(field, test.ranges)) };
    case 'mask':
      return maskShape(test.field, [test.mask], [test.value]);
    case 'words':
      return maskShape(test.field, test.mask, test.value);
    case 'wordRange': {
      const low = test.low.map((word) => word >>> 0);
      const high = test.high.map((word) => word >>> 0);
      if (low.length === 1) return { kind: 'all', conditions: [condition(test.field, [[low[0]!, high[0]!]])] };
      return { kind: 'lexical', field: test.field, low, high };
    }
  }
}

function fieldsOf(shape: Shape): number {
  if (shape.kind === 'lexical') return shape.low.reduce((bits, _, index) => bits | (1 << (shape.field + index)), 0);
  if (shape.kind !== 'all' && shape.kind !== 'any') return 0;
  return shape.conditions.reduce((bits, { field }) => bits | (1 << field), 0);
}

function maskShape(first: number, masks: readonly number[], values: readonly number[]): Shape {
  const conditions: Condition[] = [];
  for (let index = 0; index < masks.length; index++) {
    const mask = masks[index]! >>> 0;
    const value = (values[index] ?? 0) >>> 0;
    if ((value & ~mask) !== 0) return { kind: 'constant', value: false };
    if (mask === 0) continue;
    const made = maskCondition(first + index, mask, value);
    if (made === null) return { kind: 'opaque' };
    conditions.push(made);
  }
  return conditions.length === 0 ? { kind: 'constant', value: true } : { kind: 'all', conditions };
}

/** null for a mask on a wide field that is no prefix: such a test is left to run time. */
function maskCondition(field: number, mask: number, value: number): Condition | null {
  const size = SMALL_FIELDS.get(field);
  if (size !== undefined) {
    const ranges: Range[] = [];
    for (let candidate = 0; candidate < size; candidate++) {
      if ((candidate & mask) >>> 0 === value) ranges.push([candidate, candidate]);
    }
    return condition(field, ranges);
  }
  const rest = ~mask >>> 0;
  if ((rest & (rest + 1)) !== 0) return null;
  return condition(field, [[value, (value | rest) >>> 0]]);
}

function condition(field: number, ranges: readonly Range[]): Condition {
  const merged = mergeRanges(ranges);
  return { field, ranges: merged, bits: SMALL_FIELDS.has(field) ? rangeBits(merged) : null };
}

function mergeRanges(ranges: readonly Range[]): readonly Range[] {
  // Most are one range, in order.
  if (ranges.length === 1 && ranges[0]![0] >= 0 && ranges[0]![0] <= ranges[0]![1]) return ranges;
  const sorted = ranges
    .map(([low, high]): [number, number] => [low >>> 0, high >>> 0])
    .filter(([low, high]) => low <= high)
    .sort((left, right) => left[0] - right[0]);
  const merged: [number, number][] = [];
  for (const range of sorted) {
    const last = merged[merged.length - 1];
    if (last !== undefined && range[0] <= last[1] + 1) last[1] = Math.max(last[1], range[1]);
    else merged.push(range);
  }
  return merged;
}

function rangeBits(ranges: readonly Range[]): Uint32Array {
  const bits = new Uint32Array(8);
  for (const [low, high] of ranges) {
    for (let value = low; value <= Math.min(high, 255); value++) bits[value >>> 5]! |= 1 << (value & 31);
  }
  return bits;
}
