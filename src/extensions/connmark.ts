/** `-m connmark`: the mark of the connection, masked. Kernel: net/netfilter/xt_connmark.c (connmark_mt). Without a connection it never matches, inverted or not. */
import { SPECIAL_CONNMARK } from '../abi/special.ts';
import type { MatchExtension } from './extension.ts';
import { Given, hex, option } from './given.ts';
import { type MarkMatchOptions, mark } from './mark.ts';

const specs = [option('mark', { invertible: true })];

export const connmark: MatchExtension<MarkMatchOptions> = {
  name: 'connmark',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'mark of the connection',
  needsConntrack: true,
  parse(given, context) {
    const all = new Given('connmark', specs, given, context);
    const one = all.need('mark', '--mark 0x1/0xff');
    return { ...all.markAndMask(one), invert: one.invert };
  },
  print: (options, context) => mark.print(options, context),
  evaluate({ mark: value, mask, invert }, { connection }) {
    return connection !== null && ((connection.mark & mask) >>> 0 === value) !== invert;
  },
  lower: ({ mark: value, mask, invert }) => [
    { kind: 'special', code: SPECIAL_CONNMARK, parameters: [value, mask, invert ? 1 : 0], stateful: false },
  ],
  generate: (draw, pools, context) => mark.generate(draw, pools, context),
  show: (_, { connection }) => (connection === null ? 'no connection' : `mark of the connection ${hex(connection.mark)}`),
};
