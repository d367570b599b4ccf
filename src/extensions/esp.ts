/** `-m esp`: the security parameter index of ESP. Kernel: net/netfilter/xt_esp.c. */
import { u32 } from '../packet/bytes.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import { payloadTest } from './payload.ts';
import { generateSpis, printSpis, readSpis, type SpiRange, spiMatches } from './spi.ts';
import { notFragment } from './tests.ts';

const ESP = 50;
/** SPI and sequence number. */
const HEADER = 8;
const specs = [option('espspi', { invertible: true })];

export const esp: MatchExtension<SpiRange> = {
  name: 'esp',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'security parameter index of ESP',
  legality: { protocols: [ESP] },
  implicitFor: [ESP],

  parse(given, context) {
    const all = new Given('esp', specs, given, context);
    return readSpis(all, all.get('espspi'));
  },

  print: (options) => printSpis('espspi', options),

  evaluate(options, { fragmentOffset, transport }) {
    if (fragmentOffset !== 0) return false;
    return transport.length < HEADER ? 'hotdrop' : spiMatches(options, u32(transport, 0));
  },

  lower(options) {
    const there = payloadTest({ base: 'transport', offset: HEADER, width: 0, short: 'hotdrop' });
    return [notFragment(), there, payloadTest({ base: 'transport', offset: 0, width: 4, short: 'hotdrop', ...options })];
  },

  generate: (draw) => (draw.chance(0.1) ? [] : generateSpis(draw, 'espspi')),

  show: (_, { transport }) => (transport.length < HEADER ? `${transport.length} bytes of ESP` : `SPI ${u32(transport, 0)}`),
};
