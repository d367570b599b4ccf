/** `-m iprange`: addresses from low to high. Kernel: net/netfilter/xt_iprange.c (revision 1). */
import { FIELD_DESTINATION, FIELD_SOURCE } from '../abi/fields.ts';
import { formatAddress, parseAddress, parseUnscoped } from '../model/address.ts';
import type { Test } from '../model/predicate.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { addressOf } from './drawn.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { wordRange } from './tests.ts';

export interface AddressRange {
  low: Words;
  high: Words;
  invert: boolean;
}

export interface IprangeOptions {
  source?: AddressRange;
  destination?: AddressRange;
}

const specs = [option('src-range', { invertible: true }), option('dst-range', { invertible: true })];

export const iprange: MatchExtension<IprangeOptions> = {
  name: 'iprange',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'ranges of addresses',

  parse(given, context) {
    const all = new Given('iprange', specs, given, context);
    all.needOne(['src-range', 'dst-range'], '--src-range 10.0.0.1-10.0.0.9');
    const source = all.get('src-range');
    const destination = all.get('dst-range');
    return {
      ...(source === undefined ? {} : { source: readRange(all, source, context.family) }),
      ...(destination === undefined ? {} : { destination: readRange(all, destination, context.family) }),
    };
  },

  print: ({ source, destination }) => printRange('src-range', source) + printRange('dst-range', destination),

  evaluate({ source, destination }, packet) {
    return lies(packet.source, source) && lies(packet.destination, destination);
  },

  lower: ({ source, destination }) => [...tests(FIELD_SOURCE, source), ...tests(FIELD_DESTINATION, destination)],

  generate(draw, pools, { family }) {
    const one = (name: string): string[] => {
      const [a, b] = [addressOf(draw, pools, family), addressOf(draw, pools, family)];
      const [first = [], second = []] = [parseAddress(a, family), parseAddress(b, family)];
      const text = draw.chance(0.2) ? a : compare(first, second) <= 0 ? `${a}-${b}` : `${b}-${a}`;
      return [...(draw.chance(0.2) ? ['!'] : []), name, text];
    };
    return draw.pick([
      () => one('--src-range'),
      () => one('--dst-range'),
      () => [...one('--src-range'), ...one('--dst-range')],
    ])();
  },

  show: (_, packet) => `src ${formatAddress(packet.source)}, dst ${formatAddress(packet.destination)}`,
};

function readRange(all: Given, one: GivenOption, family: Family): AddressRange {
  const text = textOf(one);
  const dash = text.indexOf('-');
  const ends = dash < 0 ? [text, text] : [text.slice(0, dash), text.slice(dash + 1)];
  const [low, high] = ends.map((end) => parseUnscoped(end, family));
  if (low === undefined || high === undefined) throw all.wants(one, `an IPv${family} ADDRESS or ADDRESS-ADDRESS`);
  return { low, high, invert: one.invert };
}

function printRange(name: string, range: AddressRange | undefined): string {
  return range === undefined ? '' : `${bang(range.invert)} --${name} ${formatAddress(range.low)}-${formatAddress(range.high)}`;
}

function compare(a: Words, b: Words): number {
  for (const [i, word] of a.entries()) if (word !== (b[i] ?? 0)) return word - (b[i] ?? 0);
  return 0;
}

function lies(address: Words, range: AddressRange | undefined): boolean {
  return range === undefined || (compare(address, range.low) >= 0 && compare(address, range.high) <= 0) !== range.invert;
}

function tests(field: number, range: AddressRange | undefined): Test[] {
  return range === undefined ? [] : [wordRange(field, range.low, range.high, range.invert)];
}
