/** `-m frag`: the IPv6 fragment header. Kernel: net/ipv6/netfilter/ip6t_frag.c. */
import { u16, u32 } from '../packet/bytes.ts';
import { FRAGMENT, findHeader } from '../packet/ipv6.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option } from './given.ts';
import { type Bytes, payloadTest } from './payload.ts';
import { generateSpis, printSpis, readSpis, type SpiRange, spiMatches } from './spi.ts';

export interface FragOptions {
  id: SpiRange;
  /** Read and printed; the kernel does not look at it. */
  length?: { bytes: number; invert: boolean };
  /** --fragres: reserved bits are 0. */
  reserved: boolean;
  first: boolean;
  more: boolean;
  last: boolean;
}

const HEADER = 8;
const specs = [
  option('fragid', { invertible: true }),
  option('fraglen', { invertible: true }),
  option('fragres', { argument: 'none' }),
  option('fragfirst', { argument: 'none' }),
  option('fragmore', { argument: 'none' }),
  option('fraglast', { argument: 'none' }),
];

export const frag: MatchExtension<FragOptions> = {
  name: 'frag',
  kind: 'match',
  families: [6],
  options: specs,
  about: 'fragment header: id, first, more, last, reserved bits',

  parse(given, context) {
    const all = new Given('frag', specs, given, context);
    all.exclusive(['fragmore', 'fraglast']);
    const length = all.get('fraglen');
    return {
      id: readSpis(all, all.get('fragid')),
      ...(length === undefined ? {} : { length: { bytes: all.number(length, 0xffffffff), invert: length.invert } }),
      reserved: all.has('fragres'),
      first: all.has('fragfirst'),
      more: all.has('fragmore'),
      last: all.has('fraglast'),
    };
  },

  print({ id, length, reserved, first, more, last }) {
    const flags = [
      reserved ? ' --fragres' : '',
      first ? ' --fragfirst' : '',
      more ? ' --fragmore' : '',
      last ? ' --fraglast' : '',
    ];
    return (
      printSpis('fragid', id) + (length === undefined ? '' : `${bang(length.invert)} --fraglen ${length.bytes}`) + flags.join('')
    );
  },

  evaluate({ id, reserved, first, more, last }, { bytes }, { profile }) {
    const at = findHeader(bytes, FRAGMENT, { whole: profile.kernel === '6.12' });
    if (at === 'absent') return false;
    if (at === 'broken' || bytes.length < at + HEADER) return 'hotdrop';
    const offset = u16(bytes, at + 2);
    if (!spiMatches(id, u32(bytes, at + 4))) return false;
    if (reserved && (bytes[at + 1] !== 0 || (offset & 6) !== 0)) return false;
    if (first && (offset & 0xfff8) !== 0) return false;
    return !(more && (offset & 1) === 0) && !(last && (offset & 1) !== 0);
  },

  lower({ id, reserved, first, more, last }) {
    const at = (bytes: Omit<Bytes, 'base' | 'short'>) => payloadTest({ base: { header: FRAGMENT }, short: 'hotdrop', ...bytes });
    const zero = { low: 0, high: 0 };
    const tests = [at({ offset: HEADER, width: 0 }), at({ offset: 4, width: 4, ...id })];
    if (reserved) tests.push(at({ offset: 1, width: 1, ...zero }), at({ offset: 2, width: 2, mask: 6, ...zero }));
    if (first) tests.push(at({ offset: 2, width: 2, mask: 0xfff8, ...zero }));
    if (more) tests.push(at({ offset: 2, width: 2, mask: 1, low: 1, high: 1 }));
    if (last) tests.push(at({ offset: 2, width: 2, mask: 1, ...zero }));
    return tests;
  },

  generate(draw) {
    const out = draw.chance(0.3) ? generateSpis(draw, 'fragid') : [];
    if (draw.chance(0.1)) out.push('--fraglen', '8');
    for (const name of ['--fragres', '--fragfirst']) if (draw.chance(0.3)) out.push(name);
    return draw.chance() ? [...out, draw.pick(['--fragmore', '--fraglast'])] : out;
  },

  show(_, { bytes }) {
    const at = findHeader(bytes, FRAGMENT);
    if (typeof at !== 'number') return at === 'absent' ? 'no fragment header' : 'headers cut';
    if (bytes.length < at + HEADER) return 'fragment header cut';
    const offset = u16(bytes, at + 2);
    return `id ${u32(bytes, at + 4)}, offset ${offset & 0xfff8}, ${(offset & 1) === 0 ? 'last' : 'more'}`;
  },
};
