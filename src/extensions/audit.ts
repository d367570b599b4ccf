/** `-j AUDIT`: a record for the audit system, then on. Kernel: net/netfilter/xt_AUDIT.c. */
import type { TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';

const TYPES = ['accept', 'drop', 'reject'] as const;
const specs = [option('type')];

export interface AuditOptions {
  type: (typeof TYPES)[number];
}

export const AUDIT: TargetExtension<AuditOptions> = {
  name: 'AUDIT',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'tells the audit system and goes on',
  parse(given, context) {
    const all = new Given('AUDIT', specs, given, context);
    const one = all.need('type', '--type drop');
    const type = TYPES.find((each) => each === textOf(one).toLowerCase());
    if (type === undefined) throw all.wants(one, TYPES.join(', '));
    return { type };
  },
  print: ({ type }) => ` --type ${type}`,
  evaluate: () => 'continue',
  lower: () => ({ kind: 'continue' }),
  generate: (draw) => ['--type', draw.pick(TYPES)],
};
