/**
 * `-j CT --notrack` and `-j NOTRACK`: the packet is left out of connection tracking. Kernel: net/netfilter/xt_CT.c. Neither of them makes
 * the kernel register conntrack (xt_ct_tg_check returns before nf_ct_netns_get; confirmed on 6.18).
 */
import type { TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';

const NOT_YET = ['helper', 'timeout', 'ctevents', 'expevents', 'zone-orig', 'zone-reply', 'zone'];
const specs = [option('notrack', { argument: 'none' }), ...NOT_YET.map((name) => option(name))];

const untrack: Pick<TargetExtension<Record<string, never>>, 'kind' | 'families' | 'legality' | 'evaluate' | 'lower'> = {
  kind: 'target',
  families: [4, 6],
  legality: { tables: ['raw'] },
  evaluate(_, __, effects) {
    effects.notrack();
    return 'continue';
  },
  lower: () => ({ kind: 'notrack' }),
};

export const CT: TargetExtension<Record<string, never>> = {
  ...untrack,
  name: 'CT',
  options: specs,
  about: 'only --notrack: no connection tracking for the packet',
  parse(given, context) {
    const all = new Given('CT', specs, given, context);
    for (const name of NOT_YET) {
      const one = all.get(name);
      if (one !== undefined) {
        throw context.error(`CT: --${name} is an option of iptables that wasmtables does not know yet`, {
          at: one.position,
          kind: 'unsupported',
        });
      }
    }
    if (!all.has('notrack')) throw context.error('CT: wasmtables knows it with --notrack only', { kind: 'unsupported' });
    return {};
  },
  print: () => ' --notrack',
  generate: () => ['--notrack'],
};

export const NOTRACK: TargetExtension<Record<string, never>> = {
  ...untrack,
  name: 'NOTRACK',
  options: [],
  about: 'no connection tracking for the packet',
  parse(given, context) {
    new Given('NOTRACK', [], given, context);
    return {};
  },
  print: () => '',
  generate: () => [],
};
