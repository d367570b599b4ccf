/** `-j MASQUERADE`: connections come from the address of the device they leave by. Kernel: net/netfilter/xt_MASQUERADE.c, nf_nat_masquerade.c. */
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

const FLAGS = ['random', 'random-fully'];
const specs = [option('to-ports'), ...natFlags(FLAGS)];

export const MASQUERADE: TargetExtension<NatSpec> = {
  ...natTarget,
  name: 'MASQUERADE',
  options: specs,
  about: "lets connections come from the outgoing device's address",
  legality: { tables: ['nat'], hooks: ['POSTROUTING'] },
  parse(given, context) {
    const all = new Given('MASQUERADE', specs, given, context);
    return natSpec(all, { kind: 'masquerade' }, readToPorts(all, context, 'zero'));
  },
  print: (spec) => `${printToPorts(spec)}${printNatFlags(spec)}`,
  generate: (draw, pools, { protocol }) => [...generateToPorts(draw, pools, protocol), ...generateNatFlags(draw, FLAGS)],
};
