/**
 * `-m osf` (IPv4): which system sent a TCP SYN, by the fingerprints that nfnl_osf loads. Kernel: net/netfilter/xt_osf.c, nfnetlink_osf.c. None are loaded, and then it never
 * matches; the kernel does not look at the inversion.
 */
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, textOf, truncated } from './given.ts';
import { constant } from './tests.ts';

export interface OsfOptions {
  genre: string;
  invert: boolean;
  ttl?: number;
  log?: number;
}

const TCP = 6;
const GENRE_ROOM = 31;
const specs = [option('genre', { invertible: true }), option('ttl'), option('log')];

export const osf: MatchExtension<OsfOptions> = {
  name: 'osf',
  kind: 'match',
  families: [4],
  options: specs,
  about: 'system that sent a TCP SYN; no fingerprints are taken to be loaded, so it never matches',
  legality: { hooks: ['PREROUTING', 'INPUT', 'FORWARD'], protocols: [TCP] },

  parse(given, context) {
    const all = new Given('osf', specs, given, context);
    const one = all.need('genre', '--genre Linux');
    const [ttl, log] = [all.get('ttl'), all.get('log')];
    return {
      genre: truncated(textOf(one), GENRE_ROOM),
      invert: one.invert,
      ...(ttl === undefined ? {} : { ttl: all.number(ttl, 2) }),
      ...(log === undefined ? {} : { log: all.number(log, 2) }),
    };
  },

  print({ genre, invert, ttl, log }) {
    const level = (name: string, value: number | undefined): string => (value === undefined ? '' : ` --${name} ${value}`);
    return `${bang(invert)} --genre ${genre}${level('ttl', ttl)}${level('log', log)}`;
  },

  evaluate: () => false,
  lower: () => [constant(false)],

  generate(draw) {
    const level = draw.chance(0.3) ? ['--ttl', String(draw.integer(0, 2))] : [];
    return [...(draw.chance(0.3) ? ['!'] : []), '--genre', draw.pick(['Linux', 'Windows', 'NMAP']), ...level];
  },

  show: () => 'no fingerprints',
};
