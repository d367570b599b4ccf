/** `-m hbh` and `-m dst`: hop-by-hop and destination options of IPv6. Kernel: net/ipv6/netfilter/ip6t_hbh.c. */
import { SPECIAL_HEADER_OPTIONS } from '../abi/special.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Test } from '../model/predicate.ts';
import { DESTINATION_OPTIONS, findHeader, HOP_BY_HOP } from '../packet/ipv6.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { payloadTest } from './payload.ts';

export interface HeaderOptions {
  /** Of the header, in bytes. */
  length?: { bytes: number; invert: boolean };
  /** The first options of the header, in this order. `length`: of the data; ANY is any. */
  options: readonly { type: number; length: number }[];
}

const ANY = 255;
const PAD1 = 0;
const MOST = 16;

export const hbh = headerOptions('hbh', HOP_BY_HOP, 'hop-by-hop options: length, first options');
export const dst = headerOptions('dst', DESTINATION_OPTIONS, 'destination options: length, first options');

function headerOptions(name: 'hbh' | 'dst', kind: number, about: string): MatchExtension<HeaderOptions> {
  const specs = [option(`${name}-len`, { invertible: true }), option(`${name}-opts`)];
  return {
    name,
    kind: 'match',
    families: [6],
    options: specs,
    about,

    parse(given, context) {
      const all = new Given(name, specs, given, context);
      const length = all.get(`${name}-len`);
      const list = all.get(`${name}-opts`);
      return {
        ...(length === undefined ? {} : { length: { bytes: all.number(length, 0xffffffff), invert: length.invert } }),
        options: list === undefined ? [] : readOptions(all, list),
      };
    },

    print({ length, options }) {
      const list = options.map((one) => (one.length === ANY ? `${one.type}` : `${one.type}:${one.length}`)).join(',');
      return (
        (length === undefined ? '' : `${bang(length.invert)} --${name}-len ${length.bytes}`) +
        (list === '' ? '' : ` --${name}-opts ${list}`)
      );
    },

    evaluate: (options, { bytes }, { profile }) =>
      evaluate(options, bytes, findHeader(bytes, kind, { whole: profile.kernel === '6.12' })),

    lower: (options) => lower(options, kind),

    generate(draw) {
      const out: string[] = [];
      if (draw.chance(0.5)) out.push(...(draw.chance(0.3) ? ['!'] : []), `--${name}-len`, String(draw.pick([8, 8, 16, 24, 9])));
      const list = draw.pick([
        '1:4',
        '1',
        '5:2',
        '5:2,0',
        '5,0,0',
        '30:4',
        '0,0,0',
        '0',
        '1:12',
        '1:5',
        '5:2,0,0',
        '0,0,0,0,0,0,0',
      ]);
      return draw.chance(0.6) ? [...out, `--${name}-opts`, list] : out;
    },

    show: (_, { bytes }) => show(bytes, findHeader(bytes, kind)),
  };
}

function evaluate({ length, options }: HeaderOptions, bytes: Uint8Array, at: ReturnType<typeof findHeader>): boolean | 'hotdrop' {
  if (at === 'absent') return false;
  if (at === 'broken') return 'hotdrop';
  const own = (bytes[at + 1]! + 1) * 8;
  if (bytes.length - at < own) return 'hotdrop';
  if (length !== undefined && (length.bytes === own) === length.invert) return false;
  return beginsWith(bytes.subarray(at + 2, at + own), options);
}

function lower({ length, options }: HeaderOptions, kind: number): Test[] {
  const base = { header: kind, whole: true };
  const tests: Test[] = [payloadTest({ base, offset: 2, width: 0, short: 'hotdrop' })];
  if (length !== undefined) {
    const units = length.bytes / 8 - 1;
    const said = Number.isInteger(units) && units >= 0 && units <= 255;
    const bounds = said ? { low: units, high: units } : { low: 1, high: 0 };
    tests.push(payloadTest({ base, offset: 1, width: 1, invert: length.invert, short: 'hotdrop', ...bounds }));
  }
  if (options.length > 0) {
    const parameters = [kind, options.length, ...options.flatMap((one) => [one.type, one.length])];
    tests.push({ kind: 'special', code: SPECIAL_HEADER_OPTIONS, parameters, stateful: false });
  }
  return tests;
}

function show(bytes: Uint8Array, at: ReturnType<typeof findHeader>): string {
  if (typeof at !== 'number') return at === 'absent' ? 'no such header' : 'headers cut';
  const own = (bytes[at + 1]! + 1) * 8;
  const options = [...bytes.subarray(at + 2, at + own)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return `length ${own}, options ${options}`;
}

/** TYPE or TYPE:LENGTH, each cut to a byte. */
function readOptions(all: Given, one: GivenOption): { type: number; length: number }[] {
  const parts = textOf(one).split(',');
  if (parts.length > MOST) throw all.wants(one, `at most ${MOST} options`, undefined, String(parts.length));
  return parts.map((part) => {
    const [type, length, ...rest] = part.split(':').map(byteOf);
    const alone = !part.includes(':');
    if (type === undefined || (length === undefined && !alone) || rest.length > 0)
      throw all.wants(one, 'TYPE or TYPE:LENGTH with commas between them', 'for example 1:4,0', part);
    if (type === PAD1 && !alone) throw all.wants(one, 'no length for type 0, which has none', undefined, part);
    return { type, length: length ?? ANY };
  });
}

/** As strtoul, which takes negative numbers, and the lowest byte of it. */
function byteOf(text: string): number | undefined {
  const negative = text.startsWith('-');
  const value = parseUnsigned(negative ? text.slice(1) : text, 0xffffffff);
  return value === undefined ? undefined : (negative ? -value : value) & 0xff;
}

function beginsWith(area: Uint8Array, wanted: HeaderOptions['options']): boolean {
  let at = 0;
  for (const { type, length } of wanted) {
    if (at >= area.length || area[at] !== type) return false;
    if (type === PAD1) {
      at++;
      continue;
    }
    if (at + 1 >= area.length || (length !== ANY && area[at + 1] !== length)) return false;
    at += 2 + area[at + 1]!;
  }
  return true;
}
