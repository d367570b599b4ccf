/** `-m ecn`: the ECN bits of the IP header and of TCP. Kernel: net/netfilter/xt_ecn.c. */
import { FIELD_TOS } from '../abi/fields.ts';
import type { Test } from '../model/predicate.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option } from './given.ts';
import { nativeTransport } from './native-ports.ts';
import { payloadTest } from './payload.ts';
import { masked } from './tests.ts';

export interface EcnOptions {
  /** Whether the bit must be clear. */
  ece?: { invert: boolean };
  cwr?: { invert: boolean };
  ip?: { value: number; invert: boolean };
}

const TCP = 6;
const TCP_HEADER = 20;
const FLAGS = 13;
const ECE = 0x40;
const CWR = 0x80;
const IP_ECN = 3;
const specs = [
  option('ecn-tcp-cwr', { argument: 'none', invertible: true }),
  option('ecn-tcp-ece', { argument: 'none', invertible: true }),
  option('ecn-ip-ect', { invertible: true }),
];

export const ecn: MatchExtension<EcnOptions> = {
  name: 'ecn',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'ECN bits of IP and TCP',
  legalityOf: ({ ece, cwr }) => (ece === undefined && cwr === undefined ? undefined : { protocols: [TCP] }),

  parse(given, context) {
    const all = new Given('ecn', specs, given, context);
    all.needOne(['ecn-tcp-cwr', 'ecn-tcp-ece', 'ecn-ip-ect'], '--ecn-ip-ect 3');
    const ece = all.get('ecn-tcp-ece');
    const cwr = all.get('ecn-tcp-cwr');
    const ip = all.get('ecn-ip-ect');
    return {
      ...(ece === undefined ? {} : { ece: { invert: ece.invert } }),
      ...(cwr === undefined ? {} : { cwr: { invert: cwr.invert } }),
      ...(ip === undefined ? {} : { ip: { value: all.number(ip, IP_ECN), invert: ip.invert } }),
    };
  },

  print({ ece, cwr, ip }) {
    const flag = (name: string, one: { invert: boolean } | undefined): string =>
      one === undefined ? '' : `${bang(one.invert)} --ecn-tcp-${name}`;
    return flag('ece', ece) + flag('cwr', cwr) + (ip === undefined ? '' : `${bang(ip.invert)} --ecn-ip-ect ${ip.value}`);
  },

  evaluate({ ece, cwr, ip }, packet) {
    if (ip !== undefined && ((packet.tos & IP_ECN) === ip.value) === ip.invert) return false;
    if (ece === undefined && cwr === undefined) return true;
    const transport = nativeTransport(packet);
    if (transport.length < TCP_HEADER) return false;
    const flags = transport[FLAGS]!;
    if (ece !== undefined && ((flags & ECE) === 0) !== ece.invert) return false;
    return cwr === undefined || ((flags & CWR) === 0) === cwr.invert;
  },

  lower({ ece, cwr, ip }) {
    const tests: Test[] = [];
    if (ip !== undefined) tests.push(masked(FIELD_TOS, IP_ECN, ip.value, ip.invert));
    const bit = (mask: number, invert: boolean): Test =>
      payloadTest({ base: 'transport', offset: FLAGS, width: 1, mask, low: mask, high: mask, invert, short: 'miss' });
    if (ece !== undefined || cwr !== undefined) {
      tests.push(payloadTest({ base: 'transport', offset: TCP_HEADER, width: 0, short: 'miss' }));
    }
    if (ece !== undefined) tests.push(bit(ECE, ece.invert));
    if (cwr !== undefined) tests.push(bit(CWR, cwr.invert));
    return tests;
  },

  generate(draw, _, { protocol }) {
    const not = (): string[] => (draw.chance(0.4) ? ['!'] : []);
    const out: string[] = [];
    if (protocol === TCP && draw.chance()) out.push(...not(), '--ecn-tcp-ece');
    if (protocol === TCP && draw.chance()) out.push(...not(), '--ecn-tcp-cwr');
    if (out.length === 0 || draw.chance(0.3)) out.push(...not(), '--ecn-ip-ect', String(draw.integer(0, 3)));
    return out;
  },

  show(_, { tos, transport }) {
    const flags = transport.length < TCP_HEADER ? '' : `, ECE ${(transport[FLAGS]! & ECE) >> 6}, CWR ${transport[FLAGS]! >> 7}`;
    return `ECN ${tos & IP_ECN}${flags}`;
  },
};
