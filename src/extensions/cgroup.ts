/** `-m cgroup`: the control group of the socket a packet belongs to. Kernel: net/netfilter/xt_cgroup.c. Packets are taken to have no socket, and then it does not match, inverted or not. */
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, savedString, textOf } from './given.ts';
import { constant } from './tests.ts';

export interface CgroupOptions {
  /** The class of net_cls, or a path below the mount point of the second version. */
  group: { class: number } | { path: string };
  invert: boolean;
}

const specs = [option('cgroup', { invertible: true }), option('path', { invertible: true })];
const PATH_ROOM = 511;

export const cgroup: MatchExtension<CgroupOptions> = {
  name: 'cgroup',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'control group of the socket; packets are taken to have no socket',
  legality: { hooks: ['INPUT', 'OUTPUT', 'POSTROUTING'] },

  parse(given, context) {
    const all = new Given('cgroup', specs, given, context);
    all.exclusive(['cgroup', 'path']);
    all.needOne(['cgroup', 'path'], '--path system.slice/sshd.service');
    const path = all.get('path');
    if (path === undefined) {
      const one = all.need('cgroup', '--cgroup 5');
      return { group: { class: all.number(one, 0xffffffff) }, invert: one.invert };
    }
    if (new TextEncoder().encode(textOf(path)).length > PATH_ROOM) throw all.wants(path, `at most ${PATH_ROOM} bytes`);
    return { group: { path: textOf(path) }, invert: path.invert };
  },

  print: ({ group, invert }) =>
    `${bang(invert)} ${'path' in group ? `--path ${savedString(group.path)}` : `--cgroup ${group.class}`}`,
  evaluate: () => false,
  lower: () => [constant(false)],
  generate: (draw) => [
    ...(draw.chance(0.4) ? ['!'] : []),
    ...draw.pick([
      ['--cgroup', '0'],
      ['--cgroup', '5'],
      ['--path', '/'],
    ]),
  ],
  show: () => 'no socket',
};
