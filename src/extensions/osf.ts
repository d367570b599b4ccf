/**
 * `-m osf` (IPv4): which system sent a TCP SYN, by fingerprints (`--osf FILE`), without which it never matches. Kernel: net/netfilter/xt_osf.c, nfnetlink_osf.c, which do not look at the
 * inversion.
 */
import { SPECIAL_OSF } from '../abi/special.ts';
import { type Fingerprint, USUAL_SEGMENTS, WINDOWS } from '../model/fingerprints.ts';
import type { PacketView } from '../packet/view.ts';
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
const HEADER = 20;
const SYN = 2;
const MSS = 2;
/** Bytes of IP and TCP headers beside a segment. */
const HEADERS = 40;

export const osf: MatchExtension<OsfOptions> = {
  name: 'osf',
  kind: 'match',
  families: [4],
  options: specs,
  about: 'system that sent a TCP SYN, by the fingerprints of `--osf FILE` (pf.os); without them it never matches',
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

  evaluate(options, packet, { fingerprints }) {
    const syn = synOf(packet);
    return syn !== undefined && fingerprints.some((one) => isAsked(one, options) && fits(one, syn, options.ttl ?? 0));
  },

  lower(options, { fingerprints = [] }) {
    const asked = fingerprints.filter((one) => isAsked(one, options));
    if (asked.length === 0) return [constant(false)];
    const parameters = [options.ttl ?? 0, asked.length, ...asked.flatMap(wordsOf)];
    return [{ kind: 'special', code: SPECIAL_OSF, parameters, stateful: false }];
  },

  generate(draw) {
    const level = draw.chance(0.3) ? ['--ttl', String(draw.integer(0, 2))] : [];
    const log = draw.chance(0.1) ? ['--log', String(draw.integer(0, 2))] : [];
    return [...(draw.chance(0.3) ? ['!'] : []), '--genre', draw.pick(['Linux', 'Windows', 'NMAP']), ...level, ...log];
  },

  show(_, packet) {
    const syn = synOf(packet);
    return syn === undefined
      ? 'no SYN'
      : `window ${syn.window}, ttl ${syn.ttl}, length ${syn.length}, options ${[...syn.options].join(' ') || 'none'}`;
  },
};

/** What logs looks at all fingerprints, whatever their genre. */
const isAsked = ({ genre }: Fingerprint, options: OsfOptions): boolean => options.log !== undefined || genre === options.genre;

interface Syn {
  ttl: number;
  length: number;
  dontFragment: boolean;
  window: number;
  options: Uint8Array;
}

/** nf_osf_hdr_ctx_init: what lies behind the IP header, fragments too; undefined where that is no SYN, or its options are cut off. */
function synOf({ bytes, ttl }: PacketView): Syn | undefined {
  const tcp = bytes.subarray((bytes[0]! & 15) * 4);
  if (tcp.length < HEADER || (tcp[13]! & SYN) === 0) return undefined;
  const end = Math.max((tcp[12]! >> 4) * 4, HEADER);
  if (end > tcp.length) return undefined;
  return {
    ttl,
    length: bytes[2]! * 256 + bytes[3]!,
    dontFragment: (bytes[6]! & 0x40) !== 0,
    window: tcp[14]! * 256 + tcp[15]!,
    options: tcp.subarray(HEADER, end),
  };
}

/** nf_osf_match_one. `check`: 0 the very TTL, 1 no more than it, 2 any. */
function fits(one: Fingerprint, syn: Syn, check: number): boolean {
  if (one.dontFragment !== syn.dontFragment || one.length !== syn.length) return false;
  if (check === 0 ? syn.ttl !== one.ttl : check === 1 && syn.ttl > one.ttl) return false;
  if (one.options.reduce((sum, { length }) => sum + length, 0) !== syn.options.length) return false;
  let at = 0;
  let mss = 0;
  for (const { kind, length } of one.options) {
    if (syn.options[at] !== kind) return false;
    if (kind === MSS) mss = syn.options[at + 2]! * 256 + syn.options[at + 3]!;
    at += length;
  }
  const { kind, value } = one.window;
  const sizes = [mss, ...USUAL_SEGMENTS];
  if (kind === 'plain') return value === 0 || syn.window === value;
  if (kind === 'modulo') return syn.window % value === 0;
  // In 32 bits.
  return sizes.some((size) => syn.window === Math.imul(value, size + (kind === 'mtu' ? HEADERS : 0)) >>> 0);
}

/** As abi/special.ts lists them. */
const wordsOf = ({ window, ttl, dontFragment, length, options }: Fingerprint): number[] => [
  WINDOWS.indexOf(window.kind) | (dontFragment ? 1 << 8 : 0) | (ttl << 16),
  window.value,
  length | (options.reduce((sum, { length: size }) => sum + size, 0) << 16),
  options.length,
  ...options.map(({ kind, length: size }) => kind | (size << 8)),
];
