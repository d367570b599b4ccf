/** What TTL and HL share: set, increased, decreased. Kernel: net/netfilter/xt_HL.c. */
import { EFFECT_TTL, TTL_DECREASE, TTL_INCREASE, TTL_SET } from '../abi/effects.ts';
import { FIELD_TTL } from '../abi/fields.ts';
import type { Family } from '../model/ruleset.ts';
import { putIpv4Byte } from '../packet/rewrite.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';

export interface HopLimitChange {
  how: 'set' | 'inc' | 'dec';
  value: number;
}

const HOW = ['set', 'dec', 'inc'] as const;
const CODES = { set: TTL_SET, inc: TTL_INCREASE, dec: TTL_DECREASE } as const;

/** `name` is TTL or HL. */
export function hopLimitTarget(name: 'TTL' | 'HL', family: Family, about: string): TargetExtension<HopLimitChange> {
  const prefix = name.toLowerCase();
  const names = HOW.map((how) => `${prefix}-${how}`);
  const specs = names.map((each) => option(each));
  return {
    name,
    kind: 'target',
    families: [family],
    options: specs,
    about,
    legality: { tables: ['mangle'] },
    parse(given, context) {
      const all = new Given(name, specs, given, context);
      all.exclusive(names);
      all.needOne(names, `--${prefix}-set 64`);
      const how = HOW.find((each) => all.has(`${prefix}-${each}`))!;
      return { how, value: all.number(all.need(`${prefix}-${how}`, ''), 255, how === 'set' ? 0 : 1) };
    },
    print: ({ how, value }) => ` --${prefix}-${how} ${value}`,
    evaluate({ how, value }, { bytes, ttl }, effects) {
      const wanted = how === 'set' ? value : how === 'inc' ? Math.min(255, ttl + value) : Math.max(0, ttl - value);
      if (wanted === ttl) return 'continue';
      const changed = new Uint8Array(bytes);
      if (family === 4) putIpv4Byte(changed, 8, wanted);
      else changed[7] = wanted;
      effects.rewrite(changed);
      return 'continue';
    },
    lower: ({ how, value }) => ({ kind: 'effect', code: EFFECT_TTL, parameters: [CODES[how], value], changes: [FIELD_TTL] }),
    generate(draw) {
      const how = draw.pick(HOW);
      return [`--${prefix}-${how}`, String(how === 'set' ? draw.pick([0, 1, 2, 64, 255]) : draw.pick([1, 2, 63, 255]))];
    },
  };
}
