/** `-m ah` of IPv6: an authentication header anywhere in the chain, its SPI, length and reserved bits. Kernel: net/ipv6/netfilter/ip6t_ah.c. */
import { u16, u32 } from '../packet/bytes.ts';
import { AUTHENTICATION, findHeader } from '../packet/ipv6.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option } from './given.ts';
import { payloadTest } from './payload.ts';
import { generateSpis, printSpis, readSpis, type SpiRange, spiMatches } from './spi.ts';

export interface Ah6Options {
  spi: SpiRange;
  /** Of the header, in bytes. 0 is any length, inverted too. */
  length?: { bytes: number; invert: boolean };
  /** --ahres: the reserved bits must be 0. */
  reserved: boolean;
}

const HEADER = 12;
const specs = [
  option('ahspi', { invertible: true }),
  option('ahlen', { invertible: true }),
  option('ahres', { argument: 'none' }),
];

export const ah6: MatchExtension<Ah6Options> = {
  name: 'ah',
  kind: 'match',
  families: [6],
  options: specs,
  about: 'authentication header: SPI, length, reserved bits',
  implicitFor: [AUTHENTICATION],

  parse(given, context) {
    const all = new Given('ah', specs, given, context);
    const length = all.get('ahlen');
    return {
      spi: readSpis(all, all.get('ahspi')),
      ...(length === undefined ? {} : { length: { bytes: all.number(length, 0xffffffff), invert: length.invert } }),
      reserved: all.has('ahres'),
    };
  },

  print({ spi, length, reserved }) {
    const printed =
      length === undefined || (length.bytes === 0 && !length.invert) ? '' : `${bang(length.invert)} --ahlen ${length.bytes}`;
    return printSpis('ahspi', spi) + printed + (reserved ? ' --ahres' : '');
  },

  evaluate({ spi, length, reserved }, { bytes }, { profile }) {
    const at = findHeader(bytes, AUTHENTICATION, { whole: profile.kernel === '6.12' });
    if (at === 'absent') return false;
    if (at === 'broken' || bytes.length < at + HEADER) return 'hotdrop';
    const own = (bytes[at + 1]! + 2) * 4;
    if (bytes.length - at < own) return 'hotdrop';
    if (!spiMatches(spi, u32(bytes, at + 4))) return false;
    if (length !== undefined && length.bytes !== 0 && (own === length.bytes) === length.invert) return false;
    return !reserved || u16(bytes, at + 2) === 0;
  },

  lower({ spi, length, reserved }) {
    const base = { header: AUTHENTICATION, whole: true };
    const tests = [
      payloadTest({ base, offset: HEADER, width: 0, short: 'hotdrop' }),
      payloadTest({ base, offset: 4, width: 4, short: 'hotdrop', ...spi }),
    ];
    if (length !== undefined && length.bytes !== 0) {
      // In words of four bytes, less two; a length that cannot be said is an empty range.
      const words = length.bytes / 4 - 2;
      const bounds = Number.isInteger(words) && words >= 0 && words <= 255 ? { low: words, high: words } : { low: 1, high: 0 };
      tests.push(payloadTest({ base, offset: 1, width: 1, short: 'hotdrop', invert: length.invert, ...bounds }));
    }
    if (reserved) tests.push(payloadTest({ base, offset: 2, width: 2, low: 0, high: 0, short: 'hotdrop' }));
    return tests;
  },

  generate(draw) {
    const out = draw.chance(0.6) ? generateSpis(draw, 'ahspi') : [];
    if (draw.chance(0.4)) out.push(...(draw.chance(0.3) ? ['!'] : []), '--ahlen', String(draw.pick([24, 24, 0, 12, 16, 25])));
    return draw.chance(0.3) ? [...out, '--ahres'] : out;
  },

  show(_, { bytes }) {
    const at = findHeader(bytes, AUTHENTICATION);
    if (typeof at !== 'number') return at === 'absent' ? 'no authentication header' : 'headers cut';
    if (bytes.length < at + HEADER) return 'authentication header cut';
    return `SPI ${u32(bytes, at + 4)}, length ${(bytes[at + 1]! + 2) * 4}, reserved ${u16(bytes, at + 2)}`;
  },
};
