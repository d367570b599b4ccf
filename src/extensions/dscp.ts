/** `-m dscp`: the upper six bits of TOS or traffic class. Kernel: net/netfilter/xt_dscp.c (dscp_mt). */
import { FIELD_TOS } from '../abi/fields.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, hex, option, textOf } from './given.ts';
import { masked } from './tests.ts';

export interface DscpOptions {
  dscp: number;
  invert: boolean;
}

const specs = [option('dscp', { invertible: true }), option('dscp-class', { invertible: true })];
const HIGHEST = 63;

/** Code points by class: RFC 2474, 2597, 3246. */
const CLASSES: readonly (readonly [string, number])[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((selector) => [`CS${selector}`, selector * 8] as const),
  ['BE', 0],
  ...[1, 2, 3, 4].flatMap((group) => [1, 2, 3].map((drop) => [`AF${group}${drop}`, group * 8 + drop * 2] as const)),
  ['EF', 46],
];

export const dscp: MatchExtension<DscpOptions> = {
  name: 'dscp',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'DSCP code point or class',
  parse(given, context) {
    const all = new Given('dscp', specs, given, context);
    all.exclusive(['dscp', 'dscp-class']);
    all.needOne(['dscp', 'dscp-class'], '--dscp-class EF');
    const one = all.get('dscp');
    if (one !== undefined) return { dscp: all.number(one, HIGHEST), invert: one.invert };
    const named = all.need('dscp-class', '--dscp-class EF');
    return { dscp: readClass(all, named), invert: named.invert };
  },
  print: ({ dscp: value, invert }) => `${bang(invert)} --dscp ${hex(value, 2)}`,
  evaluate: ({ dscp: value, invert }, packet) => (packet.tos >> 2 === value) !== invert,
  lower: ({ dscp: value, invert }) => [masked(FIELD_TOS, 0xfc, value << 2, invert)],
  generate(draw) {
    const not = draw.chance(0.2) ? ['!'] : [];
    if (draw.chance()) return [...not, '--dscp-class', draw.pick(CLASSES)[0]];
    return [...not, '--dscp', hex(draw.pick([0, 1, 8, 10, 46, 63]), 2)];
  },
  show: (_, packet) => `dscp ${hex(packet.tos >> 2, 2)}`,
};

/** The text need only begin with a class, as iptables compares (`EFx` is EF); undefined for none. */
export function dscpOfClass(text: string): number | undefined {
  return CLASSES.find(([name]) => text.toUpperCase().startsWith(name))?.[1];
}

function readClass(all: Given, one: GivenOption): number {
  const found = dscpOfClass(textOf(one));
  if (found === undefined) throw all.wants(one, 'a class: BE, EF, AF11 to AF43, CS0 to CS7');
  return found;
}
