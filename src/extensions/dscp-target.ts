/** `-j DSCP`: another code point in TOS byte or traffic class. Kernel: net/netfilter/xt_DSCP.c (dscp_tg). */
import { EFFECT_TOS } from '../abi/effects.ts';
import { FIELD_TOS } from '../abi/fields.ts';
import { dscpOfClass } from './dscp.ts';
import type { TargetExtension } from './extension.ts';
import { Given, hex, option, textOf } from './given.ts';
import { changeTos } from './tos-change.ts';

const specs = [option('set-dscp'), option('set-dscp-class')];
const HIGHEST = 63;
/** All but the two bits of ECN. */
const MASK = 0xfc;

export const DSCP: TargetExtension<{ dscp: number }> = {
  name: 'DSCP',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'sets the DSCP code point',
  legality: { tables: ['mangle'] },
  parse(given, context) {
    const all = new Given('DSCP', specs, given, context);
    all.exclusive(['set-dscp', 'set-dscp-class']);
    all.needOne(['set-dscp', 'set-dscp-class'], '--set-dscp 0x2e');
    const number = all.get('set-dscp');
    if (number !== undefined) return { dscp: all.number(number, HIGHEST) };
    const named = all.need('set-dscp-class', '');
    const dscp = dscpOfClass(textOf(named));
    if (dscp === undefined) throw all.wants(named, 'a class: EF, BE, CS0 to CS7, AF11 to AF43');
    return { dscp };
  },
  print: ({ dscp }) => ` --set-dscp ${hex(dscp, 2)}`,
  evaluate({ dscp }, packet, effects) {
    changeTos(MASK, dscp << 2, false, packet, effects);
    return 'continue';
  },
  lower: ({ dscp }) => ({ kind: 'effect', code: EFFECT_TOS, parameters: [MASK, dscp << 2, 0], changes: [FIELD_TOS] }),
  generate: (draw) =>
    draw.chance()
      ? ['--set-dscp', String(draw.pick([0, 1, 10, 46, 63]))]
      : ['--set-dscp-class', draw.pick(['EF', 'BE', 'CS4', 'AF21'])],
};
