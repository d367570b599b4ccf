/** `-m connlimit`: how many connections an address, or a network, has now. Kernel: net/netfilter/xt_connlimit.c, nf_conncount.c. */
import { STATUS_ASSURED, STATUS_CONFIRMED } from '../abi/fields.ts';
import { SPECIAL_CONNLIMIT } from '../abi/special.ts';
import { maskAddress, parseMask, prefixMask, prefixOf } from '../model/address.ts';
import { parseUnsigned } from '../model/numbers.ts';
import { jiffiesAt } from '../model/profile.ts';
import type { Family } from '../model/ruleset.ts';
import { ConnectionCount } from './connlimit-count.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';

export interface ConnlimitOptions {
  /** Matches from one more on; else up to it. */
  above: boolean;
  limit: number;
  /** Length of the prefix that addresses are counted by. */
  mask: number;
  side: 'source' | 'destination';
}

const specs = [
  option('connlimit-upto', { invertible: true }),
  option('connlimit-above', { invertible: true }),
  option('connlimit-mask'),
  option('connlimit-saddr', { argument: 'none' }),
  option('connlimit-daddr', { argument: 'none' }),
];

export const connlimit: MatchExtension<ConnlimitOptions> = {
  name: 'connlimit',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'how many connections an address or a network has',
  needsConntrack: true,
  keepsState: true,

  parse(given, context) {
    const all = new Given('connlimit', specs, given, context);
    all.exclusive(['connlimit-upto', 'connlimit-above']);
    all.exclusive(['connlimit-saddr', 'connlimit-daddr']);
    all.needOne(['connlimit-upto', 'connlimit-above'], '--connlimit-above 10');
    const [upto, above] = [all.get('connlimit-upto'), all.get('connlimit-above')];
    const one = (upto ?? above)!;
    return {
      above: (above !== undefined) !== one.invert,
      limit: all.number(one, 0xffffffff),
      mask: readMask(all, context.family),
      side: all.has('connlimit-daddr') ? 'destination' : 'source',
    };
  },

  print({ above, limit, mask, side }) {
    const address = side === 'source' ? 'saddr' : 'daddr';
    return ` --connlimit-${above ? 'above' : 'upto'} ${limit} --connlimit-mask ${mask} --connlimit-${address}`;
  },

  evaluate({ above, limit, mask, side }, packet, { profile, state, connections, noteJiffyEdge }) {
    const counts = state(
      () => new ConnectionCount(profile.kernel === '6.1' ? STATUS_CONFIRMED : STATUS_CONFIRMED | STATUS_ASSURED),
    );
    const address = side === 'source' ? packet.source : packet.destination;
    const key = [...maskAddress(address, prefixMask(mask, packet.family)), connections.zoneOf(packet).id].join();
    const jiffy = 1_000_000_000n / BigInt(profile.hz);
    const { count, otherwise } = counts.count(packet, key, Number(jiffiesAt(packet.time, profile.hz)), jiffy, connections);
    const answer = (counted: number) => (counted === 0 ? 'hotdrop' : counted > limit === above);
    if (answer(count) !== answer(otherwise)) noteJiffyEdge(packet);
    return answer(count);
  },

  lower({ above, limit, mask, side }, { family, profile }) {
    const words = prefixMask(mask, family);
    // 6.1 does not ask whether it is ASSURED.
    const settled = profile.kernel === '6.1' ? STATUS_CONFIRMED : STATUS_CONFIRMED + STATUS_ASSURED;
    const flags = [limit, above ? 1 : 0, side === 'source' ? 0 : 1];
    const parameters = [...flags, ...[0, 1, 2, 3].map((word) => words[word] ?? 0), settled];
    return [{ kind: 'special', code: SPECIAL_CONNLIMIT, parameters, stateful: true }];
  },

  generate(draw, _, { family }) {
    const out = [...(draw.chance(0.2) ? ['!'] : []), draw.pick(['--connlimit-upto', '--connlimit-above'])];
    out.push(String(draw.pick([0, 1, 1, 2, 2, 3, 5])));
    if (draw.chance(0.5))
      out.push('--connlimit-mask', String(draw.pick(family === 4 ? [0, 8, 24, 31, 32] : [0, 48, 64, 127, 128])));
    if (draw.chance(0.5)) out.push(draw.pick(['--connlimit-saddr', '--connlimit-daddr']));
    return out;
  },

  show: (_, { connection }) => (connection === null ? 'no connection' : 'a connection that is counted'),
};

/** A length or a whole mask. libxt_connlimit takes IPv6's lengths for IPv4, too. */
function readMask(all: Given, family: Family): number {
  const whole = family === 4 ? 32 : 128;
  const one = all.get('connlimit-mask');
  if (one === undefined) return whole;
  const length = parseUnsigned(textOf(one), 128);
  if (length !== undefined) return Math.min(length, whole);
  const mask = parseMask(textOf(one), family);
  const prefix = mask === undefined ? undefined : prefixOf(mask);
  if (prefix === undefined) throw all.wants(one, `a length from 0 to ${whole}, or a mask without holes`);
  return prefix;
}
