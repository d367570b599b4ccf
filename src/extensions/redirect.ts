/** `-j REDIRECT`: connections go to this host. Kernel: net/netfilter/xt_REDIRECT.c, nf_nat_redirect.c. */
import type { NatSpec } from '../model/nat.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';
import {
  generateNatFlags,
  generateToPorts,
  natFlags,
  natSpec,
  natTarget,
  printNatFlags,
  printToPorts,
  readToPorts,
} from './nat.ts';

const FLAGS = ['random'];
const specs = [option('to-ports'), ...natFlags(FLAGS)];

export const REDIRECT: TargetExtension<NatSpec> = {
  ...natTarget,
  name: 'REDIRECT',
  options: specs,
  about: 'sends connections to this host',
  legality: { tables: ['nat'], hooks: ['PREROUTING', 'OUTPUT'] },
  parse(given, context) {
    const all = new Given('REDIRECT', specs, given, context);
    return natSpec(all, { kind: 'redirect' }, readToPorts(all, context, 'no'));
  },
  print: (spec) => `${printToPorts(spec)}${printNatFlags(spec)}`,
  generate: (draw, pools, { protocol }) => [...generateToPorts(draw, pools, protocol), ...generateNatFlags(draw, FLAGS)],
};
