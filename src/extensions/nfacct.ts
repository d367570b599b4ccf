/** `-m nfacct`: counts in an object that the nfacct tool made. Kernel: net/netfilter/xt_nfacct.c, nfnetlink_acct.c. The object is taken to be there, without a quota: then it always matches. */
import { ACCOUNT_SIZE, SPECIAL_ACCOUNT } from '../abi/special.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option, textOf, truncated } from './given.ts';

export interface NfacctOptions {
  name: string;
}

/** An object, which rules of all tables and families share by its name. */
export class Account {
  packets = 0;
  bytes = 0;
}

const specs = [option('nfacct-name')];
const NAME_ROOM = 31;

export const nfacct: MatchExtension<NfacctOptions> = {
  name: 'nfacct',
  kind: 'match',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about:
    'counts in an object of the nfacct tool (`--dump-nfacct FILE`), which is taken to be there and to have no quota; always matches',

  parse(given, context) {
    const all = new Given('nfacct', specs, given, context);
    const one = all.need('nfacct-name', '--nfacct-name http');
    if (textOf(one) === '') throw all.wants(one, 'a name');
    return { name: truncated(textOf(one), NAME_ROOM) };
  },

  print: ({ name }) => ` --nfacct-name ${name}`,
  load: (options, { shared }) => void accountOf(options, shared),
  evaluate(options, { length }, { shared }) {
    const account = accountOf(options, shared);
    account.packets += 1;
    account.bytes += length;
    return true;
  },
  lower: ({ name }) => [
    {
      kind: 'special',
      code: SPECIAL_ACCOUNT,
      parameters: [],
      stateful: true,
      shared: { name: `nfacct ${name}`, first: [], most: [], bytes: ACCOUNT_SIZE },
    },
  ],
  generate: (draw) => ['--nfacct-name', draw.pick(['a', 'http'])],
  show: (_, { length }) => `length ${length}`,
};

const accountOf = ({ name }: NfacctOptions, shared: <T>(name: string, make: () => T) => T): Account =>
  shared(`nfacct ${name}`, () => new Account());
