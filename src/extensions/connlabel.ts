/** `-m connlabel`: labels of the connection, numbers from 0 to 127. Kernel: net/netfilter/xt_connlabel.c. `--set` adds the label, and then it is there. */
import { SPECIAL_CONNLABEL } from '../abi/special.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';

export interface ConnlabelOptions {
  label: number;
  set: boolean;
  invert: boolean;
}

const specs = [option('label', { invertible: true }), option('set', { argument: 'none' })];
const MOST = 127;

export const connlabel: MatchExtension<ConnlabelOptions> = {
  name: 'connlabel',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'labels of the connection, by number; --set adds one',
  needsConntrack: true,
  turnsOn: 'labels',

  parse(given, context) {
    const all = new Given('connlabel', specs, given, context);
    const one = all.need('label', '--label 5');
    const label = parseUnsigned(textOf(one), MOST);
    if (label === undefined)
      throw all.wants(one, `a number from 0 to ${MOST}`, 'names stand in /etc/xtables/connlabel.conf: write the number');
    return { label, set: all.has('set'), invert: one.invert };
  },

  print: ({ label, set, invert }) => `${bang(invert)} --label "${label}"${set ? ' --set' : ''}`,

  evaluate({ label, set, invert }, { connection }) {
    if (connection === null || connection.labels === null) return invert;
    if (set) connection.labels.add(label);
    return connection.labels.has(label) !== invert;
  },

  lower: ({ label, set, invert }) => [
    { kind: 'special', code: SPECIAL_CONNLABEL, parameters: [label, invert ? 1 : 0, set ? 1 : 0], stateful: set },
  ],

  generate(draw) {
    const set = draw.chance(0.5) ? ['--set'] : [];
    return [...(draw.chance(0.2) ? ['!'] : []), '--label', String(draw.pick([0, 1, 1, 2, 31, 32, 64, 127])), ...set];
  },

  show(_, { connection }) {
    if (connection === null || connection.labels === null) return 'no connection';
    return connection.labels.size === 0 ? 'no label' : `labels ${[...connection.labels].sort((a, b) => a - b).join(', ')}`;
  },
};
