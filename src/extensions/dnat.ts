/** `-j DNAT`: connections go to another address or port. Kernel: net/netfilter/xt_nat.c (revision 2), nf_nat_core.c. */
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

const FLAGS = ['random', 'persistent'];
const specs = [option('to-destination'), ...natFlags(FLAGS)];

export const DNAT: TargetExtension<NatSpec> = {
  ...natTarget,
  name: 'DNAT',
  options: specs,
  about: 'sends connections to another address or port',
  legality: { tables: ['nat'], hooks: ['PREROUTING', 'OUTPUT'] },
  parse(given, context) {
    const all = new Given('DNAT', specs, given, context);
    const { to, ports } = readNatTarget(all, all.need('to-destination', '--to-destination 192.0.2.1:80'), context, 'base');
    return natSpec(all, to, ports);
  },
  print: (spec) => ` --to-destination ${printNatTarget(spec)}${printNatFlags(spec)}`,
  generate: (draw, pools, context) => [
    '--to-destination',
    generateNatTarget(draw, pools, context),
    ...generateNatFlags(draw, FLAGS),
  ],
};
