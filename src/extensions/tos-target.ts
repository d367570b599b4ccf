/** `-j TOS`: another TOS byte or traffic class. Kernel: net/netfilter/xt_DSCP.c (tos_tg). */
import { EFFECT_TOS } from '../abi/effects.ts';
import { FIELD_TOS } from '../abi/fields.ts';
import type { TargetExtension } from './extension.ts';
import { Given, hex, option } from './given.ts';
import { readTos } from './tos.ts';
import { changeTos } from './tos-change.ts';

/** tos = (tos & ~mask) ^ value. */
export interface TosChange {
  value: number;
  mask: number;
}

const NAMES = ['set-tos', 'and-tos', 'or-tos', 'xor-tos'] as const;
const specs = NAMES.map((name) => option(name));

export const TOS: TargetExtension<TosChange> = {
  name: 'TOS',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'changes the TOS byte or traffic class',
  legality: { tables: ['mangle'] },
  parse(given, context) {
    const all = new Given('TOS', specs, given, context);
    all.exclusive(NAMES);
    all.needOne(NAMES, '--set-tos 0x10');
    const set = all.get('set-tos');
    if (set !== undefined) return readTos(all, set);
    const name = NAMES.find((each) => all.has(each))!;
    const bits = all.number(all.need(name, ''), 255);
    if (name === 'and-tos') return { value: 0, mask: ~bits & 0xff };
    return { value: bits, mask: name === 'or-tos' ? bits : 0 };
  },
  print: ({ value, mask }) => ` --set-tos ${hex(value, 2)}/${hex(mask, 2)}`,
  evaluate({ value, mask }, packet, effects) {
    changeTos(mask, value, false, packet, effects);
    return 'continue';
  },
  lower: ({ value, mask }) => ({ kind: 'effect', code: EFFECT_TOS, parameters: [mask, value, 0], changes: [FIELD_TOS] }),
  generate(draw) {
    const bits = hex(draw.pick([0, 2, 4, 8, 0x10, 0x28, 0xb8, 0xff]), 2);
    const name = draw.pick(NAMES);
    return [`--${name}`, name === 'set-tos' && draw.chance() ? `${bits}/${hex(draw.pick([0, 3, 0x3f, 0xfc, 0xff]), 2)}` : bits];
  },
};
