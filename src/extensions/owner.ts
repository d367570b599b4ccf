/** `-m owner`: who owns the socket a packet comes from. Kernel: net/netfilter/xt_owner.c. A capture does not say; where no annotation does, packets are taken to have no socket, as forwarded ones. */
import type { Annotation } from '../model/annotations.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf, writtenName } from './given.ts';
import { told } from './tests.ts';

interface Ids {
  low: number;
  high: number;
  invert: boolean;
}

export interface OwnerOptions {
  uid?: Ids;
  gid?: Ids;
  socket?: { invert: boolean };
  /** --suppl-groups. */
  supplementary: boolean;
}

/** (uid_t)-1 is nobody. */
const MAX = 0xfffffffe;
const specs = [
  option('uid-owner', { invertible: true }),
  option('gid-owner', { invertible: true }),
  option('socket-exists', { argument: 'none', invertible: true }),
  option('suppl-groups', { argument: 'none' }),
];

export const owner: MatchExtension<OwnerOptions> = {
  name: 'owner',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'owner of the socket; none where `--annotate` says nothing',
  legality: { hooks: ['OUTPUT', 'POSTROUTING'] },

  parse(given, context) {
    const all = new Given('owner', specs, given, context);
    const [uid, gid, socket, groups] = ['uid-owner', 'gid-owner', 'socket-exists', 'suppl-groups'].map((name) => all.get(name));
    if (groups !== undefined && (gid === undefined || given.indexOf(groups) < given.indexOf(gid)))
      throw all.complain(groups, `${writtenName(groups)} wants --gid-owner in front of it`);
    all.needOne(['uid-owner', 'gid-owner', 'socket-exists'], '--uid-owner 1000');
    return {
      ...(uid === undefined ? {} : { uid: readIds(all, uid) }),
      ...(gid === undefined ? {} : { gid: readIds(all, gid) }),
      ...(socket === undefined ? {} : { socket: { invert: socket.invert } }),
      supplementary: groups !== undefined,
    };
  },

  print({ uid, gid, socket, supplementary }) {
    const ids = (name: string, one: Ids | undefined): string =>
      one === undefined ? '' : `${bang(one.invert)} --${name} ${one.low === one.high ? one.low : `${one.low}-${one.high}`}`;
    const exists = socket === undefined ? '' : `${bang(socket.invert)} --socket-exists`;
    return exists + ids('uid-owner', uid) + ids('gid-owner', gid) + (supplementary ? ' --suppl-groups' : '');
  },

  evaluate: (options, { annotation }) =>
    annotation.socket === true ? holdsWithSocket(options, annotation) : holdsWithoutSocket(options),
  lower: ({ uid, gid, socket, supplementary }, { annotations }) => [
    told(annotations, (one) => {
      if (one.socket !== true) return !supplementary && [uid, gid, socket].every((asked) => asked === undefined || asked.invert);
      const groups = [...(one.gid === undefined ? [] : [one.gid]), ...((supplementary && one.groups) || [])];
      // A socket whose owner nobody knows is in no range; supplementary groups count for its user's groups.
      return socket?.invert !== true && meets(uid, one.uid === undefined ? [] : [one.uid]) && meets(gid, groups);
    }),
  ],

  generate(draw) {
    const not = (): string[] => (draw.chance() ? ['!'] : []);
    const out: string[] = [];
    if (draw.chance(0.6)) out.push(...not(), '--uid-owner', draw.pick(['0', '1000', '1000-2000']));
    if (draw.chance(0.2))
      out.push(...not(), '--gid-owner', draw.pick(['0', '5']), ...(draw.chance(0.3) ? ['--suppl-groups'] : []));
    return out.length === 0 || draw.chance(0.2) ? [...out, ...not(), '--socket-exists'] : out;
  },

  show(_, { annotation: { socket, uid, gid } }) {
    if (socket !== true) return 'no socket';
    return `socket of user ${uid ?? '(not told)'}, group ${gid ?? '(not told)'}`;
  },
};

/** Of an owner that is not told, no range holds him. */
function holdsWithSocket({ uid, gid, socket, supplementary }: OwnerOptions, owner: Annotation): boolean {
  const holds = (ids: Ids, id: number | undefined): boolean => id !== undefined && id >= ids.low && id <= ids.high;
  if (socket?.invert) return false;
  if (uid !== undefined && holds(uid, owner.uid) === uid.invert) return false;
  if (gid === undefined) return true;
  const inGroup = holds(gid, owner.gid) || (supplementary && (owner.groups ?? []).some((group) => holds(gid, group)));
  return inGroup !== gid.invert;
}

function meets(asked: Ids | undefined, ids: readonly number[]): boolean {
  if (asked === undefined) return true;
  const found = ids.some((id) => asked.low <= id && id <= asked.high);
  return asked.invert ? !found : found;
}

/** Every condition fails without a socket, so those must all be inverted; supplementary groups count as one that cannot be. */
function holdsWithoutSocket({ uid, gid, socket, supplementary }: OwnerOptions): boolean {
  if (supplementary) return false;
  if (uid !== undefined && !uid.invert) return false;
  if (gid !== undefined && !gid.invert) return false;
  return socket === undefined || socket.invert;
}

/** ID, LOW-HIGH, or root; other names depend on the host. */
function readIds(all: Given, one: GivenOption): Ids {
  const parts = textOf(one) === 'root' ? ['0'] : textOf(one).split('-');
  const [low, high = low] = parts.map((part) => parseUnsigned(part, MAX));
  if (low === undefined || high === undefined || parts.length > 2 || parts.includes(''))
    throw all.wants(
      one,
      `a number or LOW-HIGH, each up to ${MAX}`,
      'names of users depend on the host: write the number (id -u NAME)',
    );
  if (low > high) throw all.wants(one, 'LOW-HIGH, LOW not above HIGH');
  return { low, high, invert: one.invert };
}
