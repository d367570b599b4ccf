/** `-j TPROXY`: gives a packet to a proxy on this host. Kernel: net/netfilter/xt_TPROXY.c. Where no proxy listens (`--proxy`), the packet is dropped; loading the rule brings defragmentation. */
import { EFFECT_TPROXY } from '../abi/effects.ts';
import { FIELD_MARK } from '../abi/fields.ts';
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
const TCP_HEADER = 20;
const UDP_HEADER = 8;
const specs = [option('on-port'), option('on-ip'), option('tproxy-mark')];

export const TPROXY: TargetExtension<TproxyOptions> = {
  name: 'TPROXY',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'gives the packet to a proxy on this host; it drops where `--proxy` names none that listens',
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
  evaluate({ port, address, mark, mask }, packet, effects, { firstAddress, proxies }) {
    const { protocol } = packet;
    // Of a later fragment ipv6_find_hdr does not say where its header is, and that of IPv6 is taken for it.
    const header = packet.family === 6 && packet.fragmentOffset !== 0 ? packet.bytes : packet.transport;
    if (header.length < (protocol === TCP ? TCP_HEADER : UDP_HEADER)) return 'DROP';
    const wantedPort = port === 0 ? (header[2]! << 8) | header[3]! : port;
    const named = address.some((word) => word !== 0) ? address : firstAddress(packet.inInterface, packet.family);
    const wanted = named ?? packet.destination;
    const found = proxies.some(
      (one) =>
        one.protocol === protocol &&
        one.port === wantedPort &&
        (one.address === undefined || (one.family === packet.family && one.address.every((word, i) => word === wanted[i]))),
    );
    if (!found) return 'DROP';
    effects.setMark((packet.mark & ~mask) ^ mark);
    effects.assignSocket();
    return 'ACCEPT';
  },

  lower({ port, address, mark, mask }, { family, proxies = [] }) {
    const own = proxies.filter((one) => one.family === undefined || one.family === family);
    if (own.length === 0) return { kind: 'verdict', verdict: 'DROP' };
    const four = (words: Words = []): number[] => [0, 1, 2, 3].map((i) => words[i] ?? 0);
    const sockets = own.flatMap((one) => [one.protocol, one.port, one.address === undefined ? 0 : 1, ...four(one.address)]);
    const named = address.every((word) => word === 0) ? 0 : 1;
    const parameters = [mask, mark, port, named, ...four(address), own.length, ...sockets];
    return { kind: 'effect', code: EFFECT_TPROXY, parameters, changes: [FIELD_MARK], ends: true };
  },

  generate: (draw, pools) => [
    '--on-port',
    String(draw.pick(pools.ports)),
    ...(draw.chance() ? ['--tproxy-mark', draw.pick(['1', '0x1/0x1'])] : []),
  ],
};
