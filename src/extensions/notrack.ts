/** `-j NOTRACK`: the packet is left out of connection tracking. Kernel: net/netfilter/xt_CT.c. It does not make the kernel register conntrack (confirmed on 6.18). */
import type { TargetExtension } from './extension.ts';
import { Given } from './given.ts';

export const NOTRACK: TargetExtension<Record<string, never>> = {
  name: 'NOTRACK',
  kind: 'target',
  families: [4, 6],
  legality: { tables: ['raw'] },
  options: [],
  about: 'no connection tracking for the packet',
  parse(given, context) {
    new Given('NOTRACK', [], given, context);
    return {};
  },
  print: () => '',
  evaluate(_, __, effects) {
    effects.notrack();
    return 'continue';
  },
  lower: () => ({ kind: 'notrack' }),
  generate: () => [],
};
