/** `-m cpu`: which processor handles the packet. Kernel: net/netfilter/xt_cpu.c. A replay has one processor, number 0, unless an annotation says another. */
import type { MatchExtension } from './extension.ts';
import { bang, Given, option } from './given.ts';
import { told } from './tests.ts';

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
  about: 'processor that handles the packet; 0 where `--annotate` says no other',

  parse(given, context) {
    const all = new Given('cpu', specs, given, context);
    const one = all.need('cpu', '--cpu 0');
    return { cpu: all.number(one, 0xffffffff), invert: one.invert };
  },

  print: (options) => `${bang(options.invert)} --cpu ${options.cpu}`,
  evaluate: (options, { annotation }) => (options.cpu === (annotation.cpu ?? 0)) !== options.invert,
  lower: ({ cpu: wanted, invert }, { annotations }) => [
    told(annotations, ({ cpu: own = 0 }) => (invert ? own !== wanted : own === wanted)),
  ],
  generate: (draw) => [...(draw.chance(0.4) ? ['!'] : []), '--cpu', String(draw.pick([0, 0, 1, 7]))],
  show: (_, { annotation }) => `processor ${annotation.cpu ?? 0}`,
};
