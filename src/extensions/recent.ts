/** `-m recent`: lists of addresses, each with the times it was last seen. Kernel: net/netfilter/xt_recent.c. */
import {
  RECENT_DESTINATION,
  RECENT_ENTRIES,
  RECENT_ENTRY,
  RECENT_INVERT,
  RECENT_REAP,
  RECENT_REMOVE,
  RECENT_SECONDS,
  RECENT_SET,
  RECENT_SIZE,
  RECENT_TTL,
  RECENT_UPDATE,
  SPECIAL_RECENT,
} from '../abi/special.ts';
import { formatAddress, parseHost } from '../model/address.ts';
import type { Profile } from '../model/profile.ts';
import type { Words } from '../model/ruleset.ts';
import type { GivenOption, MatchExtension, ParseContext } from './extension.ts';
import { bang, Given, option, textOf, truncated } from './given.ts';
import { RecentList } from './recent-list.ts';

const DEEDS = ['set', 'rcheck', 'update', 'remove'] as const;

export interface RecentOptions {
  deed: (typeof DEEDS)[number];
  invert: boolean;
  /** 0: at any time. */
  seconds: number;
  reap: boolean;
  /** 0: one is enough. */
  hits: number;
  /** TTL counts, too. */
  ttl: boolean;
  name: string;
  mask: Words;
  side: 'source' | 'destination';
}

const flag = (name: string) => option(name, { argument: 'none' });
const specs = [
  ...DEEDS.map((name) => option(name, { argument: 'none', invertible: true })),
  option('seconds'),
  flag('reap'),
  option('hitcount'),
  flag('rttl'),
  option('name'),
  flag('rsource'),
  flag('rdest'),
  option('mask'),
];
/** 200 bytes with the closing zero. */
const NAME_ROOM = 199;
const ALL_ONES = 0xffffffff;
/** Stamps an entry keeps when no rule asks for a hit count. */
const USUAL_STAMPS = 32;

