/** `-j CONNMARK`: changes the mark of the connection, or takes that of the packet over, or gives it back. Kernel: net/netfilter/xt_connmark.c (connmark_tg, revision 2). */
import { EFFECT_CONNMARK_RESTORE, EFFECT_CONNMARK_SAVE, EFFECT_CONNMARK_SET, EFFECT_SHIFT_RIGHT } from '../abi/effects.ts';
import { FIELD_MARK } from '../abi/fields.ts';
import type { GivenOption, TargetExtension } from './extension.ts';
import { Given, hex, option } from './given.ts';

interface Shift {
  bits: number;
  right: boolean;
}

export type ConnmarkTargetOptions = { shift: Shift } & (
  | { mode: 'set'; value: number; mask: number }
  | { mode: 'save' | 'restore'; nfmask: number; ctmask: number }
);

/** Which of these options was written last. */
type Last = (names: readonly string[]) => GivenOption | undefined;

const SETTERS = ['set-xmark', 'set-mark', 'and-mark', 'or-mark', 'xor-mark'] as const;
const MODES = [...SETTERS, 'save-mark', 'restore-mark'] as const;
const SHIFTS = ['left-shift-mark', 'right-shift-mark'] as const;
const specs = [
  ...SETTERS.map((name) => option(name)),
  option('save-mark', { argument: 'none' }),
  option('restore-mark', { argument: 'none' }),
  ...['ctmask', 'nfmask', 'mask', ...SHIFTS].map((name) => option(name)),
];
const ALL = 0xffffffff;

export const CONNMARK: TargetExtension<ConnmarkTargetOptions> = {
  name: 'CONNMARK',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'mark of the connection: set, saved from the packet, restored to it',
  needsConntrack: true,

  parse(given, context) {
    const all = new Given('CONNMARK', specs, given, context);
    all.exclusive(MODES);
    all.needOne(MODES, '-j CONNMARK --set-mark 1');
    const last: Last = (names) => given.findLast(({ name }) => names.includes(name));
    const shift = readShift(all, last);
    const setter = SETTERS.map((name) => all.get(name)).find((one) => one !== undefined);
    const mask = all.get('mask');
    all.exclusive(['mask', 'nfmask']);
    all.exclusive(['mask', 'ctmask']);
    if (setter !== undefined) return { mode: 'set', ...readSetter(all, setter, last), shift };
    const masked = (name: string): number => {
      const one = mask ?? all.get(name);
      return one === undefined ? ALL : all.number(one, ALL);
    };
    return { mode: all.has('save-mark') ? 'save' : 'restore', nfmask: masked('nfmask'), ctmask: masked('ctmask'), shift };
  },

  print(options) {
    const { shift } = options;
    const shifted = shift.bits === 0 ? '' : ` --${shift.right ? 'right' : 'left'}-shift-mark ${shift.bits}`;
    if (options.mode === 'set') return ` --set-xmark ${hex(options.value)}/${hex(options.mask)}${shifted}`;
    return ` --${options.mode}-mark --nfmask ${hex(options.nfmask)} --ctmask ${hex(options.ctmask)}${shifted}`;
  },

  evaluate(options, packet, effects) {
    if (packet.connection === null) return 'continue';
    const { mark } = packet.connection;
    const { shift } = options;
    if (options.mode === 'set') effects.setConnectionMark(shiftBy((mark & ~options.mask) ^ options.value, shift));
    else if (options.mode === 'save') {
      effects.setConnectionMark((mark & ~options.ctmask) ^ shiftBy(packet.mark & options.nfmask, shift));
    } else effects.setMark((packet.mark & ~options.nfmask) ^ shiftBy(mark & options.ctmask, shift));
    return 'continue';
  },

  lower(options) {
    const shift = options.shift.bits | (options.shift.right ? EFFECT_SHIFT_RIGHT : 0);
    if (options.mode === 'set') {
      return { kind: 'effect', code: EFFECT_CONNMARK_SET, parameters: [options.value, options.mask, shift], changes: [] };
    }
    const parameters = [options.ctmask, options.nfmask, shift];
    return options.mode === 'save'
      ? { kind: 'effect', code: EFFECT_CONNMARK_SAVE, parameters, changes: [] }
      : { kind: 'effect', code: EFFECT_CONNMARK_RESTORE, parameters, changes: [FIELD_MARK] };
  },

  generate(draw, pools) {
    const bits = (): string => hex(draw.pick([0, 1, 0xf, 0xff, 0xffff0000, ALL]));
    const value = hex(pools.marks.length > 0 ? draw.pick(pools.marks) : draw.integer(0, 15));
    const shift = draw.chance(0.2) ? [`--${draw.pick(SHIFTS)}`, String(draw.pick([0, 1, 4, 16, 31]))] : [];
    const mode = draw.pick(['save-mark', 'restore-mark', ...SETTERS] as const);
    if (mode === 'save-mark' || mode === 'restore-mark') {
      const masks = draw.pick([[], [], ['--mask', bits()], ['--nfmask', bits(), '--ctmask', bits()]]);
      return [`--${mode}`, ...masks, ...shift];
    }
    const maskable = mode === 'set-xmark' || mode === 'set-mark';
    return [`--${mode}`, maskable && draw.chance(0.4) ? `${value}/${bits()}` : value, ...shift];
  },
};

/** The last of the two counts. */
function readShift(all: Given, last: Last): Shift {
  const one = last(SHIFTS);
  const bits = one === undefined ? 0 : all.number(one, 31);
  return { bits, right: bits !== 0 && one?.name === 'right-shift-mark' };
}

/** There is one register for masks of the connection's mark: what is written last counts. */
function readSetter(all: Given, setter: GivenOption, last: Last): { value: number; mask: number } {
  const own = readOwnMask(all, setter);
  const mask = last([setter.name, 'mask', 'ctmask']);
  return mask === undefined || mask === setter ? own : { value: own.value, mask: all.number(mask, ALL) };
}

function readOwnMask(all: Given, one: GivenOption): { value: number; mask: number } {
  if (one.name === 'set-xmark' || one.name === 'set-mark') {
    const { mark: value, mask } = all.markAndMask(one);
    return { value, mask: one.name === 'set-mark' ? (value | mask) >>> 0 : mask };
  }
  const bits = all.number(one, ALL);
  if (one.name === 'and-mark') return { value: 0, mask: ~bits >>> 0 };
  return { value: bits, mask: one.name === 'or-mark' ? bits : 0 };
}

function shiftBy(value: number, { bits, right }: Shift): number {
  return right ? (value >>> 0) >>> bits : value << bits;
}
