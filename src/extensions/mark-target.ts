/** `-j MARK`: changes the packet mark and goes on. Kernel: net/netfilter/xt_mark.c (mark_tg, revision 2). */
import type { GivenOption, TargetExtension } from './extension.ts';
import { Given, hex, option } from './given.ts';

/** mark = (mark & ~mask) ^ value. */
export interface MarkTargetOptions {
  value: number;
  mask: number;
}

const NAMES = ['set-xmark', 'set-mark', 'and-mark', 'or-mark', 'xor-mark'] as const;
const specs = NAMES.map((name) => option(name));

export const MARK: TargetExtension<MarkTargetOptions> = {
  name: 'MARK',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'sets, clears or flips bits of the packet mark',
  parse(given, context) {
    const all = new Given('MARK', specs, given, context);
    all.exclusive(NAMES);
    all.needOne(NAMES, '-j MARK --set-mark 1');
    const name = NAMES.find((each) => all.has(each)) ?? 'set-mark';
    return read(all, all.need(name, '--set-mark 1'));
  },
  print: ({ value, mask }) => ` --set-xmark ${hex(value)}/${hex(mask)}`,
  evaluate({ value, mask }, packet, effects) {
    effects.setMark(((packet.mark & ~mask) ^ value) >>> 0);
    return 'continue';
  },
  lower: ({ value, mask }) => ({ kind: 'mark', mask, value }),
  generate(draw, pools) {
    const value = hex(pools.marks.length > 0 ? draw.pick(pools.marks) : draw.integer(0, 15));
    const name = draw.pick(NAMES);
    const maskable = name === 'set-xmark' || name === 'set-mark';
    return [`--${name}`, maskable && draw.chance(0.4) ? `${value}/${hex(draw.pick([0, 1, 0xf, 0xff, 0xffffffff]))}` : value];
  },
};

function read(all: Given, one: GivenOption): MarkTargetOptions {
  if (one.name === 'set-xmark' || one.name === 'set-mark') {
    const { mark: value, mask } = all.markAndMask(one);
    return { value, mask: one.name === 'set-mark' ? (value | mask) >>> 0 : mask };
  }
  const bits = all.number(one, 0xffffffff);
  if (one.name === 'and-mark') return { value: 0, mask: ~bits >>> 0 };
  return { value: bits, mask: one.name === 'or-mark' ? bits : 0 };
}
