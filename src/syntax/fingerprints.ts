/** Text of a pf.os file -> fingerprints, as nfnl_osf 1.8.9 reads it: `window:ttl:df:length:options:genre:version:subtype:about`. */
import type { RuleError } from '../model/errors.ts';
import { type Fingerprint, MOST_OPTION_BYTES } from '../model/fingerprints.ts';
import { errorAt, readSource, type Source } from './source.ts';

const FIELDS = 9;
/** Bytes of a name with its closing zero; of the options with their last comma. */
const NAME_ROOM = 31;
const OPTIONS_ROOM = 127;
/** What the tool reads at once. */
const LINE_ROOM = 1022;

/** By the letter an option begins with; letters that are not here are none. */
const OPTIONS: Readonly<Record<string, { kind: number; length: number }>> = {
  E: { kind: 0, length: 1 },
  N: { kind: 1, length: 1 },
  M: { kind: 2, length: 4 },
  W: { kind: 3, length: 3 },
  S: { kind: 4, length: 2 },
  T: { kind: 8, length: 10 },
};

/** The fingerprints of a file, in its order. Throws RuleError for what the tool or the kernel refuses; there they end the file. */
export function parseFingerprints(text: string, file: string): Fingerprint[] {
  const source = readSource(text, file);
  return source.lines.flatMap(({ text: all, terminated, number }) => {
    // The tool takes the last character for the newline.
    const line = terminated ? all : all.slice(0, -1);
    return line === '' || /^[#\r]/.test(line) ? [] : [readLine(line, source, number)];
  });
}

function readLine(line: string, source: Source, number: number): Fingerprint {
  const fields = line.split(':');
  const wrong = (message: string, column: number, hint?: string): RuleError =>
    errorAt(source, { file: source.file, line: number, column }, `osf: ${message}`, { kind: 'illegal', hint });
  if (fields.length !== FIELDS)
    throw wrong(`a fingerprint has ${FIELDS} fields, this line ${fields.length}`, 1, '16384:64:0:44:M512:AIX:4.3:2-3:AIX 4.3.2');
  if (line.length > LINE_ROOM) throw wrong(`a fingerprint has at most ${LINE_ROOM} characters`, LINE_ROOM);
  const [window = '', ttl, df, length, options = '', genre = '', version, subtype] = fields.map((field, i) =>
    i === 0 ? field : field.replace(/^[ \t\v\f\r]+/, ''),
  );
  const listed = optionsOf(options);
  const columnOf = (field: number): number => fields.slice(0, field).reduce((sum, { length: size }) => sum + size + 1, 1);
  if (listed.reduce((sum, option) => sum + option.length, 0) > MOST_OPTION_BYTES)
    throw wrong(`options take at most ${MOST_OPTION_BYTES} bytes`, columnOf(4));
  const size = windowOf(window);
  if (size.kind === 'modulo' && size.value === 0) throw wrong('a window is no multiple of 0', 1);
  return {
    genre: genre.replace(/^[@*]/, '').slice(0, NAME_ROOM),
    version: (version ?? '').slice(0, NAME_ROOM),
    subtype: (subtype ?? '').slice(0, NAME_ROOM),
    window: size,
    ttl: leading(ttl) & 0xff,
    dontFragment: (leading(df) & 0xff) !== 0,
    length: leading(length) & 0xffff,
    options: listed,
  };
}

function windowOf(text: string): Fingerprint['window'] {
  const [letter = '', next] = text;
  if (letter === 'S' || letter === 'T')
    return { kind: letter === 'S' ? 'mss' : 'mtu', value: leading(text.slice(next === '%' ? 2 : 1)) };
  if (letter === '%') return { kind: 'modulo', value: leading(text.slice(1)) };
  // Any window where it is no number.
  return { kind: 'plain', value: /^\d/.test(letter) ? leading(text) : 0 };
}

function optionsOf(text: string): { kind: number; length: number }[] {
  const words = `${text},`.slice(0, OPTIONS_ROOM).split(',');
  return words.flatMap((word) => OPTIONS[word.trimStart()[0] ?? ''] ?? []);
}

/** The number a text begins with, as strtoul reads decimals; 0 where it begins with none. 32 bits are kept. */
function leading(text = ''): number {
  const [, sign, digits] = /^\s*([+-]?)(\d+)/.exec(text) ?? [];
  if (digits === undefined) return 0;
  const whole = BigInt(digits);
  const value = whole > 0xffff_ffff_ffff_ffffn ? 0xffff_ffff_ffff_ffffn : whole;
  return Number(BigInt.asUintN(32, sign === '-' ? -value : value));
}
