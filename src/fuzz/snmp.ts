/** Messages of SNMP: as they should be, and nearly so. Knows the protocol, nothing of the witnesses. */
import type { Draw } from '../extensions/extension.ts';
import { parseAddress } from '../model/address.ts';
import type { Ends } from './talk.ts';

type Bytes = readonly number[];

const [INTEGER, STRING, NULL, OBJECT, SEQUENCE, ADDRESS] = [0x02, 0x04, 0x05, 0x06, 0x30, 0x40] as const;
/** Kinds of messages, a trap of version 1 (which the grammar lacks) among them. */
const PDUS: Bytes = [0xa0, 0xa1, 0xa2, 0xa2, 0xa3, 0xa5, 0xa6, 0xa7, 0xa7, 0xa8, 0xa4];
/** Values that are no addresses. */
const VALUES: readonly (readonly [tag: number, content: Bytes])[] = [
  [INTEGER, [1]],
  [STRING, [104, 105]],
  [OBJECT, [43, 6]],
  [NULL, []],
  [0x41, [1]],
  [0x42, [1]],
  [0x43, [1]],
  [0x44, [1, 2]],
  [0x46, [1, 2, 3]],
  [0x80, []],
  [0x81, []],
  [0x82, []],
  [0x45, [1]],
];

/** Characters are bytes. */
export function snmpMessage(draw: Draw, ends: Ends): string {
  const bindings = Array.from({ length: draw.pick([1, 1, 2, 3, 0]) }, () => binding(draw, ends));
  const list = element(draw, SEQUENCE, bindings.flat());
  const numbers = [INTEGER, INTEGER, INTEGER].flatMap((tag) => element(draw, tag, [draw.integer(0, 255)]));
  const pdus = draw.chance(0.04) ? [] : element(draw, draw.pick(PDUS), [...numbers, ...list]);
  // Communities of even and odd lengths: where addresses lie matters to checksums.
  const community = draw.pick(['', 'x', 'public', 'private'] as const);
  const version = element(draw, INTEGER, [draw.pick([0, 1, 1, 1, 1, 3])]);
  const name = element(
    draw,
    STRING,
    Array.from(community, (one) => one.charCodeAt(0)),
  );
  const whole = [...element(draw, SEQUENCE, [...version, ...name, ...pdus]), ...(draw.chance(0.05) ? [0, 1] : [])];
  if (draw.chance(0.12)) whole[draw.integer(0, whole.length - 1)] = draw.pick([0, 1, 0x30, 0x40, 0x80, 0xff]);
  const sent = draw.chance(0.05) ? whole.slice(0, draw.integer(0, whole.length)) : whole;
  return String.fromCharCode(...sent);
}

function binding(draw: Draw, { client, server, stranger }: Ends): number[] {
  const values = Array.from({ length: draw.pick([1, 1, 1, 1, 1, 2, 0]) }, () => {
    if (draw.chance(0.3)) return element(draw, ...draw.pick(VALUES));
    const [word = 0] = parseAddress(draw.pick([client, client, server, stranger]), 4) ?? [];
    const bytes = [24, 16, 8, 0].map((shift) => (word >>> shift) & 255);
    return element(draw, ADDRESS, draw.chance(0.04) ? bytes.slice(1) : bytes);
  });
  return element(draw, SEQUENCE, [
    ...element(
      draw,
      OBJECT,
      draw.pick([
        [43, 6, 1],
        [43, 6],
      ]),
    ),
    ...values.flat(),
  ]);
}

/** A length in one byte, or in one or two behind how many; what has elements inside may end with two zeros instead. */
function element(draw: Draw, tag: number, content: Bytes): number[] {
  if ((tag & 0x20) !== 0 && draw.chance(0.04)) return [tag, 0x80, ...content, 0, 0];
  if (content.length > 255 || draw.chance(0.04)) return [tag, 0x82, content.length >> 8, content.length & 255, ...content];
  if (content.length > 127 || draw.chance(0.04)) return [tag, 0x81, content.length, ...content];
  return [tag, content.length, ...content];
}
