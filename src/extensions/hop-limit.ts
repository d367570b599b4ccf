/** What ttl and hl share: equal, not equal, less, greater. Kernel: net/netfilter/xt_hl.c. */
import { FIELD_TTL } from '../abi/fields.ts';
import type { Family } from '../model/ruleset.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import { range } from './tests.ts';

export interface HopLimitOptions {
  mode: 'eq' | 'ne' | 'lt' | 'gt';
  value: number;
}

/** `name` is ttl or hl; the option `--NAME` is an alias of `--NAME-eq`. */
export function hopLimitMatch(name: 'ttl' | 'hl', family: Family, about: string): MatchExtension<HopLimitOptions> {
  const names = [`${name}-eq`, `${name}-lt`, `${name}-gt`] as const;
  const specs = [option([names[0], name], { invertible: true }), option(names[1]), option(names[2])];
  return {
    name,
    kind: 'match',
    families: [family],
    options: specs,
    about,
    parse(given, context) {
      const all = new Given(name, specs, given, context);
      all.exclusive(names);
      all.needOne(names, `--${name}-gt 1`);
      const chosen = names.find((each) => all.has(each)) ?? names[0];
      const one = all.need(chosen, `--${name}-gt 1`);
      const mode = chosen === names[1] ? 'lt' : chosen === names[2] ? 'gt' : one.invert ? 'ne' : 'eq';
      return { mode, value: all.number(one, 255) };
    },
    print: ({ mode, value }) => `${mode === 'ne' ? ' !' : ''} --${name}-${mode === 'ne' ? 'eq' : mode} ${value}`,
    evaluate({ mode, value }, { ttl }) {
      if (mode === 'eq') return ttl === value;
      if (mode === 'ne') return ttl !== value;
      return mode === 'lt' ? ttl < value : ttl > value;
    },
    lower({ mode, value }) {
      if (mode === 'lt') return [range(FIELD_TTL, 0, value - 1)];
      return mode === 'gt' ? [range(FIELD_TTL, value + 1, 255)] : [range(FIELD_TTL, value, value, mode === 'ne')];
    },
    generate(draw) {
      const value = String(draw.pick([0, 1, 2, 63, 64, 65, 128, 255]));
      const chosen = draw.pick(names);
      return [...(chosen === names[0] && draw.chance(0.3) ? ['!'] : []), `--${chosen}`, value];
    },
    show: (_, { ttl }) => `${name} ${ttl}`,
  };
}
