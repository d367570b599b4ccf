/** `-j TPROXY`: gives a packet to a proxy on this host. Kernel: net/netfilter/xt_TPROXY.c. No proxy is taken to listen, and then the packet is dropped; loading the rule brings defragmentation. */
import { formatAddress, parseAddress } from '../model/address.ts';
import type { Words } from '../model/ruleset.ts';
import type { TargetExtension } from './extension.ts';
import { Given, hex, option, textOf } from './given.ts';
import { parsePortLoosely } from './ports.ts';

export interface TproxyOptions {
  port: number;
  address: Words;
  mark: number;
  mask: number;
}

const TCP = 6;
const UDP = 17;
const specs = [option('on-port'), option('on-ip'), option('tproxy-mark')];

export const TPROXY: TargetExtension<TproxyOptions> = {
  name: 'TPROXY',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'gives the packet to a proxy on this host; none is taken to listen, so it drops',
  legality: { tables: ['mangle'], hooks: ['PREROUTING'], protocols: [TCP, UDP] },
  needsDefragmentation: true,
  parse(given, context) {
    const all = new Given('TPROXY', specs, given, context);
    const one = all.need('on-port', '--on-port 3129');
    const port = parsePortLoosely(textOf(one));
    if (port === undefined) throw all.wants(one, 'a port, by name or number');
    const [on, mark] = [all.get('on-ip'), all.get('tproxy-mark')];
    const address = on === undefined ? (context.family === 4 ? [0] : [0, 0, 0, 0]) : parseAddress(textOf(on), context.family);
    if (on !== undefined && address === undefined) throw all.wants(on, `an IPv${context.family} address`);
    return { port, address: address!, ...(mark === undefined ? { mark: 0, mask: 0 } : all.markAndMask(mark)) };
  },
  print: ({ port, address, mark, mask }) =>
    ` --on-port ${port} --on-ip ${formatAddress(address)} --tproxy-mark ${hex(mark)}/${hex(mask)}`,
  evaluate: () => 'DROP',
  lower: () => ({ kind: 'verdict', verdict: 'DROP' }),
  generate: (draw, pools) => [
    '--on-port',
    String(draw.pick(pools.ports)),
    ...(draw.chance() ? ['--tproxy-mark', draw.pick(['1', '0x1/0x1'])] : []),
  ],
};
