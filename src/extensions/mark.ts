/** `-m mark`: the packet mark, masked. Kernel: net/netfilter/xt_mark.c; iptables-nft's native form answers the same. */
import { FIELD_MARK } from '../abi/fields.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, hex, option } from './given.ts';
import { masked } from './tests.ts';

export interface MarkMatchOptions {
  mark: number;
  mask: number;
  invert: boolean;
}

const specs = [option('mark', { invertible: true })];

export const mark: MatchExtension<MarkMatchOptions> = {
  name: 'mark',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'packet mark',
  parse(given, context) {
    const all = new Given('mark', specs, given, context);
    const one = all.need('mark', '--mark 0x1/0xff');
    return { ...all.markAndMask(one), invert: one.invert };
  },
  print: ({ mark: value, mask, invert }) => `${bang(invert)} --mark ${hex(value)}${mask === 0xffffffff ? '' : `/${hex(mask)}`}`,
  evaluate: ({ mark: value, mask, invert }, packet) => ((packet.mark & mask) >>> 0 === value) !== invert,
  lower: ({ mark: value, mask, invert }) => [masked(FIELD_MARK, mask, value, invert)],
  generate(draw, pools) {
    const value = pools.marks.length > 0 ? draw.pick(pools.marks) : draw.integer(0, 15);
    const text = draw.chance() ? hex(value) : `${hex(value)}/${hex(draw.pick([0, 1, 0xf, 0xff, 0xffff0000, 0xffffffff]))}`;
    return [...(draw.chance(0.2) ? ['!'] : []), '--mark', text];
  },
  show: (_, packet) => `mark ${hex(packet.mark)}`,
};
