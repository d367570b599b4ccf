/** `-m socket`: there is a socket on this host that a packet is for. Kernel: net/netfilter/xt_socket.c. Nobody listens here where no annotation says so; loading the rule brings defragmentation. The mark of a socket (--restore-skmark) is not known. */
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import { told } from './tests.ts';

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
  about: 'a socket of this host that the packet is for; none where `--annotate` says nothing',
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
  evaluate({ transparent, nowildcard }, { annotation }) {
    if (annotation.socket !== true) return false;
    // Who listens at any address does not count, unless the rule says so.
    if (annotation.wildcard === true && !nowildcard) return false;
    return !transparent || annotation.transparent === true;
  },
  lower: ({ transparent, nowildcard }, { annotations }) => [
    told(
      annotations,
      (one) => one.socket === true && (one.transparent === true || !transparent) && (nowildcard || one.wildcard !== true),
    ),
  ],
  generate: (draw) => specs.flatMap(({ names }) => (draw.chance(0.3) ? [`--${names[0]}`] : [])),
  show: (_, { annotation }) => (annotation.socket === true ? 'a socket' : 'no socket'),
};
