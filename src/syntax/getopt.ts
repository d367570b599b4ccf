/** Options as getopt_long sees them: short ones in clusters, long ones abbreviated, and the options of loaded extensions among the built-in ones. */
import type { OptionSpec } from '../extensions/extension.ts';
import type { Word } from './source.ts';

/** A built-in option by its letter. `argument`: as getopt's one and two colons; `optional` takes only what is attached. */
export interface BuiltinOption {
  letter: string;
  argument: 'none' | 'required' | 'optional';
  long: readonly string[];
}

const required = 'required';
const optional = 'optional';
const none = 'none';

export const BUILTIN_OPTIONS: readonly BuiltinOption[] = [
  { letter: 'A', argument: required, long: ['append'] },
  { letter: 'D', argument: required, long: ['delete'] },
  { letter: 'C', argument: required, long: ['check'] },
  { letter: 'I', argument: required, long: ['insert'] },
  { letter: 'R', argument: required, long: ['replace'] },
  { letter: 'L', argument: optional, long: ['list'] },
  { letter: 'S', argument: optional, long: ['list-rules'] },
  { letter: 'F', argument: optional, long: ['flush'] },
  { letter: 'Z', argument: optional, long: ['zero'] },
  { letter: 'N', argument: required, long: ['new-chain'] },
  { letter: 'X', argument: optional, long: ['delete-chain'] },
  { letter: 'E', argument: required, long: ['rename-chain'] },
  { letter: 'P', argument: required, long: ['policy'] },
  { letter: 's', argument: required, long: ['source', 'src'] },
  { letter: 'd', argument: required, long: ['destination', 'dst'] },
  { letter: 'p', argument: required, long: ['protocol'] },
  { letter: 'i', argument: required, long: ['in-interface'] },
  { letter: 'o', argument: required, long: ['out-interface'] },
  { letter: 'j', argument: required, long: ['jump'] },
  { letter: 'g', argument: required, long: ['goto'] },
  { letter: 'm', argument: required, long: ['match'] },
  { letter: 't', argument: required, long: ['table'] },
  { letter: 'c', argument: required, long: ['set-counters'] },
  { letter: 'M', argument: required, long: ['modprobe'] },
  { letter: 'n', argument: none, long: ['numeric'] },
  { letter: 'v', argument: none, long: ['verbose'] },
  { letter: 'x', argument: none, long: ['exact'] },
  { letter: 'f', argument: none, long: ['fragments'] },
  { letter: 'V', argument: none, long: ['version'] },
  { letter: '0', argument: none, long: ['line-numbers'] },
  { letter: '4', argument: none, long: ['ipv4'] },
  { letter: '6', argument: none, long: ['ipv6'] },
  { letter: 'w', argument: optional, long: ['wait'] },
  { letter: 'W', argument: optional, long: ['wait-interval'] },
  { letter: 'h', argument: optional, long: ['help'] },
];

/** `--line-numbers` has no letter of its own. */
const byLetter = new Map(BUILTIN_OPTIONS.filter((option) => option.letter !== '0').map((option) => [option.letter, option]));

const byName = new Map(BUILTIN_OPTIONS.flatMap((option) => option.long.map((name) => [name, option] as const)));

/** An extension's option in the table of the moment. */
export interface ExtensionOption<Owner> {
  spec: OptionSpec;
  owner: Owner;
}

/** `attached`: the value stands in the option's own word (`-ptcp`, `--protocol=tcp`). */
export type Item<Owner> =
  | { kind: 'word'; word: Word }
  | { kind: 'builtin'; option: BuiltinOption; value?: Word; attached?: boolean; word: Word }
  | { kind: 'extension'; option: ExtensionOption<Owner>; value?: Word; attached?: boolean; word: Word }
  | { kind: 'unknown'; word: Word; ambiguous: readonly string[] }
  | { kind: 'missing'; word: Word };

type Entry<Owner> = { name: string } & ({ builtin: BuiltinOption } | { extension: ExtensionOption<Owner> });

/** Walks over words. `Owner` is whatever an extension's options belong to. */
export class Getopt<Owner> {
  readonly words: readonly Word[];
  /** Index of the next word. */
  index = 0;
  /** What `--` left over. */
  rest: readonly Word[] = [];
  /** Letters of a cluster that are still to come, as an offset into the current word. */
  private inside = 0;
  /** Newest first, as libxtables merges its option tables. */
  private readonly loaded: ExtensionOption<Owner>[] = [];

  constructor(words: readonly Word[]) {
    this.words = words;
  }

  /** Makes an extension's options known from here on. */
  load(owner: Owner, options: readonly OptionSpec[]): void {
    this.loaded.unshift(...options.map((spec) => ({ spec, owner })));
  }

  /** The word to come, if any. */
  peek(): Word | undefined {
    return this.words[this.index];
  }

  /** Takes the next word as a further argument when it does not look like an option (iptables' xs_has_arg). */
  argument(): Word | undefined {
    const word = this.words[this.index];
    if (this.inside > 0 || word === undefined || word.text.startsWith('-') || word.text.startsWith('!')) return undefined;
    this.index++;
    return word;
  }

