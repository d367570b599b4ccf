/** `-m physdev`: ports of a bridge. Kernel: net/netfilter/xt_physdev.c. A capture does not say; where no annotation does, packets are taken not to have come by a bridge. */
import type { Annotation } from '../model/annotations.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { toldByWay } from './tests.ts';

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
  about: 'ports of a bridge; none where `--annotate` says nothing',

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

  evaluate(options, { annotation: { physin, physout }, outInterface }) {
    if (physin === undefined) return Object.values(options).every(({ invert }) => invert);
    // Which port it leaves by is known from FORWARD on.
    const out = outInterface === '' ? undefined : physout;
    const bridged = options['physdev-is-bridged'];
    if (bridged !== undefined && (out !== undefined) === bridged.invert) return false;
    if (options['physdev-is-in']?.invert === true) return false;
    const isOut = options['physdev-is-out'];
    if (isOut !== undefined && (out !== undefined) === isOut.invert) return false;
    const [wantedIn, wantedOut] = [options['physdev-in'], options['physdev-out']];
    if (wantedIn !== undefined && isNamed(physin, wantedIn) === wantedIn.invert) return false;
    if (wantedOut === undefined) return true;
    return out !== undefined && isNamed(out, wantedOut) !== wantedOut.invert;
  },

  lower: (options, { annotations }) => [toldByWay(annotations, (one, leaves) => holds(options, one, leaves))],

  generate(draw, pools, { chain = '' }) {
    const mostlyNot = (): string[] => (draw.chance(0.6) ? ['!'] : []);
    const out: string[] = [];
    if (draw.chance()) out.push(...mostlyNot(), '--physdev-in', draw.pick([...pools.interfaces, 'eth+']));
    if (draw.chance(0.3) && chain !== 'OUTPUT' && chain !== '')
      out.push(...mostlyNot(), '--physdev-out', draw.pick(pools.interfaces));
    return out.length === 0 || draw.chance(0.3)
      ? [...out, ...mostlyNot(), draw.pick(['--physdev-is-in', '--physdev-is-bridged'])]
      : out;
  },

  show: (_, { annotation: { physin, physout } }) =>
    physin === undefined ? 'not bridged' : `port in ${physin}, out ${physout ?? '(none)'}`,
};

/** As for -i: a + at the end stands for whatever follows. */
function isNamed(device: string, { name = '' }: Asked): boolean {
  return name.endsWith('+') ? device.startsWith(name.slice(0, -1)) : device === name;
}

/** The same as a table of what is asked: without a bridge nothing is so; ! --physdev-out wants another port, and not none. */
function holds(options: PhysdevOptions, { physin, physout }: Annotation, leaves: boolean): boolean {
  const out = physin !== undefined && leaves ? physout : undefined;
  const fits = (port: string | undefined, pattern = ''): boolean => {
    if (port === undefined) return false;
    const [head = '', ...tail] = pattern.split(/\+$/);
    return tail.length > 0 ? port.slice(0, head.length) === head : port === pattern;
  };
  const so: Readonly<Record<(typeof NAMES)[number], boolean>> = {
    'physdev-is-in': physin !== undefined,
    'physdev-in': fits(physin, options['physdev-in']?.name),
    'physdev-is-out': out !== undefined,
    'physdev-out': fits(out, options['physdev-out']?.name),
    'physdev-is-bridged': out !== undefined,
  };
  if (physin !== undefined && out === undefined && options['physdev-out'] !== undefined) return false;
  return NAMES.every((name) => options[name] === undefined || so[name] !== options[name].invert);
}

function deviceName(all: Given, one: GivenOption): string {
  const name = textOf(one);
  if (name.length > LONGEST) throw all.wants(one, `a name of at most ${LONGEST} characters`);
  return name;
}
