/** `-m ipcomp`: the compression parameter index of IPComp. Kernel: net/netfilter/xt_ipcomp.c, which does not look at what --compres asks for. */
import { u16 } from '../packet/bytes.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import { payloadTest } from './payload.ts';
import { printSpis, readSpis, type SpiRange, spiMatches } from './spi.ts';
import { notFragment } from './tests.ts';

export interface IpcompOptions extends SpiRange {
  reserved: boolean;
}

const IPCOMP = 108;
/** Next header, flags, index. */
const HEADER = 4;
const specs = [option('ipcompspi', { invertible: true }), option('compres', { argument: 'none' })];

export const ipcomp: MatchExtension<IpcompOptions> = {
  name: 'ipcomp',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'compression parameter index of IPComp',
  legality: { protocols: [IPCOMP] },
  implicitFor: [IPCOMP],

  parse(given, context) {
    const all = new Given('ipcomp', specs, given, context);
    const one = all.get('ipcompspi');
    // Without the option it is 0, not any.
    return { ...(one === undefined ? { low: 0, high: 0, invert: false } : readSpis(all, one)), reserved: all.has('compres') };
  },

  print: (options) => `${printSpis('ipcompspi', options)}${options.reserved ? ' --compres' : ''}`,

  evaluate(options, { fragmentOffset, transport }) {
    if (fragmentOffset !== 0) return false;
    return transport.length < HEADER ? 'hotdrop' : spiMatches(options, u16(transport, 2));
  },

  lower({ low, high, invert }) {
    const there = payloadTest({ base: 'transport', offset: HEADER, width: 0, short: 'hotdrop' });
    return [notFragment(), there, payloadTest({ base: 'transport', offset: 2, width: 2, short: 'hotdrop', low, high, invert })];
  },

  generate(draw, pools) {
    const port = draw.pick(pools.ports);
    const index = draw.pick([`${port}`, `0:${port}`, `${port}:65535`, '0', '0:65535', '256:', '3:2', '65536']);
    return [
      ...(draw.chance(0.1) ? [] : [...(draw.chance(0.3) ? ['!'] : []), '--ipcompspi', index]),
      ...(draw.chance(0.2) ? ['--compres'] : []),
    ];
  },

  show: (_, { transport }) => (transport.length < HEADER ? `${transport.length} bytes of IPComp` : `CPI ${u16(transport, 2)}`),
};
