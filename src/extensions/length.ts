/** `-m length`: the length of the IP packet. Kernel: net/netfilter/xt_length.c. */
import { FIELD_LENGTH } from '../abi/fields.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option } from './given.ts';
import { range } from './tests.ts';

export interface LengthOptions {
  low: number;
  high: number;
  invert: boolean;
}

const specs = [option('length', { invertible: true })];

export const length: MatchExtension<LengthOptions> = {
  name: 'length',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'length of the IP packet',
  parse(given, context) {
    const all = new Given('length', specs, given, context);
    const one = all.need('length', '--length 0:1500');
    return { ...all.numberRange(one, 0xffff), invert: one.invert };
  },
  print: ({ low, high, invert }) => `${bang(invert)} --length ${low === high ? low : `${low}:${high}`}`,
  evaluate: ({ low, high, invert }, packet) => (packet.length >= low && packet.length <= high) !== invert,
  lower: ({ low, high, invert }) => [range(FIELD_LENGTH, low, high, invert)],
  generate(draw) {
    const low = draw.pick([0, 20, 28, 40, 52, 60, 84, 1500, draw.integer(0, 1600)]);
    const text = draw.pick([`${low}`, `${low}:`, `:${low}`, `${low}:${low + draw.pick([1, 20, 1000])}`]);
    return [...(draw.chance(0.2) ? ['!'] : []), '--length', text];
  },
  show: (_, packet) => `length ${packet.length}`,
};
