/** What all extensions do with the options they were given: once each, not inverted where that is impossible, and one way to complain. */
import type { RuleError } from '../model/errors.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { GivenOption, OptionSpec, ParseContext } from './extension.ts';

/** An option without an inversion, an inversible one, a flag; each with one value unless said otherwise. */
export function option(names: string | readonly string[], more: Partial<Omit<OptionSpec, 'names'>> = {}): OptionSpec {
  return { names: typeof names === 'string' ? [names] : names, argument: 'one', invertible: false, ...more };
}

/** The options of one use of an extension, by canonical name, with the questions extensions ask of them. */
export class Given {
  readonly extension: string;
  readonly context: ParseContext;
  private readonly options = new Map<string, GivenOption>();

  /** Throws for an option given twice and for an inversion that iptables refuses. */
  constructor(extension: string, specs: readonly OptionSpec[], given: readonly GivenOption[], context: ParseContext) {
    this.extension = extension;
    this.context = context;
    for (const one of given) {
      const spec = specs.find(({ names }) => names.includes(one.name));
      if (spec === undefined) throw this.complain(one, `unknown option ${writtenName(one)}`);
      const name = spec.names[0] ?? one.name;
      if (this.options.has(name)) throw this.complain(one, `${writtenName(one)} can only be given once`);
      if (one.invert && !spec.invertible) throw this.complain(one, `${writtenName(one)} cannot be inverted`, 'leave out the !');
      this.options.set(name, one);
    }
  }

  get(name: string): GivenOption | undefined {
    return this.options.get(name);
  }

  has(name: string): boolean {
    return this.options.has(name);
  }

  /** The option, or an error that it is missing. */
  need(name: string, example: string): GivenOption {
    const found = this.options.get(name);
    if (found === undefined) throw this.missing(`--${name} must be given`, example);
    return found;
  }

  /** At least one of `names`. */
  needOne(names: readonly string[], example: string): void {
    if (names.some((name) => this.options.has(name))) return;
    throw this.missing(`wants one of ${names.map((name) => `--${name}`).join(', ')}`, example);
  }

  /** At most one of `names`. */
  exclusive(names: readonly string[]): void {
    const [first, second] = names.flatMap((name) => this.options.get(name) ?? []);
    if (second === undefined || first === undefined) return;
    throw this.complain(second, `${writtenName(second)} cannot be given together with ${writtenName(first)}`);
  }

  /** An error at an option: `tcp: --sport wants LOW:HIGH, got 4:3`. */
  wants(one: GivenOption, wanted: string, hint?: string, got: string = one.values.join(' ')): RuleError {
    return this.complain(one, `${writtenName(one)} wants ${wanted}, got ${got === '' ? 'nothing' : got}`, hint);
  }

  complain(one: GivenOption, message: string, hint?: string): RuleError {
    return this.context.error(`${this.extension}: ${message}`, {
      at: one.position,
      kind: 'illegal',
      ...(hint === undefined ? {} : { hint }),
    });
  }

  missing(message: string, example: string): RuleError {
    return this.context.error(`${this.extension}: ${message}`, { kind: 'illegal', hint: `for example ${example}` });
  }

  /** A whole number, decimal, 0octal or 0xhexadecimal. */
  number(one: GivenOption, max: number, min = 0): number {
    const value = parseUnsigned(textOf(one), max, min);
    if (value === undefined) throw this.wants(one, `a number from ${min} to ${max}`);
    return value;
  }

  /** LOW, LOW:, :HIGH or LOW:HIGH; an open end is 0 or `max`. LOW may exceed HIGH (iptables accepts that; it never matches). */
  numberRange(one: GivenOption, max: number): { low: number; high: number } {
    const parts = textOf(one).split(':');
    const numbers = parts.map((part, i) => (part === '' ? (i === 1 ? max : 0) : parseUnsigned(part, max)));
    const [low, high = low] = numbers;
    if (parts.length > 2 || low === undefined || high === undefined || numbers.includes(undefined)) {
      throw this.wants(one, `NUMBER or LOW:HIGH, each from 0 to ${max}`);
    }
    return { low, high };
  }

  /** VALUE or VALUE/MASK of 32 bits; the mask is all ones when not given. */
  markAndMask(one: GivenOption): { mark: number; mask: number } {
    const [value = '', maskText, ...rest] = textOf(one).split('/');
    const mark = parseUnsigned(value, 0xffffffff);
    const mask = maskText === undefined ? 0xffffffff : parseUnsigned(maskText, 0xffffffff);
    if (mark === undefined || mask === undefined || rest.length > 0) throw this.wants(one, 'VALUE or VALUE/MASK of 32 bits');
    return { mark, mask };
  }
}

/** An option in the words of the rule: `--dport`. */
export function writtenName(one: GivenOption): string {
  return one.written ?? `--${one.name}`;
}

/** The first value of an option, '' when there is none. */
export function textOf(one: GivenOption): string {
  return one.values[0] ?? '';
}

/** ` !` in front of an inverted option. */
export function bang(invert: boolean): string {
  return invert ? ' !' : '';
}

/** A string as iptables-save quotes it: bare when it is a plain word, else in double quotes with \ before ", ' and \. */
export function savedString(text: string): string {
  return /^[-_0-9a-zA-Z]+$/.test(text) ? text : `"${text.replace(/["'\\]/g, '\\$&')}"`;
}

/** The first `bytes` bytes of a text in UTF-8, as a fixed C buffer keeps them (a character cut in two is left out). */
export function truncated(text: string, bytes: number): string {
  let used = 0;
  let out = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    used += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (used > bytes) break;
    out += character;
  }
  return out;
}

/** `0x1f`. */
export function hex(value: number, digits = 1): string {
  return `0x${(value >>> 0).toString(16).padStart(digits, '0')}`;
}

/** True when `name` begins with `text`, in any case: how many extensions take abbreviations. Empty text begins every name. */
export function abbreviates(text: string, name: string): boolean {
  return name.toLowerCase().startsWith(text.toLowerCase());
}
