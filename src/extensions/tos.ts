/** `-m tos`: TOS byte or traffic class, masked. Kernel: net/netfilter/xt_dscp.c (tos_mt). */
import { FIELD_TOS } from '../abi/fields.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, hex, option, textOf } from './given.ts';
import { masked } from './tests.ts';

export interface TosOptions {
  value: number;
  mask: number;
  invert: boolean;
}

const specs = [option('tos', { invertible: true })];
const NAMES: Readonly<Record<string, number>> = {
  'minimize-delay': 0x10,
  'maximize-throughput': 0x08,
  'maximize-reliability': 0x04,
  'minimize-cost': 0x02,
  'normal-service': 0,
};
/** A name leaves the two highest bits out, a number none. */
const NAME_MASK = 0x3f;

export const tos: MatchExtension<TosOptions> = {
  name: 'tos',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'TOS byte or traffic class',
  parse(given, context) {
    const all = new Given('tos', specs, given, context);
    const one = all.need('tos', '--tos 0x10/0x3f');
    return { ...readTos(all, one), invert: one.invert };
  },
  print: ({ value, mask, invert }) => `${bang(invert)} --tos ${hex(value, 2)}/${hex(mask, 2)}`,
  evaluate: ({ value, mask, invert }, packet) => ((packet.tos & mask) === value) !== invert,
  lower: ({ value, mask, invert }) => [masked(FIELD_TOS, mask, value, invert)],
  generate(draw) {
    const value = hex(draw.pick([0, 2, 4, 8, 0x10, 0x28, 0xb8, 0xff]), 2);
    const text = draw.pick([
      value,
      `${value}/${hex(draw.pick([0, 0x1e, 0x3f, 0xfc, 0xff]), 2)}`,
      'Minimize-Delay',
      'Normal-Service',
    ]);
    return [...(draw.chance(0.2) ? ['!'] : []), '--tos', text];
  },
  show: (_, packet) => `tos ${hex(packet.tos, 2)}`,
};

/** VALUE, VALUE/MASK or a name. */
export function readTos(all: Given, one: GivenOption): { value: number; mask: number } {
  const named = Object.hasOwn(NAMES, textOf(one).toLowerCase()) ? NAMES[textOf(one).toLowerCase()] : undefined;
  if (named !== undefined) return { value: named, mask: NAME_MASK };
  const [first = '', second, ...rest] = textOf(one).split('/');
  const value = parseUnsigned(first, 255);
  const mask = second === undefined ? 255 : parseUnsigned(second, 255);
  if (value === undefined || mask === undefined || rest.length > 0) {
    throw all.wants(one, 'VALUE, VALUE/MASK (0 to 255) or a name such as Minimize-Delay');
  }
  return { value, mask };
}
