/**
 * `-m helper`: the helper of the connection that expected this one. Kernel: net/netfilter/xt_helper.c. Without helpers no connection is expected, so that only the inversion matches;
 * a packet without a connection is answered the same.
 */
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, savedString, textOf, truncated } from './given.ts';
import { constant } from './tests.ts';

export interface HelperOptions {
  name: string;
  invert: boolean;
}

const specs = [option('helper', { invertible: true })];
/** The kernel's buffer without its last zero. */
const LONGEST = 29;

export const helper: MatchExtension<HelperOptions> = {
  name: 'helper',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'connections a helper expected (there are no helpers yet: none)',
  needsConntrack: true,
  parse(given, context) {
    const one = new Given('helper', specs, given, context).need('helper', '--helper ftp');
    return { name: truncated(textOf(one), LONGEST), invert: one.invert };
  },
  print: ({ name, invert }) => `${bang(invert)} --helper ${savedString(name)}`,
  evaluate: ({ invert }) => invert,
  lower: ({ invert }) => [constant(invert)],
  generate: (draw) => [...(draw.chance() ? ['!'] : []), '--helper', draw.pick(['ftp', 'sip', 'tftp', '""'])],
  show: () => 'no helper expected the connection',
};
