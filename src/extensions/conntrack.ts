/** `-m conntrack`: state and everything else of the connection. Kernel: net/netfilter/xt_conntrack.c (revision 3). */

import { parseProtocol } from '../model/names.ts';
import { generateConntrack } from './conntrack-generate.ts';
import { lowerConntrack } from './conntrack-lower.ts';
import {
  type AddressCondition,
  type ConntrackOptions,
  conntrackMatches,
  printAddress,
  printStates,
  readHost,
  readStates,
  STATUSES,
  showConnection,
} from './conntrack-options.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { abbreviates, bang, Given, option, textOf } from './given.ts';
import { type PortRange, readPortsLoosely } from './ports.ts';

const specs = [
  option('ctstate', { invertible: true }),
  option('ctproto', { invertible: true }),
  option('ctorigsrc', { invertible: true }),
  option('ctorigdst', { invertible: true }),
  option('ctreplsrc', { invertible: true }),
  option('ctrepldst', { invertible: true }),
  option('ctstatus', { invertible: true }),
  option('ctexpire', { invertible: true }),
  option('ctorigsrcport', { invertible: true }),
  option('ctorigdstport', { invertible: true }),
  option('ctreplsrcport', { invertible: true }),
  option('ctrepldstport', { invertible: true }),
  option('ctdir'),
];
const ADDRESSES = ['origsrc', 'origdst', 'replsrc', 'repldst'] as const;

export const conntrack: MatchExtension<ConntrackOptions> = {
  name: 'conntrack',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'connection state, addresses, ports, status, direction, lifetime',
  needsConntrack: true,

  parse(given, context) {
    const all = new Given('conntrack', specs, given, context);
    if (given.length === 0) throw all.missing('wants at least one option', '--ctstate NEW');
    const out: ConntrackOptions = { addresses: {}, ports: {} };
    const state = all.get('ctstate');
    if (state !== undefined) out.state = readStates(all, state, true);
    const protocol = all.get('ctproto');
    if (protocol !== undefined) {
      const number = parseProtocol(textOf(protocol));
      if (number === undefined) throw all.wants(protocol, 'a protocol by name or number');
      out.protocol = { number, invert: protocol.invert };
    }
    for (const side of ADDRESSES) {
      const address = all.get(`ct${side}`);
      const port = all.get(`ct${side}port`);
      if (address !== undefined) out.addresses[side] = readHost(all, address, context.family);
      if (port !== undefined) out.ports[side] = readPortsLoosely(all, port);
    }
    const status = all.get('ctstatus');
    if (status !== undefined) out.status = readStatuses(all, status);
    const expire = all.get('ctexpire');
    if (expire !== undefined) out.expire = { ...all.numberRange(expire, 0xffffffff), invert: expire.invert };
    const direction = all.get('ctdir');
    if (direction !== undefined) out.direction = readDirection(all, direction);
    return out;
  },

  print(options) {
    const { state, protocol, addresses, ports, status, expire, direction } = options;
    let out = state === undefined ? '' : `${bang(state.invert)} --ctstate ${printStates(state.mask)}`;
    if (protocol !== undefined) out += `${bang(protocol.invert)} --ctproto ${protocol.number}`;
    for (const side of ADDRESSES) out += printAddressOf(side, addresses[side]);
    for (const side of ADDRESSES) out += printPortOf(side, ports[side]);
    if (status !== undefined) out += `${bang(status.invert)} --ctstatus ${statusNames(status.mask)}`;
    if (expire !== undefined)
      out += `${bang(expire.invert)} --ctexpire ${expire.low === expire.high ? expire.low : `${expire.low}:${expire.high}`}`;
    return direction === undefined ? out : `${out} --ctdir ${direction}`;
  },

  evaluate: (options, packet) => conntrackMatches(options, packet),
  lower: (options) => lowerConntrack(options),
  generate: generateConntrack,
  show: (_, packet) => showConnection(packet),
};

function readStatuses(all: Given, one: GivenOption): { mask: number; invert: boolean } {
  let mask = 0;
  for (const word of textOf(one).split(',')) {
    const found = word === '' ? undefined : STATUSES.find(([name]) => abbreviates(word, name));
    if (found === undefined) throw all.wants(one, `a list of ${STATUSES.map(([name]) => name).join(', ')}`);
    mask |= found[1];
  }
  return { mask, invert: one.invert };
}

function statusNames(mask: number): string {
  const names = STATUSES.filter(([, bit]) => (mask & bit) !== 0).map(([name]) => name);
  return names.length === 0 ? 'NONE' : names.join(',');
}

function readDirection(all: Given, one: GivenOption): 'ORIGINAL' | 'REPLY' {
  const word = textOf(one).toUpperCase();
  if (word !== 'ORIGINAL' && word !== 'REPLY') throw all.wants(one, 'ORIGINAL or REPLY');
  return word;
}

function printAddressOf(side: string, condition: AddressCondition | undefined): string {
  return condition === undefined ? '' : `${bang(condition.invert)} --ct${side} ${printAddress(condition)}`;
}

/** An upper end of 0 is not printed, as in iptables-save. */
function printPortOf(side: string, ports: PortRange | undefined): string {
  if (ports === undefined) return '';
  const { low, high, invert } = ports;
  return `${bang(invert)} --ct${side}port ${high === 0 || low === high ? low : `${low}:${high}`}`;
}
