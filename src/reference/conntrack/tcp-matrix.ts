/** The TCP transition table (tcp_conntracks in net/netfilter/nf_conntrack_proto_tcp.c of 6.18; kernel-semantics 4.6). */
import type { Direction } from './connection.ts';
import { IGNORE, INVALID } from './tcp-state.ts';

/** Columns: the state before, in the order of the state numbers NO SS SR ES FW CW LA TW CL S2. */
const LETTERS: Readonly<Record<string, number>> = {
  SS: 1,
  SR: 2,
  ES: 3,
  FW: 4,
  CW: 5,
  LA: 6,
  TW: 7,
  CL: 8,
  S2: 9,
  IV: INVALID,
  IG: IGNORE,
};
const row = (text: string): number[] => text.split(' ').map((letters) => LETTERS[letters]!);

/** Rows: SYN, SYN/ACK, FIN, ACK, RST, none of them. */
const MATRIX: readonly (readonly (readonly number[])[])[] = [
  [
    row('SS SS IG IG IG IG IG SS SS S2'),
    row('IV IV SR IV IV IV IV IV IV SR'),
    row('IV IV FW FW LA LA LA TW CL IV'),
    row('ES IV ES ES CW CW TW TW CL IV'),
    row('IV CL CL CL CL CL CL CL CL CL'),
    row('IV IV IV IV IV IV IV IV IV IV'),
  ],
  [
    row('IV S2 IV IV IV IV IV SS IV S2'),
    row('IV SR IG IG IG IG IG IG IG SR'),
    row('IV IV FW FW LA LA LA TW CL IV'),
    row('IV IG SR ES CW CW TW TW CL IG'),
    row('IV CL CL CL CL CL CL CL CL CL'),
    row('IV IV IV IV IV IV IV IV IV IV'),
  ],
];

/** The state after a packet of `kind` (CLASS_*) from `direction`, or INVALID, or IGNORE. */
export function transition(direction: Direction, kind: number, state: number): number {
  return MATRIX[direction]![kind]![state]!;
}
