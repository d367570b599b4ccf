/** `-m realm` and `-m devgroup`: numbers that routes and devices may have. Kernel: net/netfilter/xt_realm.c, xt_devgroup.c. All are taken to have 0, as where nobody gave them another, unless an annotation tells the realm of a packet's route, or the groups of its devices. */
import { parseUnsigned } from '../model/numbers.ts';
import type { GivenOption, Legality, MatchExtension } from './extension.ts';
import { bang, Given, hex, option, textOf } from './given.ts';
import { told } from './tests.ts';

interface Masked {
  value: number;
  mask: number;
  invert: boolean;
}

export interface DevgroupOptions {
  source?: Masked;
  destination?: Masked;
}

const MAX = 0xffffffff;
const IN = ['PREROUTING', 'INPUT', 'FORWARD'];
const OUT = ['FORWARD', 'OUTPUT', 'POSTROUTING'];
const realmSpecs = [option('realm', { invertible: true })];
const groupSpecs = [option('src-group', { invertible: true }), option('dst-group', { invertible: true })];
/** What /etc/iproute2 calls 0. */
const REALM = 'cosmos';
const GROUP = 'default';

export const realm: MatchExtension<Masked> = {
  name: 'realm',
  kind: 'match',
  families: [4],
  options: realmSpecs,
  about: 'realm of the route; none where `--annotate` says nothing',
  legality: { hooks: ['INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] },

  parse(given, context) {
    const all = new Given('realm', realmSpecs, given, context);
    return readMasked(all, all.need('realm', '--realm 10'), REALM);
  },

  print: (options) => printMasked('realm', options, REALM),
  evaluate: ({ value, mask, invert }, { annotation }) => (((annotation.realm ?? 0) & mask) >>> 0 === value) !== invert,
  lower: ({ value, mask, invert }, { annotations }) => [
    told(annotations, ({ realm: own = 0 }) => (((own & mask) ^ value) === 0) !== invert),
  ],
  generate: (draw) => [...(draw.chance(0.4) ? ['!'] : []), '--realm', draw.pick(['0', '5', '0x10/0xf0', '0/0xff', '1/0'])],
  show: (_, { annotation }) => `realm ${annotation.realm ?? 0}`,
};

export const devgroup: MatchExtension<DevgroupOptions> = {
  name: 'devgroup',
  kind: 'match',
  families: [4, 6],
  options: groupSpecs,
  about: 'group of a device; the default one where `--annotate` says nothing',

  legalityOf({ source, destination }): Legality {
    return {
      hooks: IN.concat(OUT).filter(
        (hook) => (source === undefined || IN.includes(hook)) && (destination === undefined || OUT.includes(hook)),
      ),
    };
  },

  parse(given, context) {
    const all = new Given('devgroup', groupSpecs, given, context);
    all.needOne(['src-group', 'dst-group'], '--src-group 5');
    const [source, destination] = [all.get('src-group'), all.get('dst-group')];
    return {
      ...(source === undefined ? {} : { source: readMasked(all, source, GROUP) }),
      ...(destination === undefined ? {} : { destination: readMasked(all, destination, GROUP) }),
    };
  },

  print({ source, destination }) {
    const one = (name: string, group: Masked | undefined): string => (group === undefined ? '' : printMasked(name, group, GROUP));
    return one('src-group', source) + one('dst-group', destination);
  },

  evaluate({ source, destination }, { annotation: { srcgroup = 0, dstgroup = 0 } }) {
    const inGroup = ({ value, mask, invert }: Masked, group: number): boolean => (((value ^ group) & mask) === 0) !== invert;
    if (source !== undefined && !inGroup(source, srcgroup)) return false;
    return destination === undefined || inGroup(destination, dstgroup);
  },

  lower: ({ source, destination }, { annotations }) => [
    ...(source === undefined ? [] : [told(annotations, ({ srcgroup = 0 }) => agrees(source, srcgroup))]),
    ...(destination === undefined ? [] : [told(annotations, ({ dstgroup = 0 }) => agrees(destination, dstgroup))]),
  ],

  generate(draw, _, { chain = 'FORWARD' }) {
    const group = (): string[] => [draw.pick(['0', '5', '0x10/0xf0', '5/0', '0x100/0xff'])];
    const not = (): string[] => (draw.chance(0.4) ? ['!'] : []);
    const out: string[] = [];
    if (IN.includes(chain) && (chain !== 'FORWARD' || draw.chance(0.6))) out.push(...not(), '--src-group', ...group());
    return out.length > 0 ? out : [...not(), '--dst-group', ...group()];
  },

  show: (_, { annotation: { srcgroup = 0, dstgroup = 0 } }) => `groups ${srcgroup} in, ${dstgroup} out`,
};

/** The bits under the mask are those of the value, or some are not. */
const agrees = ({ value, mask, invert }: Masked, group: number): boolean =>
  invert ? (value & mask) !== (group & mask) : (value & mask) === (group & mask);

/** VALUE, VALUE/MASK or the name of 0. */
function readMasked(all: Given, one: GivenOption, zero: string): Masked {
  const [text = '', maskText, ...rest] = textOf(one).split('/');
  const value = text === zero ? 0 : parseUnsigned(text, MAX);
  const mask = maskText === undefined ? MAX : parseUnsigned(maskText, MAX);
  if (value === undefined || mask === undefined || rest.length > 0)
    throw all.wants(one, `VALUE or VALUE/MASK of 32 bits, or ${zero}`, 'other names depend on the host: write the number');
  return { value, mask, invert: one.invert };
}

function printMasked(name: string, { value, mask, invert }: Masked, zero: string): string {
  const text = mask !== MAX ? `${hex(value)}/${hex(mask)}` : value === 0 ? zero : hex(value);
  return `${bang(invert)} --${name} ${text}`;
}
