/** `-j TRACE`: the packet's way through the rules is told, which every replay can. Kernel: net/netfilter/xt_TRACE.c. */
import type { TargetExtension } from './extension.ts';
import { Given } from './given.ts';

export const TRACE: TargetExtension<Record<string, never>> = {
  name: 'TRACE',
  kind: 'target',
  families: [4, 6],
  options: [],
  about: 'tells the way of the packet and goes on (a replay: --verdicts FILE --path)',
  parse(given, context) {
    new Given('TRACE', [], given, context);
    // iptables-nft sets a mark of nf_tables, which may stand anywhere.
    if (context.backend !== 'nft' && context.table !== 'raw')
      throw context.error(`TRACE: stands in raw only, got table ${context.table}`, {
        kind: 'illegal',
        hint: 'move the rule to -t raw',
      });
    return {};
  },
  print: () => '',
  evaluate: () => 'continue',
  lower: () => ({ kind: 'continue' }),
  generate: () => [],
};
