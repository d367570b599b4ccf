/** `-j SET`: adds what the packet has to sets of ipset, takes it out, or gives the packet a mark by them. Kernel: net/netfilter/xt_set.c, revision 3. */
import {
  EFFECT_SET,
  SET_DEED_ADD,
  SET_DEED_DEL,
  SET_DEED_EXIST,
  SET_DEED_MAP,
  SET_DEED_MARK,
  SET_DEED_OWN_TIMEOUT,
} from '../abi/effects.ts';
import { FIELD_MARK } from '../abi/fields.ts';
import { MOST_TIMEOUT, type SetUse } from '../model/ipset.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';
import { drawUse, readUse, useWords } from './set.ts';

export interface SetTargetOptions {
  add?: SetUse & { exist: boolean; timeout?: number };
  del?: SetUse;
  /** mark, prio, queue: what the element of the packet gives it. */
  map?: SetUse & { mark: boolean; prio: boolean; queue: boolean };
}

const DEEDS = ['add-set', 'del-set', 'map-set'] as const;
const MAPS = ['map-mark', 'map-prio', 'map-queue'] as const;
// iptables takes ! before each of them, and forgets it.
const specs = [
  ...DEEDS.map((name) => option(name, { argument: 'two', invertible: true })),
  option('exist', { argument: 'none', invertible: true }),
  option('timeout', { invertible: true }),
  ...MAPS.map((name) => option(name, { argument: 'none', invertible: true })),
];
/** The largest number of 32 bits stands for no timeout. */
const MOST_GIVEN = 0xffff_fffe;

export const SET: TargetExtension<SetTargetOptions> = {
  name: 'SET',
  kind: 'target',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about: 'adds to sets of ipset, takes out of them, maps marks by them (`--dump-ipset FILE` writes what became of them)',

  legalityOf({ map }) {
    if (map === undefined) return undefined;
    if (!map.prio && !map.queue) return { tables: ['mangle'] };
    return { tables: ['mangle'], hooks: ['FORWARD', 'OUTPUT', 'POSTROUTING'] };
  },

  parse(given, context) {
    const all = new Given('SET', specs, given, context);
    all.needOne(DEEDS, '--add-set NAME src');
    for (const name of ['exist', 'timeout']) {
      const one = all.get(name);
      if (one !== undefined && !all.has('add-set')) throw all.complain(one, `--${name} goes with --add-set`);
    }
    const [add, del, map] = DEEDS.map((name) => all.get(name));
    const [mark, prio, queue] = MAPS.map((name) => all.has(name)) as [boolean, boolean, boolean];
    if (map !== undefined && !mark && !prio && !queue)
      throw all.missing('--map-set wants --map-mark, --map-prio or --map-queue', '--map-set NAME src --map-mark');
    const timeout = all.get('timeout');
    const seconds = timeout === undefined ? {} : { timeout: all.number(timeout, MOST_GIVEN) };
    return {
      ...(add === undefined ? {} : { add: { ...readUse(all, add), exist: all.has('exist'), ...seconds } }),
      ...(del === undefined ? {} : { del: readUse(all, del) }),
      ...(map === undefined ? {} : { map: { ...readUse(all, map), mark, prio, queue } }),
    };
  },

  print({ add, del, map }) {
    const use = (name: string, one: SetUse): string => ` --${name} ${one.set} ${one.sides.join(',')}`;
    let out = '';
    if (add !== undefined) {
      out += use('add-set', add) + (add.exist ? ' --exist' : '');
      if (add.timeout !== undefined) out += ` --timeout ${add.timeout}`;
    }
    if (del !== undefined) out += use('del-set', del);
    if (map !== undefined)
      out += use('map-set', map) + MAPS.map((name, i) => ([map.mark, map.prio, map.queue][i] ? ` --${name}` : '')).join('');
    return out;
  },

  evaluate({ add, del, map }, packet, effects, { sets }) {
    if (add !== undefined) sets.change({ deed: 'add', ...add }, packet);
    if (del !== undefined) sets.change({ deed: 'del', exist: false, ...del }, packet);
    if (map === undefined) return 'continue';
    const info = sets.infoOf(map, packet);
    if (info !== undefined && map.mark) effects.setMark(((packet.mark & ~info.mask) ^ info.mark) >>> 0);
    return 'continue';
  },

  lower({ add, del, map }, { profile, sets }) {
    const flags =
      (add === undefined ? 0 : SET_DEED_ADD) |
      (del === undefined ? 0 : SET_DEED_DEL) |
      (map === undefined ? 0 : SET_DEED_MAP) |
      (add?.exist === true ? SET_DEED_EXIST : 0) |
      (add?.timeout === undefined ? SET_DEED_OWN_TIMEOUT : 0) |
      (map?.mark === true ? SET_DEED_MARK : 0);
    const uses = [add, del, map].flatMap((use) => (use === undefined ? [0, 0, 0] : useWords(use, sets)));
    const jiffies = BigInt(Math.min(add?.timeout ?? 0, MOST_TIMEOUT)) * BigInt(profile.hz);
    const parameters = [flags, ...uses, Number(jiffies & 0xffffffffn), Number(jiffies >> 32n)];
    return { kind: 'effect', code: EFFECT_SET, parameters, changes: map?.mark === true ? [FIELD_MARK] : [] };
  },

  generate(draw, _, { family, table, chain = '' }) {
    const maps = chain === 'FORWARD' || chain === 'OUTPUT' || chain === 'POSTROUTING' ? MAPS : [MAPS[0]];
    // Only mangle takes --map-set.
    const deed = draw.integer(0, table === 'mangle' ? 9 : 8);
    const out: string[] = [];
    if (deed < 6) {
      out.push('--add-set', ...drawUse(draw, family));
      if (draw.chance(0.4)) out.push('--exist');
      if (draw.chance(0.3)) out.push('--timeout', draw.pick(['0', '400', '90000', '4294967294']));
    }
    if (deed > 4 && deed < 9) out.push('--del-set', ...drawUse(draw, family));
    if (deed === 9) {
      const map = draw.pick(maps);
      out.push('--map-set', ...drawUse(draw, family), `--${map}`);
      if (map !== MAPS[0] && draw.chance()) out.push(`--${MAPS[0]}`);
    }
    return out;
  },
};
