/** `-m quota`: so many bytes, then no more. Kernel: net/netfilter/xt_quota.c. */
import { SPECIAL_QUOTA } from '../abi/special.ts';
import { parseBigUnsigned } from '../model/numbers.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';

export interface QuotaOptions {
  bytes: bigint;
  invert: boolean;
}

const specs = [option('quota', { invertible: true })];
const MOST = 0xffff_ffff_ffff_ffffn;

export const quota: MatchExtension<QuotaOptions> = {
  name: 'quota',
  kind: 'match',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about: 'until a number of bytes is used up',
  parse(given, context) {
    const all = new Given('quota', specs, given, context);
    const one = all.need('quota', '--quota 1000000');
    const text = textOf(one);
    const bytes = text.includes('-') ? undefined : parseBigUnsigned(text, MOST);
    if (bytes === undefined) throw all.wants(one, `a number of bytes from 0 to ${MOST}`);
    return { bytes, invert: one.invert };
  },
  print: ({ bytes, invert }) => `${bang(invert)} --quota ${bytes}`,
  evaluate({ bytes, invert }, { length }, { state }) {
    const kept = state(() => ({ left: bytes }));
    const fits = kept.left >= BigInt(length);
    // The first packet that does not fit ends it, for smaller ones too.
    kept.left = fits ? kept.left - BigInt(length) : 0n;
    return fits !== invert;
  },
  lower: ({ bytes, invert }) => [
    {
      kind: 'special',
      code: SPECIAL_QUOTA,
      parameters: [Number(bytes & 0xffffffffn), Number(bytes >> 32n), invert ? 1 : 0],
      stateful: true,
    },
  ],
  generate: (draw) => [
    ...(draw.chance(0.3) ? ['!'] : []),
    '--quota',
    String(draw.pick([0, 20, 40, 100, 300, 1000, 3000, 100_000, draw.integer(0, 2000)])),
  ],
  show: (_, packet) => `length ${packet.length}`,
};
