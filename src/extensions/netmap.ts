/** `-j NETMAP`: a network's addresses become those of another, one by one. Kernel: net/netfilter/xt_NETMAP.c. */
import { formatAddress, maskAddress, parseAddress, parseMask, prefixMask, prefixOf } from '../model/address.ts';
import type { NatSpec } from '../model/nat.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';
import { generateNatAddress, natSpec, natTarget } from './nat.ts';

const specs = [option('to')];

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
    const address = text === '' ? undefined : parseAddress(text, family);
    const mask = behind.length === 0 ? prefixMask(family === 4 ? 32 : 128, family) : parseMask(behind.join('/'), family);
    // iptables takes a mask with holes, and then forgets it.
    if (address === undefined || mask === undefined || prefixOf(mask) === undefined) {
      throw all.wants(one, `an IPv${family} ADDRESS or ADDRESS/LENGTH`);
    }
    return natSpec(all, { kind: 'netmap', address: maskAddress(address, mask), mask }, undefined);
  },
  print: ({ to }) => (to.kind === 'netmap' ? ` --to ${formatAddress(to.address)}/${prefixOf(to.mask)}` : ''),
  generate(draw, pools, { family }) {
    const address = generateNatAddress(draw, pools, family);
    return ['--to', `${address}/${draw.pick(family === 4 ? [32, 30, 24, 16, 0] : [128, 120, 64, 32])}`];
  },
};
