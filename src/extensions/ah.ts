/** `-m ah` of IPv4: the security parameter index of an authentication header. Kernel: net/ipv4/netfilter/ipt_ah.c. */
import { u32 } from '../packet/bytes.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import { payloadTest } from './payload.ts';
import { generateSpis, printSpis, readSpis, type SpiRange, spiMatches } from './spi.ts';
import { notFragment } from './tests.ts';

const AH = 51;
/** Up to the sequence number, which is behind the SPI. */
const HEADER = 12;
const specs = [option('ahspi', { invertible: true })];

export const ah: MatchExtension<SpiRange> = {
  name: 'ah',
  kind: 'match',
  families: [4],
  options: specs,
  about: 'security parameter index of an authentication header',
  legality: { protocols: [AH] },
  implicitFor: [AH],

  parse(given, context) {
    const all = new Given('ah', specs, given, context);
    return readSpis(all, all.get('ahspi'));
  },

  print: (options) => printSpis('ahspi', options),

  evaluate(options, { fragmentOffset, transport }) {
    if (fragmentOffset !== 0) return false;
    return transport.length < HEADER ? 'hotdrop' : spiMatches(options, u32(transport, 4));
  },

  lower(options) {
    const there = payloadTest({ base: 'transport', offset: HEADER, width: 0, short: 'hotdrop' });
    return [notFragment(), there, payloadTest({ base: 'transport', offset: 4, width: 4, short: 'hotdrop', ...options })];
  },

  generate: (draw) => (draw.chance(0.1) ? [] : generateSpis(draw, 'ahspi')),

  show: (_, { transport }) => (transport.length < HEADER ? `${transport.length} bytes of AH` : `SPI ${u32(transport, 4)}`),
};
