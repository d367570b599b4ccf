/** The usual tests that matches lower to. */
import { FIELD_FRAGMENT, FIELD_L4_LENGTH } from '../abi/fields.ts';
import { SPECIAL_LISTED, SPECIAL_LISTED_BY_WAY } from '../abi/special.ts';
import type { Annotation, Annotations } from '../model/annotations.ts';
import type { OnFail, Test } from '../model/predicate.ts';

const MAX = 0xffffffff;

/** A test that needs no packet. */
export function constant(value: boolean): Test {
  return { kind: 'constant', value };
}

/** Decided for each packet by what is told of it: `answer` of a packet of which nothing is told, and of every one of which something is. */
export function told(annotations: Annotations | undefined, answer: (annotation: Annotation) => boolean): Test {
  const parameters = listOf(annotations, answer);
  if (parameters.length === 2) return constant(parameters[0] === 1);
  return { kind: 'special', code: SPECIAL_LISTED, parameters, stateful: false };
}

/** The same where the answer depends on the hook, too: whether the packet `leaves`, which has a device to leave by. */
export function toldByWay(
  annotations: Annotations | undefined,
  answer: (annotation: Annotation, leaves: boolean) => boolean,
): Test {
  const [staying, leaving] = [false, true].map((leaves) => listOf(annotations, (one) => answer(one, leaves)));
  if (String(staying) === String(leaving)) return told(annotations, (one) => answer(one, true));
  return { kind: 'special', code: SPECIAL_LISTED_BY_WAY, parameters: [...staying!, ...leaving!], stateful: false };
}

/** As abi/special.ts has it: the answer for all, how many packets have the other one, their numbers. */
function listOf(annotations: Annotations | undefined, answer: (annotation: Annotation) => boolean): number[] {
  const usual = answer({});
  const others = [...(annotations ?? [])].flatMap(([packet, annotation]) => (answer(annotation) === usual ? [] : [packet]));
  return [usual ? 1 : 0, others.length, ...others.sort((a, b) => a - b)];
}

/** low <= field <= high; an empty range is a constant. */
export function range(field: number, low: number, high: number, invert = false, onFail: OnFail = 'miss'): Test {
  return low > high ? constant(invert) : { kind: 'range', field, low, high, invert, onFail };
}

/** (field & mask) === value; a value outside the mask can never be met. */
export function masked(field: number, mask: number, value: number, invert = false): Test {
  if ((value & ~mask) !== 0) return constant(invert);
  if (mask === 0) return constant(!invert);
  return { kind: 'mask', field, mask: mask >>> 0, value: value >>> 0, invert, onFail: 'miss' };
}

/** Consecutive fields masked and compared; a value outside the mask can never be met. */
export function words(field: number, mask: readonly number[], value: readonly number[], invert: boolean): Test {
  if (value.some((word, i) => (word & ~(mask[i] ?? 0)) !== 0)) return constant(invert);
  if (mask.every((word) => word === 0)) return constant(!invert);
  return {
    kind: 'words',
    field,
    mask: mask.map((word) => word >>> 0),
    value: value.map((word) => word >>> 0),
    invert,
    onFail: 'miss',
  };
}

/** Consecutive fields as one big number between low and high; an empty range is a constant. */
export function wordRange(field: number, low: readonly number[], high: readonly number[], invert: boolean): Test {
  const differing = low.findIndex((word, i) => word >>> 0 !== (high[i] ?? 0) >>> 0);
  if (differing >= 0 && (low[differing] ?? 0) >>> 0 > (high[differing] ?? 0) >>> 0) return constant(invert);
  return {
    kind: 'wordRange',
    field,
    low: low.map((word) => word >>> 0),
    high: high.map((word) => word >>> 0),
    invert,
    onFail: 'miss',
  };
}

/** The field is one of `values`. */
export function oneOf(field: number, values: readonly number[], invert: boolean): Test {
  if (values.length === 0) return constant(invert);
  return { kind: 'ranges', fields: [field], ranges: values.map((value) => [value, value] as const), invert, onFail: 'miss' };
}

/** Not a fragment other than the first. */
export function notFragment(): Test {
  return range(FIELD_FRAGMENT, 0, 0);
}

/** At least `bytes` bytes of transport header. */
export function transportHas(bytes: number, onFail: OnFail): Test {
  return range(FIELD_L4_LENGTH, bytes, MAX, false, onFail);
}
