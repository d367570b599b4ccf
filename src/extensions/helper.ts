/** `-m helper`: the helper of the connection that expected this one. Kernel: net/netfilter/xt_helper.c. */
import { SPECIAL_HELPER } from '../abi/special.ts';
import { HELPERS } from '../model/helpers.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, savedString, textOf, truncated } from './given.ts';

export interface HelperOptions {
  /** '' is any. */
  name: string;
  invert: boolean;
}

const specs = [option('helper', { invertible: true })];
/** The kernel's buffer, less the end of the string. */
const LONGEST = 29;

export const helper: MatchExtension<HelperOptions> = {
  name: 'helper',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'helper of the connection that expected this one',
  needsConntrack: true,
  parse(given, context) {
    const one = new Given('helper', specs, given, context).need('helper', '--helper ftp');
    return { name: truncated(textOf(one), LONGEST), invert: one.invert };
  },
  print: ({ name, invert }) => `${bang(invert)} --helper ${savedString(name)}`,

  /** The kernel compares as many characters as its own name has. Whatever is missing on the way, the answer is that of the inversion. */
  evaluate({ name, invert }, { connection }) {
    const master = connection?.masterHelper ?? null;
    if (master === null) return invert;
    return (name === '' || name.startsWith(master)) !== invert;
  },

  lower({ name, invert }) {
    let fitting = 0;
    for (const one of HELPERS) {
      if (name === '' || name.slice(0, one.name.length) === one.name) fitting |= 1 << one.number;
    }
    return [{ kind: 'special', code: SPECIAL_HELPER, parameters: [fitting, invert ? 1 : 0], stateful: false }];
  },

  generate(draw) {
    const names = HELPERS.filter(({ number }) => number !== undefined).map(({ name }) => name);
    const name = draw.pick([...names, ...names, '', 'ftp-2121', 'no-such']);
    return [...(draw.chance(0.3) ? ['!'] : []), '--helper', name];
  },
  show: (_, { connection }) =>
    connection?.masterHelper == null ? 'no connection expected this one' : `expected by ${connection.masterHelper}`,
};
