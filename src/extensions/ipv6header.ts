/** `-m ipv6header`: which headers an IPv6 packet has. Kernel: net/ipv6/netfilter/ip6t_ipv6header.c. */
import {
  HEADERS_AUTHENTICATION,
  HEADERS_DESTINATION,
  HEADERS_ESP,
  HEADERS_FRAGMENT,
  HEADERS_HOP_BY_HOP,
  HEADERS_NONE,
  HEADERS_PROTOCOL,
  HEADERS_ROUTING,
  SPECIAL_IPV6_HEADERS,
} from '../abi/special.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';

export interface Ipv6headerOptions {
  /** HEADERS_* bits. */
  headers: number;
  /** All of them at least; without it exactly these. */
  soft: boolean;
  invert: boolean;
}

const ESP = 50;
const NONE = 59;
/** In the order of printing: bit, protocol number, long and short name. */
const HEADERS: readonly (readonly [number, number, string, string])[] = [
  [HEADERS_HOP_BY_HOP, 0, 'hop-by-hop', 'hop'],
  [HEADERS_DESTINATION, 60, 'ipv6-opts', 'dst'],
  [HEADERS_ROUTING, 43, 'ipv6-route', 'route'],
  [HEADERS_FRAGMENT, 44, 'ipv6-frag', 'frag'],
  [HEADERS_AUTHENTICATION, 51, 'ah', 'auth'],
  [HEADERS_ESP, ESP, 'esp', 'esp'],
  [HEADERS_NONE, NONE, 'ipv6-nonxt', 'none'],
  [HEADERS_PROTOCOL, 255, 'protocol', 'prot'],
];
const specs = [option('header', { invertible: true }), option('soft', { argument: 'none' })];

export const ipv6header: MatchExtension<Ipv6headerOptions> = {
  name: 'ipv6header',
  kind: 'match',
  families: [6],
  options: specs,
  about: 'which extension headers there are',

  parse(given, context) {
    const all = new Given('ipv6header', specs, given, context);
    const one = all.need('header', '--header frag --soft');
    let headers = 0;
    for (const word of textOf(one).split(',')) {
      if (word === '') continue;
      const found = HEADERS.find(([, number, long, short]) => word === String(number) || word === long || word === short);
      if (found === undefined) throw all.wants(one, `a list of ${HEADERS.map(([, , long]) => long).join(', ')}`, undefined, word);
      headers |= found[0];
    }
    if (headers === 0) throw all.wants(one, 'at least one header');
    return { headers, soft: all.has('soft'), invert: one.invert };
  },

  print({ headers, soft, invert }) {
    return `${bang(invert)} --header ${namesOf(headers)}${soft ? ' --soft' : ''}`;
  },

  evaluate({ headers, soft, invert }, { bytes }) {
    const there = headersOf(bytes);
    if (there === undefined) return false;
    if (!soft) return (there === headers) !== invert;
    return (there & headers) === (invert ? 0 : headers);
  },

  lower: ({ headers, soft, invert }) => [
    { kind: 'special', code: SPECIAL_IPV6_HEADERS, parameters: [soft ? 1 : 0, headers, invert ? 1 : 0], stateful: false },
  ],

  generate(draw) {
    const usual = ['hop', 'dst', 'route', 'frag', 'auth', 'none', 'esp', 'prot', 'prot', 'prot'];
    const names = Array.from({ length: draw.pick([1, 1, 2, 3]) }, () => draw.pick(usual));
    return [...(draw.chance(0.3) ? ['!'] : []), '--header', [...new Set(names)].join(','), ...(draw.chance() ? ['--soft'] : [])];
  },

  show(_, { bytes }) {
    const there = headersOf(bytes);
    return there === undefined ? 'headers cut' : `headers ${namesOf(there)}`;
  },
};

function namesOf(headers: number): string {
  const names = HEADERS.filter(([bit]) => (headers & bit) !== 0).map(([, , long]) => long);
  return names.join(',');
}

/** Fragments are walked through whatever their offset. undefined: the last header that can be reached is cut. */
function headersOf(bytes: Uint8Array): number | undefined {
  let kind = bytes[6]!;
  let at = 40;
  let there = 0;
  while (at <= bytes.length) {
    const bit = HEADERS.find(([, number]) => number === kind && number !== 255)?.[0];
    if (bit === undefined) break;
    if (kind === NONE) return there | bit;
    if (bytes.length < at + 2) return undefined;
    there |= bit;
    if (kind === ESP) return there;
    const words = bytes[at + 1]!;
    const length = kind === 44 ? 8 : kind === 51 ? (words + 2) * 4 : (words + 1) * 8;
    kind = bytes[at]!;
    at += length;
  }
  // Behind the end nothing is looked at, but its name is known.
  return kind === NONE || kind === ESP ? there : there | HEADERS_PROTOCOL;
}
