/** `-m cpu`: which processor handles the packet. Kernel: net/netfilter/xt_cpu.c. A replay has one processor, number 0. */
import type { MatchExtension } from './extension.ts';
import { bang, Given, option } from './given.ts';
import { constant } from './tests.ts';

export interface CpuOptions {
  cpu: number;
  invert: boolean;
}

const specs = [option('cpu', { invertible: true })];

export const cpu: MatchExtension<CpuOptions> = {
  name: 'cpu',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'processor that handles the packet; always 0',

  parse(given, context) {
    const all = new Given('cpu', specs, given, context);
    const one = all.need('cpu', '--cpu 0');
    return { cpu: all.number(one, 0xffffffff), invert: one.invert };
  },

  print: (options) => `${bang(options.invert)} --cpu ${options.cpu}`,
  evaluate: (options) => (options.cpu === 0) !== options.invert,
  lower: (options) => [constant(options.invert ? options.cpu !== 0 : options.cpu === 0)],
  generate: (draw) => [...(draw.chance(0.4) ? ['!'] : []), '--cpu', String(draw.pick([0, 0, 1, 7]))],
  show: () => 'processor 0',
};
