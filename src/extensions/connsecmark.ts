/**
 * `-j CONNSECMARK`: copies a security mark from the packet to its connection, or back. Kernel: net/netfilter/xt_CONNSECMARK.c. Only security modules make such marks: without one there is
 * nothing to copy, and the rule counts and goes on.
 */
import type { TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';

export interface ConnsecmarkOptions {
  mode: 'save' | 'restore';
}

const MODES = ['save', 'restore'] as const;
const specs = MODES.map((name) => option(name, { argument: 'none' }));

export const CONNSECMARK: TargetExtension<ConnsecmarkOptions> = {
  name: 'CONNSECMARK',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'security marks of connections: without a security module there are none',
  legality: { tables: ['mangle', 'security'] },
  needsConntrack: true,
  parse(given, context) {
    const all = new Given('CONNSECMARK', specs, given, context);
    all.exclusive(MODES);
    all.needOne(MODES, '-j CONNSECMARK --save');
    return { mode: all.has('save') ? 'save' : 'restore' };
  },
  print: ({ mode }) => ` --${mode}`,
  evaluate: () => 'continue',
  lower: () => ({ kind: 'continue' }),
  generate: (draw) => [`--${draw.pick(MODES)}`],
};