  /** Whether a word is a known option, a long one written out: an abbreviation may be another extension's option. */
  resolves(word: Word): boolean {
    if (!word.text.startsWith('-') || word.text === '-') return false;
    if (!word.text.startsWith('--')) return byLetter.has(word.text[1] ?? '');
    const name = word.text.slice(2).split('=')[0] ?? '';
    return this.lookup(name).some((entry) => entry.name === name);
  }

  next(): Item<Owner> | undefined {
    const word = this.words[this.index];
    if (word === undefined) return undefined;
    if (this.inside > 0) return this.short(word);
    if (word.text === '--') {
      this.rest = this.words.slice(this.index + 1);
      this.index = this.words.length;
      return undefined;
    }
    if (!word.text.startsWith('-') || word.text === '-') {
      this.index++;
      return { kind: 'word', word };
    }
    if (word.text.startsWith('--')) return this.long(word);
    this.inside = 1;
    return this.short(word);
  }

  /** The long names known at this point, those of extensions first. */
  longNames(): string[] {
    return [...this.loaded.flatMap(({ spec }) => spec.names), ...byName.keys()];
  }

  /** Goes back to an unknown option, after an extension that may know it was loaded. */
  again(): void {
    this.index--;
  }

  private short(word: Word): Item<Owner> {
    const letter = word.text[this.inside] ?? '';
    const option = byLetter.get(letter);
    const isAlone = word.text.length === 2;
    const here = isAlone ? word : partOf(word, `-${letter}`, this.inside - 1);
    const attached = word.text.slice(this.inside + 1);
    if (option === undefined) {
      this.leave();
      return { kind: 'unknown', word: here, ambiguous: [] };
    }
    if (option.argument === 'none') {
      this.inside++;
      if (attached === '') this.leave();
      return { kind: 'builtin', option, word: here };
    }
    const value = attached === '' ? undefined : partOf(word, attached, this.inside + 1);
    this.leave();
    if (value !== undefined || option.argument === 'optional')
      return { kind: 'builtin', option, word: here, ...(value ? { value, attached: true } : {}) };
    return this.withValue({ kind: 'builtin', option, word: here });
  }

  private leave(): void {
    this.inside = 0;
    this.index++;
  }

  private long(word: Word): Item<Owner> {
    this.index++;
    const equals = word.text.indexOf('=');
    const name = word.text.slice(2, equals < 0 ? undefined : equals);
    const found = this.lookup(name);
    const [entry] = found;
    if (entry === undefined || found.length > 1) return { kind: 'unknown', word, ambiguous: found.map((other) => other.name) };
    const attached = equals < 0 ? undefined : partOf(word, word.text.slice(equals + 1), equals + 1);
    const needs = 'builtin' in entry ? entry.builtin.argument : ARGUMENT[entry.extension.spec.argument];
    if (needs === 'none' && attached !== undefined) return { kind: 'unknown', word, ambiguous: [] };
    const item: Item<Owner> =
      'builtin' in entry
        ? { kind: 'builtin', option: entry.builtin, word }
        : { kind: 'extension', option: entry.extension, word };
    if (attached !== undefined) return { ...item, value: attached, attached: true };
    return needs === 'required' ? this.withValue(item) : item;
  }

  /** The item, which nobody else has yet, with the next word as its value. */
  private withValue(item: Item<Owner> & { kind: 'builtin' | 'extension' }): Item<Owner> {
    const value = this.words[this.index];
    if (value === undefined) return { kind: 'missing', word: item.word };
    this.index++;
    item.value = value;
    return item;
  }

  /** Entries a long name can mean: one exact, or all that start with it (names of one option count once). */
  private lookup(name: string): Entry<Owner>[] {
    const builtin = byName.get(name);
    if (builtin !== undefined) return [{ name, builtin }];
    const exact = this.loaded.find((extension) => extension.spec.names.includes(name));
    if (exact !== undefined) return [{ name, extension: exact }];
    const starting: Entry<Owner>[] = [];
    for (const entry of this.entries()) {
      if (entry.name.startsWith(name) && !starting.some((other) => sameOption(other, entry))) starting.push(entry);
    }
    return starting;
  }

  private *entries(): Iterable<Entry<Owner>> {
    for (const builtin of BUILTIN_OPTIONS) for (const name of builtin.long) yield { name, builtin };
    for (const extension of this.loaded) for (const name of extension.spec.names) yield { name, extension };
  }
}

/** A part of a word, so many characters behind its start. */
const partOf = (word: Word, text: string, behind: number): Word => ({
  ...word,
  text,
  position: { ...word.position, column: word.position.column + behind },
});

const ARGUMENT = { none: 'none', one: 'required', two: 'required', optional: 'optional' } as const;

function sameOption<Owner>(a: Entry<Owner>, b: Entry<Owner>): boolean {
  if ('builtin' in a) return 'builtin' in b && a.builtin === b.builtin;
  return 'extension' in b && a.extension === b.extension;
}
