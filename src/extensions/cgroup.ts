/** `-m cgroup`: the control group of the socket a packet belongs to. Kernel: net/netfilter/xt_cgroup.c. Without a socket, which is so where no annotation says otherwise, it does not match, inverted or not. */
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, savedString, textOf } from './given.ts';
import { told } from './tests.ts';

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
  about: 'control group of the socket; none where `--annotate` says nothing',
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
  evaluate({ group, invert }, { annotation }) {
    if (annotation.socket !== true) return false;
    return ('path' in group ? isBelow(annotation.cgroup ?? '', group.path) : (annotation.class ?? 0) === group.class) !== invert;
  },
  lower: ({ group, invert }, { annotations }) => [
    told(annotations, ({ socket = false, class: own = 0, cgroup: path = '' }) => {
      const member = 'class' in group ? own === group.class : lies(path, group.path);
      return socket && (invert ? !member : member);
    }),
  ],
  generate: (draw, _, { judge = 'software' }) => [
    ...(draw.chance(0.4) ? ['!'] : []),
    // A kernel takes only paths there are.
    ...(draw.chance()
      ? ['--cgroup', draw.pick(['0', '5'])]
      : ['--path', draw.pick(judge === 'software' ? ['/', 'a', 'a/b'] : ['/'])]),
  ],
  show: (_, { annotation }) =>
    annotation.socket === true ? `class ${annotation.class ?? 0}, path ${annotation.cgroup ?? '/'}` : 'no socket',
};

const parts = (path: string): string[] => path.split('/').filter((part) => part !== '');

/** The group itself, or one in it. */
function isBelow(path: string, ancestor: string): boolean {
  const own = parts(path);
  return parts(ancestor).every((part, i) => part === own[i]);
}

/** The same of paths as text, each part closed by a slash. */
function lies(path: string, within: string): boolean {
  const closed = (text: string): string => `/${text}/`.replace(/\/+/g, '/');
  return closed(path).startsWith(closed(within));
}
