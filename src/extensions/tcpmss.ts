/** `-m tcpmss`: the maximum segment size a TCP header announces. Kernel: net/netfilter/xt_tcpmss.c. */
import { SPECIAL_TCPMSS } from '../abi/special.ts';
import { u16 } from '../packet/bytes.ts';
import type { PacketView } from '../packet/view.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { nativeTransport } from './native-ports.ts';

export interface TcpmssOptions {
  low: number;
  high: number;
  invert: boolean;
}

const TCP = 6;
const HEADER = 20;
const MSS = 2;
const MSS_LENGTH = 4;
const specs = [option('mss', { invertible: true })];

export const tcpmss: MatchExtension<TcpmssOptions> = {
  name: 'tcpmss',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'maximum segment size of a TCP SYN',
  legality: { protocols: [TCP] },

  parse(given, context) {
    const all = new Given('tcpmss', specs, given, context);
    const one = all.need('mss', '--mss 1400:1460');
    const { low, high } = all.numberRange(one, 0xffff);
    if (low > high) throw all.wants(one, 'LOW:HIGH, LOW not above HIGH', `for example --mss ${high}:${low}`, textOf(one));
    return { low, high, invert: one.invert };
  },

  print: ({ low, high, invert }) => `${bang(invert)} --mss ${low === high ? low : `${low}:${high}`}`,

  evaluate({ low, high, invert }, packet) {
    const transport = nativeTransport(packet);
    const mss = mssOf(transport);
    if (mss === 'hotdrop') return 'hotdrop';
    return mss === undefined ? invert : (mss >= low && mss <= high) !== invert;
  },

  lower: ({ low, high, invert }) => [
    { kind: 'special', code: SPECIAL_TCPMSS, parameters: [low, high, invert ? 1 : 0], stateful: false },
  ],

  generate(draw) {
    const low = draw.pick([1460, 1460, 0, 536, 1400, 1461, 65535]);
    const text = draw.pick([`${low}`, `${low}:`, `:${low}`, `${low}:${Math.min(0xffff, low + draw.pick([1, 60]))}`]);
    return [...(draw.chance(0.3) ? ['!'] : []), '--mss', text];
  },

  show(_, packet: PacketView) {
    const mss = mssOf(packet.transport);
    return mss === 'hotdrop' ? 'TCP header cut' : mss === undefined ? 'no MSS' : `MSS ${mss}`;
  },
};

/** The first MSS option of the right length; undefined without one. An option of kind 2 and another length is stepped over like any. */
function mssOf(transport: Uint8Array): number | undefined | 'hotdrop' {
  if (transport.length < HEADER) return 'hotdrop';
  const end = (transport[12]! >> 4) * 4;
  if (end < HEADER || (end > HEADER && transport.length < end)) return 'hotdrop';
  let at = HEADER;
  while (at < end) {
    if (transport[at] === MSS && end - at >= MSS_LENGTH && transport[at + 1] === MSS_LENGTH) return u16(transport, at + 2);
    at += transport[at]! < 2 || at === end - 1 ? 1 : transport[at + 1] || 1;
  }
  return undefined;
}
