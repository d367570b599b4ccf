/** `-m socket`: there is a socket on this host that a packet is for. Kernel: net/netfilter/xt_socket.c. Nobody listens here; loading the rule brings defragmentation. */
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import { constant } from './tests.ts';

export interface SocketOptions {
  transparent: boolean;
  nowildcard: boolean;
  restoreMark: boolean;
}

const flag = (name: string) => option(name, { argument: 'none' });
const specs = [flag('transparent'), flag('nowildcard'), flag('restore-skmark')];

export const socket: MatchExtension<SocketOptions> = {
  name: 'socket',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'a socket of this host that the packet is for; taken to be none',
  legality: { hooks: ['PREROUTING', 'INPUT'] },
  needsDefragmentation: true,

  parse(given, context) {
    const all = new Given('socket', specs, given, context);
    return {
      transparent: all.has('transparent'),
      nowildcard: all.has('nowildcard'),
      restoreMark: all.has('restore-skmark'),
    };
  },

  print: ({ transparent, nowildcard, restoreMark }) =>
    `${transparent ? ' --transparent' : ''}${nowildcard ? ' --nowildcard' : ''}${restoreMark ? ' --restore-skmark' : ''}`,
  evaluate: () => false,
  lower: () => [constant(false)],
  generate: (draw) => specs.flatMap(({ names }) => (draw.chance(0.3) ? [`--${names[0]}`] : [])),
  show: () => 'no socket',
};