export const recent: MatchExtension<RecentOptions> = {
  name: 'recent',
  kind: 'match',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about: 'addresses seen lately, in lists that rules share by name',

  parse(given, context) {
    const all = new Given('recent', specs, given, context);
    all.exclusive(DEEDS);
    all.needOne(DEEDS, '--rcheck --seconds 60');
    const deed = DEEDS.find((name) => all.has(name))!;
    const [seconds, hits] = [all.get('seconds'), all.get('hitcount')];
    const out: RecentOptions = {
      deed,
      invert: all.get(deed)!.invert,
      seconds: seconds === undefined ? 0 : all.number(seconds, ALL_ONES, 1),
      reap: all.has('reap'),
      hits: hits === undefined ? 0 : all.number(hits, mostHits(context.kernel ?? '6.18')),
      ttl: all.has('rttl'),
      name: readName(all),
      mask: readMask(all, context),
      side: all.has('rdest') ? 'destination' : 'source',
    };
    refuseModifiers(all, out);
    return out;
  },

  print({ deed, invert, seconds, reap, hits, ttl, name, mask, side }) {
    let out = `${bang(invert)} --${deed}`;
    // Printed as signed numbers.
    if (seconds !== 0) out += ` --seconds ${seconds | 0}`;
    if (reap) out += ' --reap';
    if (hits !== 0) out += ` --hitcount ${hits}`;
    if (ttl) out += ' --rttl';
    return `${out} --name ${name} --mask ${formatAddress(mask)} ${side === 'source' ? '--rsource' : '--rdest'}`;
  },

  load({ name, mask, hits }, { profile, shared }) {
    listOf(shared, name, mask, profile.kernel === '6.1' ? 0xff : 0xffff).keep(hits);
  },

  evaluate(options, packet, { profile, shared }) {
    const list = listOf(shared, options.name, options.mask, 0);
    const address = options.side === 'source' ? packet.source : packet.destination;
    // As it was before forwarding took one; what has a socket was not forwarded.
    const ttl = (packet.ttl + (packet.outInterface !== '' && !packet.hasSocket ? 1 : 0)) & 0xff;
    return list.evaluate(options, packet.family, address, ttl, packet.time, profile.hz);
  },

  lower({ deed, invert, seconds, reap, hits, ttl, name, mask, side }, { family, profile }) {
    let flags = invert ? RECENT_INVERT : 0;
    if (deed === 'set') flags |= RECENT_SET;
    if (deed === 'update') flags |= RECENT_UPDATE;
    if (deed === 'remove') flags |= RECENT_REMOVE;
    if (seconds !== 0) flags |= RECENT_SECONDS;
    if (reap) flags |= RECENT_REAP;
    if (ttl) flags |= RECENT_TTL;
    if (side === 'destination') flags |= RECENT_DESTINATION;
    // The kernel multiplies in 32 bits, and counts places in bytes before 6.12.
    const back = Math.imul(seconds, profile.hz) >>> 0;
    const places = profile.kernel === '6.1' ? 255 : 65535;
    const kept = hits === 0 ? USUAL_STAMPS : 2 ** Math.ceil(Math.log2(hits));
    return [
      {
        kind: 'special',
        code: SPECIAL_RECENT,
        parameters: [flags, back, hits, places],
        stateful: true,
        shared: {
          name: `recent ${name}`,
          first: family === 4 ? [mask[0]!, ...(mask[0] === ALL_ONES ? [ALL_ONES, ALL_ONES, ALL_ONES] : [0, 0, 0])] : mask,
          most: [kept - 1],
          bytes: RECENT_SIZE + RECENT_ENTRIES * (RECENT_ENTRY + kept * 8),
        },
      },
    ];
  },

  generate(draw, _, { family }) {
    const deed = draw.pick(['set', 'rcheck', 'rcheck', 'update', 'update', 'remove']);
    const out = [...(draw.chance(0.2) ? ['!'] : []), `--${deed}`];
    if (deed === 'rcheck' || deed === 'update') {
      // The running kernel judges within a second.
      if (draw.chance(0.4)) out.push('--seconds', String(draw.pick([2, 3, 10, 60, 1000])));
      if (out.includes('--seconds') && draw.chance(0.3)) out.push('--reap');
      if (draw.chance(0.5)) out.push('--hitcount', String(draw.pick([1, 2, 3, 4, 5, 8, 20, 33])));
      if (draw.chance(0.2)) out.push('--rttl');
    }
    const name = draw.pick(['DEFAULT', 'DEFAULT', 'a', 'b']);
    if (name !== 'DEFAULT') out.push('--name', name);
    // One mask a list: which rule comes first is another question.
    if (name === 'b') out.push('--mask', family === 4 ? '255.255.0.0' : 'ffff:ffff:ffff::');
    if (draw.chance(0.3)) out.push('--rdest');
    return out;
  },

  show: (_, packet) => `ttl ${packet.ttl}, time ${packet.time} ns`,
};

/** Of --hitcount. */
export function mostHits(kernel: Profile['kernel']): number {
  return kernel === '6.1' ? 255 : 65535;
}

function listOf(shared: <T>(name: string, make: () => T) => T, name: string, mask: Words, places: number): RecentList {
  return shared(`recent ${name}`, () => new RecentList(mask, places));
}

/** What the kernel refuses beside --set and --remove. */
function refuseModifiers(all: Given, { deed }: RecentOptions): void {
  const reap = all.get('reap');
  if (reap !== undefined && !all.has('seconds')) throw all.complain(reap, '--reap wants --seconds, too');
  if (deed !== 'set' && deed !== 'remove') return;
  for (const name of ['seconds', 'hitcount', 'rttl']) {
    const one = all.get(name);
    if (one !== undefined && !(name === 'hitcount' && Number(textOf(one)) === 0))
      throw all.complain(one, `--${name} goes with --rcheck and --update only, got it with --${deed}`);
  }
}

function readName(all: Given): string {
  const one = all.get('name');
  if (one === undefined) return 'DEFAULT';
  const name = truncated(textOf(one), NAME_ROOM);
  if (name === '' || name === '.' || name === '..' || name.includes('/'))
    throw all.wants(one, 'a name a file can have', 'the list appears as /proc/net/xt_recent/NAME');
  return name;
}

function readMask(all: Given, { family }: ParseContext): Words {
  const one: GivenOption | undefined = all.get('mask');
  if (one === undefined) return family === 4 ? [ALL_ONES] : [ALL_ONES, ALL_ONES, ALL_ONES, ALL_ONES];
  const mask = parseHost(textOf(one), family);
  if (mask === undefined) throw all.wants(one, family === 4 ? 'a mask such as 255.255.255.0' : 'a mask such as ffff:ffff::');
  return mask;
}
