/** `-j MASQUERADE`: connections come from the address of the device they leave by. Kernel: net/netfilter/xt_MASQUERADE.c, nf_nat_masquerade.c. */
import type { NatSpec } from '../model/nat.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';
import {
  generateNatFlags,
  generateNatPorts,
  natFlags,
  natSpec,
  natTarget,
  printNatFlags,
  printNatPorts,
  readNatPorts,
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
    const one = all.get('to-ports');
    const ports = one === undefined ? undefined : readNatPorts(all, one, textOf(one), context.builtin, 'zero');
    return natSpec(all, { kind: 'masquerade' }, ports);
  },
  print: (spec) => `${spec.ports === undefined ? '' : ` --to-ports ${printNatPorts(spec.ports)}`}${printNatFlags(spec)}`,
  generate(draw, pools, { protocol }) {
    const ports = generateNatPorts(draw, pools, protocol);
    return [...(ports === undefined ? [] : ['--to-ports', ports]), ...generateNatFlags(draw, FLAGS)];
  },
};
