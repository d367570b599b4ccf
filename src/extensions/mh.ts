/** `-m mh`: the message type of a mobility header. Kernel: net/ipv6/netfilter/ip6t_mh.c. */
import { FIELD_DPORT, FIELD_ICMP_TYPE } from '../abi/fields.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { MatchExtension } from './extension.ts';
import { abbreviates, bang, Given, option, textOf } from './given.ts';
import { notFragment, range, transportHas } from './tests.ts';

export interface MhOptions {
  low: number;
  high: number;
  invert: boolean;
}

const MOBILITY = 135;
const NO_NEXT_HEADER = 59;
/** Up to the checksum. */
const HEADER = 6;
const MAX = 255;
/** By message type: long and short name. */
const TYPES: readonly (readonly [string, string])[] = [
  ['binding-refresh-request', 'brr'],
  ['home-test-init', 'hoti'],
  ['careof-test-init', 'coti'],
  ['home-test', 'hot'],
  ['careof-test', 'cot'],
  ['binding-update', 'bu'],
  ['binding-acknowledgement', 'ba'],
  ['binding-error', 'be'],
];
const specs = [option('mh-type', { invertible: true })];

export const mh: MatchExtension<MhOptions> = {
  name: 'mh',
  kind: 'match',
  families: [6],
  options: specs,
  about: 'message type of a mobility header',
  legality: { protocols: [MOBILITY] },

  parse(given, context) {
    const all = new Given('mh', specs, given, context);
    const one = all.get('mh-type');
    if (one === undefined) return { low: 0, high: MAX, invert: false };
    const at = textOf(one).indexOf(':');
    const parts = at < 0 ? [textOf(one)] : [textOf(one).slice(0, at), textOf(one).slice(at + 1)];
    const [low, high = low] = parts.map((part, i) => (part === '' ? (i === 0 ? 0 : MAX) : typeOf(part)));
    if (low === undefined || high === undefined || (parts.length > 1 && typeOf(parts[1]!) === undefined && parts[1] !== ''))
      throw all.wants(one, `a type from 0 to ${MAX}, or LOW:HIGH, or a name: ${TYPES.map(([long]) => long).join(', ')}`);
    if (low > high) throw all.wants(one, 'LOW:HIGH, LOW not above HIGH');
    return { low, high, invert: one.invert };
  },

  /** All types are not printed, inverted or not. */
  print({ low, high, invert }) {
    if (low === 0 && high === MAX) return '';
    return `${bang(invert)} --mh-type ${low === high ? low : `${low}:${high}`}`;
  },

  evaluate({ low, high, invert }, { fragmentOffset, transport }) {
    if (fragmentOffset !== 0) return false;
    if (transport.length < HEADER || transport[0] !== NO_NEXT_HEADER) return 'hotdrop';
    return (transport[2]! >= low && transport[2]! <= high) !== invert;
  },

  lower: ({ low, high, invert }) => [
    notFragment(),
    transportHas(HEADER, 'hotdrop'),
    range(FIELD_ICMP_TYPE, NO_NEXT_HEADER, NO_NEXT_HEADER, false, 'hotdrop'),
    range(FIELD_DPORT, low << 8, (high << 8) | 0xff, invert),
  ],

  generate(draw) {
    const text = draw.pick(['0', '1', '5', 'bu', '0:3', '4:', ':', ':7', '255', 'binding-error']);
    return draw.chance(0.1) ? [] : [...(draw.chance(0.3) ? ['!'] : []), '--mh-type', text];
  },

  show: (_, { transport }) =>
    transport.length < HEADER
      ? `${transport.length} bytes of a mobility header`
      : `type ${transport[2]}, next header ${transport[0]}`,
};

/** A number, a whole name, or the first name that begins so. */
function typeOf(text: string): number | undefined {
  const number = parseUnsigned(text, MAX);
  if (number !== undefined) return number;
  const name = text.toLowerCase();
  const whole = TYPES.findIndex((names) => names.includes(name));
  const begun = whole >= 0 ? whole : TYPES.findIndex((names) => names.some((each) => abbreviates(text, each)));
  return begun < 0 ? undefined : begun;
}
