/** `-j SNAT`: connections come from another address or port. Kernel: net/netfilter/xt_nat.c (revision 1), nf_nat_core.c. */
import type { NatSpec } from '../model/nat.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';
import {
  generateNatFlags,
  generateNatTarget,
  natFlags,
  natSpec,
  natTarget,
  printNatFlags,
  printNatTarget,
  readNatTarget,
} from './nat.ts';

const FLAGS = ['random', 'random-fully', 'persistent'];
const specs = [option('to-source'), ...natFlags(FLAGS)];

export const SNAT: TargetExtension<NatSpec> = {
  ...natTarget,
  name: 'SNAT',
  options: specs,
  about: 'lets connections come from another address or port',
  legality: { tables: ['nat'], hooks: ['INPUT', 'POSTROUTING'] },
  parse(given, context) {
    const all = new Given('SNAT', specs, given, context);
    const { to, ports } = readNatTarget(all, all.need('to-source', '--to-source 192.0.2.1'), context, 'zero');
    return natSpec(all, to, ports);
  },
  print: (spec) => ` --to-source ${printNatTarget(spec)}${printNatFlags(spec)}`,
  generate: (draw, pools, context) => ['--to-source', generateNatTarget(draw, pools, context), ...generateNatFlags(draw, FLAGS)],
};
