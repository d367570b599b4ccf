/** `-m physdev`: ports of a bridge. Kernel: net/netfilter/xt_physdev.c. No packet of a capture is taken to be bridged. */
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { constant } from './tests.ts';

interface Asked {
  invert: boolean;
  /** For in and out. */
  name?: string;
}

export type PhysdevOptions = Partial<Record<(typeof NAMES)[number], Asked>>;

/** In the order of printing. */
const NAMES = ['physdev-is-in', 'physdev-in', 'physdev-is-out', 'physdev-out', 'physdev-is-bridged'] as const;
const LONGEST = 15;
const specs = NAMES.map((name) => option(name, { argument: /-is-/.test(name) ? 'none' : 'one', invertible: true }));

export const physdev: MatchExtension<PhysdevOptions> = {
  name: 'physdev',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'ports of a bridge; packets are taken not to be bridged',

  /** What leaves by which port is not known in OUTPUT. */
  legalityOf(options) {
    const out = options['physdev-out'] ?? options['physdev-is-out'];
    if (out === undefined || options['physdev-is-bridged']?.invert === false) return undefined;
    return { hooks: ['PREROUTING', 'INPUT', 'FORWARD', 'POSTROUTING'] };
  },

  parse(given, context) {
    const all = new Given('physdev', specs, given, context);
    all.needOne(NAMES, '--physdev-in eth0');
    const out: PhysdevOptions = {};
    for (const name of NAMES) {
      const one = all.get(name);
      if (one !== undefined)
        out[name] = { invert: one.invert, ...(one.values.length === 0 ? {} : { name: deviceName(all, one) }) };
    }
    return out;
  },

  print(options) {
    const words = NAMES.map((name) => {
      const one = options[name];
      return one === undefined ? '' : `${bang(one.invert)} --${name}${one.name === undefined ? '' : ` ${one.name}`}`;
    });
    return words.join('');
  },

  evaluate(options) {
    for (const name of NAMES) if (options[name]?.invert === false) return false;
    return true;
  },

  lower: (options) => [constant(Object.values(options).every(({ invert }) => invert))],

  generate(draw, pools, { chain = '' }) {
    const mostlyNot = (): string[] => (draw.chance(0.6) ? ['!'] : []);
    const out: string[] = [];
    if (draw.chance()) out.push(...mostlyNot(), '--physdev-in', draw.pick(pools.interfaces));
    if (draw.chance(0.3) && chain !== 'OUTPUT' && chain !== '')
      out.push(...mostlyNot(), '--physdev-out', draw.pick(pools.interfaces));
    return out.length === 0 || draw.chance(0.3)
      ? [...out, ...mostlyNot(), draw.pick(['--physdev-is-in', '--physdev-is-bridged'])]
      : out;
  },

  show: () => 'not bridged',
};

function deviceName(all: Given, one: GivenOption): string {
  const name = textOf(one);
  if (name.length > LONGEST) throw all.wants(one, `a name of at most ${LONGEST} characters`);
  return name;
}
