/** `-j NETMAP`: a network's addresses become those of another, one by one. Kernel: net/netfilter/xt_NETMAP.c. */
import { formatAddress, maskAddress, parseHost, prefixMask, prefixOf } from '../model/address.ts';
import type { NatSpec } from '../model/nat.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { addressOf } from './drawn.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';
import { natSpec, natTarget } from './nat.ts';

const specs = [option('to')];

const WIDTH = { 4: 32, 6: 128 } as const;
const whole = (family: Family): Words => prefixMask(WIDTH[family], family);

/** A length, or a mask as getaddrinfo reads an address (`255.255.0` is /16, `33` is 0.0.0.33). One with holes iptables takes and forgets: the kernel is told a single address. */
function maskOf(text: string, family: Family): Words | undefined {
  const length = parseUnsigned(text, WIDTH[family]);
  if (length !== undefined) return prefixMask(length, family);
  const mask = parseHost(text, family);
  return mask !== undefined && prefixOf(mask) === undefined ? whole(family) : mask;
}

export const NETMAP: TargetExtension<NatSpec> = {
  ...natTarget,
  name: 'NETMAP',
  options: specs,
  about: "gives a network's addresses those of another",
  legality: { tables: ['nat'], hooks: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'] },
  parse(given, context) {
    const { family } = context;
    const all = new Given('NETMAP', specs, given, context);
    const one = all.need('to', '--to 192.0.2.0/24');
    const [text = '', ...behind] = textOf(one).split('/');
    const address = text === '' ? undefined : parseHost(text, family);
    const mask = behind.length === 0 ? whole(family) : maskOf(behind.join('/'), family);
    if (address === undefined || mask === undefined) throw all.wants(one, `an IPv${family} ADDRESS or ADDRESS/LENGTH`);
    return natSpec(all, { kind: 'netmap', address: maskAddress(address, mask), mask }, undefined);
  },
  print: ({ to }) => (to.kind === 'netmap' ? ` --to ${formatAddress(to.address)}/${prefixOf(to.mask)}` : ''),
  generate(draw, pools, { family }) {
    const address = addressOf(draw, pools, family);
    return [
      '--to',
      `${address}/${draw.pick(family === 4 ? [32, 30, 24, 16, 0, '255.255.0', '255.0.255.0'] : [128, 120, 64, 32, 'ffff:0:ffff::'])}`,
    ];
  },
};
