/** Packets over the 5-tuple as the engine and the compiler take them. */
import * as fields from '../src/abi/fields.ts';
import type { Traffic } from '../src/compile/traffic.ts';
import { TUPLE_WORDS } from './classbench.ts';

/** Bytes that rules count for each. */
export const LENGTH = 60;

/** A sample for the compiler: what the words of packets tell, and what is the same in all. */
export function trafficOf(tuples: Uint32Array): Traffic {
  const packets = tuples.length / TUPLE_WORDS;
  const words = new Uint32Array(packets * fields.FIELD_COUNT);
  for (let index = 0; index < packets; index++)
    words.set(fieldsOf(tuples.subarray(index * TUPLE_WORDS)), index * fields.FIELD_COUNT);
  return { words, known: KNOWN.reduce((bits, field) => bits | (1 << field), 0) };
}

const KNOWN = [
  fields.FIELD_PROTOCOL,
  fields.FIELD_FRAGMENT,
  fields.FIELD_L4_LENGTH,
  fields.FIELD_SPORT,
  fields.FIELD_DPORT,
  fields.FIELD_SOURCE,
  fields.FIELD_DESTINATION,
];

/** Fields of a packet (abi/fields.ts), of its five words. */
export function fieldsOf([source = 0, destination = 0, sport = 0, dport = 0, protocol = 0]: Uint32Array): Uint32Array {
  const words = new Uint32Array(fields.FIELD_COUNT);
  words[fields.FIELD_FAMILY] = 4;
  words[fields.FIELD_PROTOCOL] = protocol;
  words[fields.FIELD_SOURCE] = source;
  words[fields.FIELD_DESTINATION] = destination;
  words[fields.FIELD_SPORT] = sport;
  words[fields.FIELD_DPORT] = dport;
  words[fields.FIELD_L4_LENGTH] = LENGTH - 20;
  words[fields.FIELD_LENGTH] = LENGTH;
  words[fields.FIELD_TTL] = 64;
  return words;
}
