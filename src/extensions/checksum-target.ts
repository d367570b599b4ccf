/** `-j CHECKSUM`: fills in checksums that were left to the device; packets off the wire have theirs. Kernel: net/netfilter/xt_CHECKSUM.c. */
import type { TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';

const specs = [option('checksum-fill', { argument: 'none' })];

export const CHECKSUM: TargetExtension<Record<string, never>> = {
  name: 'CHECKSUM',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'fills in checksums left to the device: nothing a rule can see',
  legality: { tables: ['mangle'] },
  parse(given, context) {
    new Given('CHECKSUM', specs, given, context).need('checksum-fill', '--checksum-fill');
    return {};
  },
  print: () => ' --checksum-fill',
  evaluate: () => 'continue',
  lower: () => ({ kind: 'continue' }),
  generate: () => ['--checksum-fill'],
};
