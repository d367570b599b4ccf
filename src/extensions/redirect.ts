/** `-j REDIRECT`: connections go to this host. Kernel: net/netfilter/xt_REDIRECT.c, nf_nat_redirect.c. */
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
    const one = all.get('to-ports');
    const ports = one === undefined ? undefined : readNatPorts(all, one, textOf(one), context.builtin, 'no');
    return natSpec(all, { kind: 'redirect' }, ports);
  },
  print: (spec) => `${spec.ports === undefined ? '' : ` --to-ports ${printNatPorts(spec.ports)}`}${printNatFlags(spec)}`,
  generate(draw, pools, { protocol }) {
    const ports = generateNatPorts(draw, pools, protocol);
    return [...(ports === undefined ? [] : ['--to-ports', ports]), ...generateNatFlags(draw, FLAGS)];
  },
};
