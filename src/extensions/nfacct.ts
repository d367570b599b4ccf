/** `-m nfacct`: counts in an object that the nfacct tool made. Kernel: net/netfilter/xt_nfacct.c. The object is taken to be there, without a quota: then it always matches. */
import type { MatchExtension } from './extension.ts';
import { Given, option, textOf, truncated } from './given.ts';
import { constant } from './tests.ts';

export interface NfacctOptions {
  name: string;
}

const specs = [option('nfacct-name')];
const NAME_ROOM = 31;

export const nfacct: MatchExtension<NfacctOptions> = {
  name: 'nfacct',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'counts in an object of the nfacct tool, which is taken to be there and to have no quota; always matches',

  parse(given, context) {
    const all = new Given('nfacct', specs, given, context);
    const one = all.need('nfacct-name', '--nfacct-name http');
    if (textOf(one) === '') throw all.wants(one, 'a name');
    return { name: truncated(textOf(one), NAME_ROOM) };
  },

  print: ({ name }) => ` --nfacct-name ${name}`,
  evaluate: () => true,
  lower: () => [constant(true)],
  generate: (draw) => ['--nfacct-name', draw.pick(['a', 'http'])],
  show: () => 'counted elsewhere',
};
