/** `-m string`: a pattern anywhere in the IP packet. Kernel: net/netfilter/xt_string.c, skb_find_text, lib/ts_bm.c, lib/ts_kmp.c. */
import { SPECIAL_STRING, STRING_BM, STRING_KMP } from '../abi/special.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { packed } from './payload.ts';
import { readHexString } from './string-pattern.ts';
import { boyerMooreFinds, plainFinds, upperCase } from './string-search.ts';
import { boyerMooreShifts } from './string-shifts.ts';

export interface StringOptions {
  /** 1 to 128 bytes, as written. */
  pattern: readonly number[];
  algorithm: 'bm' | 'kmp';
  /** Offsets from the IP header; the whole pattern lies between them. */
  from: number;
  to: number;
  ignoreCase: boolean;
  invert: boolean;
}

const LONGEST = 128;
const MAX = 0xffff;
const specs = [
  option('from'),
  option('to'),
  option('algo'),
  option('string', { invertible: true }),
  option('hex-string', { invertible: true }),
  option('icase', { argument: 'none' }),
];

export const string: MatchExtension<StringOptions> = {
  name: 'string',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'a string anywhere in the packet',

  parse(given, context) {
    const all = new Given('string', specs, given, context);
    all.needOne(['string', 'hex-string'], '--string "GET /" --algo bm');
    all.exclusive(['string', 'hex-string']);
    const algorithm = all.need('algo', '--string "GET /" --algo bm');
    const name = textOf(algorithm);
    if (name !== 'bm' && name !== 'kmp') throw all.wants(algorithm, 'bm or kmp', 'both find the same; bm is the faster one');
    const text = all.get('string');
    const one = text ?? all.need('hex-string', '--hex-string "|0d0a|"');
    const from = all.get('from');
    const to = all.get('to');
    const bounds = { from: from === undefined ? 0 : all.number(from, MAX), to: to === undefined ? MAX : all.number(to, MAX) };
    if (bounds.from > bounds.to)
      throw all.context.error('string: --from lies behind --to', { kind: 'illegal', hint: 'exchange them' });
    return {
      pattern: readPattern(all, one, text === undefined),
      algorithm: name,
      ...bounds,
      ignoreCase: all.has('icase'),
      invert: one.invert,
    };
  },

  print({ pattern, algorithm, from, to, ignoreCase, invert }) {
    const bounds = (from === 0 ? '' : ` --from ${from}`) + (to === MAX ? '' : ` --to ${to}`);
    return `${bang(invert)} ${printPattern(pattern)} --algo ${algorithm}${bounds}${ignoreCase ? ' --icase' : ''}`;
  },

  evaluate({ pattern, algorithm, from, to, ignoreCase, invert }, { bytes }) {
    const text = bytes.subarray(from, to);
    const found = algorithm === 'bm' ? boyerMooreFinds(text, pattern, ignoreCase) : plainFinds(text, pattern, ignoreCase);
    return found !== invert;
  },

  lower({ pattern, algorithm, from, to, ignoreCase, invert }) {
    const bytes = ignoreCase ? pattern.map(upperCase) : [...pattern];
    const shifts = algorithm === 'bm' ? boyerMooreShifts(bytes, ignoreCase) : [];
    const code = algorithm === 'bm' ? STRING_BM : STRING_KMP;
    const parameters = [code, from, to, ignoreCase ? 1 : 0, invert ? 1 : 0, bytes.length, ...packed([...bytes, ...shifts])];
    return [{ kind: 'special', code: SPECIAL_STRING, parameters, stateful: false }];
  },

  generate(draw) {
    const [name, text] = draw.pick(GENERATED);
    const out = [...(draw.chance(0.25) ? ['!'] : []), name, text, '--algo', draw.pick(['bm', 'kmp'])];
    const from = draw.pick([0, 20, 28, 40, 41, 60]);
    if (draw.chance(0.3)) out.push('--from', String(from));
    if (draw.chance(0.3)) out.push('--to', String(from + draw.pick([2, 8, 30, 100])));
    return draw.chance(0.4) ? [...out, '--icase'] : out;
  },

  show({ pattern, ignoreCase, from, to }, { bytes }) {
    const found = plainFinds(bytes, pattern, ignoreCase);
    if (!found) return 'not in the packet';
    return plainFinds(bytes.subarray(from, to), pattern, ignoreCase)
      ? 'in the packet'
      : `in the packet, not between ${from} and ${to}`;
  },
};

/** Texts with repeated parts, which searches err about; letters beyond ASCII, which the kernel folds as Latin-1. */
const GENERATED: readonly (readonly [string, string])[] = [
  ['--string', 'GET /'],
  ['--string', 'abab'],
  ['--string', 'aab'],
  ['--string', 'x'],
  ['--hex-string', '|0000|'],
  ['--hex-string', '|00|'],
  ['--hex-string', 'Host: |0d0a|'],
  ['--hex-string', '|e9c9|a'],
  ['--hex-string', '|ff|a'],
  ['--hex-string', 'a|dfff|'],
  ['--string', 'abcabcab'],
];

function readPattern(all: Given, one: GivenOption, hex: boolean): number[] {
  const bytes = [...new TextEncoder().encode(textOf(one))];
  const pattern = hex ? readHexString(bytes) : bytes;
  if (typeof pattern === 'string') throw all.wants(one, `text with bytes as |0d 0a|: ${pattern}`);
  if (pattern.length === 0) throw all.wants(one, 'at least one byte');
  if (pattern.length > LONGEST) throw all.wants(one, `at most ${LONGEST} bytes`, undefined, `${pattern.length}`);
  return pattern;
}

/** As text when all of it can be printed and no backslash ends it; else all of it in hexadecimal. */
function printPattern(pattern: readonly number[]): string {
  const printable = pattern.every((byte) => byte >= 0x20 && byte < 0x7f) && pattern.at(-1) !== 0x5c;
  if (!printable) return `--hex-string "|${pattern.map((byte) => byte.toString(16).padStart(2, '0')).join('')}|"`;
  return `--string "${String.fromCharCode(...pattern).replace(/["\\]/g, '\\$&')}"`;
}
