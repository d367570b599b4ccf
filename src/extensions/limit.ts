/** `-m limit`: a token bucket. Kernel: net/netfilter/xt_limit.c; nft: nft_limit.c fed by iptables 1.8.9's add_nft_limit. */
import { SPECIAL_LIMIT, SPECIAL_LIMIT_NFT } from '../abi/special.ts';
import { jiffiesAt } from '../model/profile.ts';
import type { EvaluateContext } from '../packet/view.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';
import { creditBucket, creditsPerJiffy, perUnit, type Rate, SCALE, tokenBucket } from './limit-arithmetic.ts';

const specs = [option('limit'), option('limit-burst')];
const DEFAULT_AVERAGE = SCALE * 1200;
const DEFAULT_BURST = 5;
const UNITS = { second: 1, minute: 60, hour: 3600, day: 86400 } as const;
/** The overflow check of xt_limit depends on HZ only beyond 32-bit wraps; it is made for the usual 250. */
const CHECKED_HZ = 250;

export const limit: MatchExtension<Rate> = {
  name: 'limit',
  kind: 'match',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about: 'packets per second, minute, hour or day, with a burst',

  parse(given, context) {
    const all = new Given('limit', specs, given, context);
    const rate = all.get('limit');
    const burst = all.get('limit-burst');
    const average = rate === undefined ? DEFAULT_AVERAGE : readAverage(all, rate);
    const out = { average, burst: burst === undefined ? DEFAULT_BURST : all.number(burst, 10000) };
    // nft_limit counts in 64 bits, and takes a burst of 0 for its default.
    if (context.backend === 'nft') return { ...out, burst: out.burst || DEFAULT_BURST };
    const { cost, cap } = creditBucket(out, CHECKED_HZ);
    if (out.burst === 0 || cap < cost) {
      const hint =
        out.burst === 0 ? 'write --limit-burst 1 or more' : 'a smaller --limit-burst or a faster rate fits into 32 bits';
      throw context.error('limit: rate and burst do not fit into the kernel', {
        kind: 'illegal',
        hint,
        ...placeOf(burst ?? rate),
      });
    }
    return out;
  },

  print({ average, burst }) {
    const { rate, unit } = perUnit(average);
    return ` --limit ${rate}/${unit}${burst === DEFAULT_BURST ? '' : ` --limit-burst ${burst}`}`;
  },

  evaluate(rate, packet, context) {
    return context.profile.backend === 'nft' ? takeTokens(rate, packet.time, context) : takeCredits(rate, packet.time, context);
  },

  lower(rate, { profile }) {
    if (profile.backend === 'nft') {
      const { cost, bucket } = tokenBucket(rate);
      return [{ kind: 'special', code: SPECIAL_LIMIT_NFT, parameters: [...twoWords(cost), ...twoWords(bucket)], stateful: true }];
    }
    const { cost, cap } = creditBucket(rate, profile.hz);
    return [{ kind: 'special', code: SPECIAL_LIMIT, parameters: [cost, cap], stateful: true }];
  },

  generate(draw) {
    const out = [
      '--limit',
      `${draw.pick([1, 2, 3, 5, 7, 10, 60, 100, 3000, 7000, 10000])}/${draw.pick(['sec', 'second', 's', 'min', 'hour', 'h'])}`,
    ];
    if (draw.chance(0.4)) out.push('--limit-burst', String(draw.pick([1, 2, 3, 10, 100])));
    return out;
  },

  show: (_, packet) => `time ${packet.time} ns`,
};

function placeOf(one: GivenOption | undefined): { at?: GivenOption['position'] } {
  return one === undefined ? {} : { at: one.position };
}

/** COUNT or COUNT/UNIT; the unit may be abbreviated; behind the digits of the count anything goes, as atoi reads it. */
function readAverage(all: Given, one: GivenOption): number {
  const text = textOf(one);
  const slash = text.indexOf('/');
  const unit = slash < 0 ? 'second' : text.slice(slash + 1).toLowerCase();
  const found = unit === '' ? undefined : Object.entries(UNITS).find(([name]) => name.startsWith(unit));
  const count = Number(/^\s*[+-]?\d+/.exec(text)?.[0] ?? 0);
  if (found === undefined || count === 0)
    throw all.wants(one, 'COUNT/second, /minute, /hour or /day', 'for example --limit 3/minute');
  const average = count < 0 ? 0 : Math.floor((SCALE * found[1]) / count);
  if (average === 0) throw all.wants(one, `at most ${SCALE * found[1]}/${found[0]}`);
  return average;
}

/** limit_mt: every evaluation first refills, in 32 bits, then tries to pay. */
function takeCredits(rate: Rate, time: bigint, { profile, state }: EvaluateContext): boolean {
  const { cost, cap } = creditBucket(rate, profile.hz);
  const now = jiffiesAt(time, profile.hz);
  const bucket = state(() => ({ credit: cap, previous: now }));
  const gained = BigInt.asUintN(32, (now - bucket.previous) * BigInt(creditsPerJiffy(profile.hz)));
  bucket.previous = now;
  const credit = Math.min(cap, (bucket.credit + Number(gained)) >>> 0);
  const pays = credit >= cost;
  bucket.credit = pays ? credit - cost : credit;
  return pays;
}

/** nft_limit_eval: nanoseconds in 64 bits. */
function takeTokens(rate: Rate, time: bigint, { state }: EvaluateContext): boolean {
  const { cost, bucket: most } = tokenBucket(rate);
  const bucket = state(() => ({ tokens: most, last: time }));
  const refilled = BigInt.asUintN(64, bucket.tokens + time - bucket.last);
  const tokens = refilled > most ? most : refilled;
  bucket.last = time;
  const pays = tokens >= cost;
  bucket.tokens = pays ? tokens - cost : tokens;
  return pays;
}

function twoWords(value: bigint): [number, number] {
  return [Number(value & 0xffffffffn), Number(value >> 32n)];
}
