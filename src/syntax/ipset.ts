/** Text that `ipset restore` reads -> the sets there are behind it. */

import type { RuleError } from '../model/errors.ts';
import {
  elementKey,
  type IpSet,
  LIST_TYPE,
  MAC_UNKNOWN,
  MOST_TIMEOUT,
  SET_TYPES,
  type SetElement,
  type SetExtras,
  type SkbInfo,
} from '../model/ipset.ts';
import { readCreate } from './ipset-create.ts';
import { readElements } from './ipset-elements.ts';
import { KeptElements } from './ipset-kept.ts';
import { type Fail, WordsLeft, within } from './ipset-words.ts';
import { errorAt, placeOn, readSource, type Source, type Word } from './source.ts';
import { splitWords } from './words.ts';

/** Each with its letter, in the tool's order: of an abbreviation the first that fits is meant. */
const COMMANDS = [
  ['create', 'n'],
  ['add', 'a'],
  ['del', 'd'],
  ['test', 't'],
  ['destroy', 'x'],
  ['list', 'l'],
  ['save', 's'],
  ['flush', 'f'],
  ['rename', 'e'],
  ['swap', 'w'],
  ['quit', 'q'],
] as const;
type CommandName = (typeof COMMANDS)[number][0];
const EXIST = ['-exist', '-!', '--exist'];
const MOST_QUEUE = 0xffff;

const MARK = /^0x([0-9a-f]{1,8})(?:\/0x([0-9a-f]{1,8}))?$/i;
const CLASS = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i;
const NO_INFO: SkbInfo = { mark: 0, mask: 0, priority: 0, queue: 0 };

/** What is said of an element beside what it is. */
type Given = SetExtras & { nomatch: boolean; wildcard: boolean };

const withoutWildcard = ({ wildcard: _wildcard, ...rest }: Given): Omit<SetElement, 'parts'> => rest;

/** What two sets must have in common for the one to be created again, or for one to take the other's name. */
const kindOf = ({ type, family }: IpSet): string => `${SET_TYPES[type]?.join() ?? type} ${family ?? 4}`;
const makeOf = ({ type, family, timeout, counters, comments, skbinfo, maxelem, mask, markmask, range }: IpSet): string =>
  JSON.stringify([type, family, timeout, counters, comments, skbinfo, maxelem, mask, markmask, range]);

/** bitmap:ip,mac: an address whose MAC was not known gets one. */
const fillsIn = (known: SetElement, { parts }: SetElement): boolean =>
  known.parts[1]?.prefix === MAC_UNKNOWN && parts[1]?.prefix !== MAC_UNKNOWN;

/** Where a member of a list goes. */
interface Place {
  where: 'before' | 'after';
  member: Word;
}

/** The sets of a file, in its order. Throws RuleError for what ipset refuses and for what is not done yet. */
export function parseIpsets(text: string, file: string): IpSet[] {
  return new Reader(readSource(text, file)).read();
}

/** Lines that are sent to the kernel together. */
interface Request {
  /** Command and set; '' for commands that are sent alone. */
  about: string;
  exist: boolean;
  lines: (() => void)[];
}

const NOTHING: Request = { about: '', exist: false, lines: [] };

class Reader implements Fail {
  readonly #source: Source;
  readonly #sets = new Map<string, IpSet>();
  /** A new set takes the first place that is free; sets are saved by their places. */
  readonly #places: (IpSet | undefined)[] = [];
  readonly #elements = new Map<IpSet, KeptElements>();
  /** -exist was given, on this line or on one before: it stays in force. */
  #exist = false;
  /** Lines that add to one set, or take out of it, one behind the other, are one request, with the -exist of its first line. */
  #request: Request = NOTHING;

  constructor(source: Source) {
    this.#source = source;
  }

  read(): IpSet[] {
    for (const line of this.#source.lines) {
      const plain = line.text.endsWith('\r') ? { ...line, text: line.text.slice(0, -1) } : line;
      const all = splitWords(this.#source, plain);
      const words = all.filter(({ text, quoted }) => quoted || !EXIST.includes(text));
      if (words.length < all.length) this.#exist = true;
      const [first] = words;
      if (first === undefined || first.text.startsWith('#') || first.text === 'COMMIT') continue;
      const command = this.#command(first);
      // What was not sent by then never is.
      if (command === 'quit') return this.#all();
      const place: Word = { text: '', position: placeOn(this.#source, line, plain.text.length + 1), quoted: false };
      const about = command === 'add' || command === 'del' ? `${command} ${words[1]?.text}` : '';
      if (about === '' || about !== this.#request.about) this.#send({ about, exist: this.#exist, lines: [] });
      const rest = new WordsLeft(this, words.slice(1), place);
      const { exist, lines } = this.#request;
      lines.push(() => {
        this.#do[command](rest, exist);
        if (rest.left.length > 0) throw this.error(rest.left[0]!, `"${command}" takes no "${rest.left[0]!.text}"`);
      });
      if (about === '') this.#send();
    }
    this.#send();
    return this.#all();
  }

  #all(): IpSet[] {
    for (const [set, elements] of this.#elements) set.elements = [...elements.values()];
    return this.#places.filter((set) => set !== undefined);
  }

  /** The request goes out, and `next` begins. */
  #send(next: Request = NOTHING): void {
    for (const line of this.#request.lines) line();
    this.#request = next;
  }

  readonly #do: Readonly<Record<Exclude<CommandName, 'quit'>, (words: WordsLeft, exist: boolean) => void>> = {
    create: (words, exist) => this.#create(words, exist),
    add: (words, exist) => this.#add(words, exist),
    del: (words, exist) => this.#del(words, exist),
    destroy: (words, exist) => this.#destroy(words, exist),
    flush: (words) => {
      for (const set of this.#named(words)) {
        this.#elements.get(set)!.clear();
        set.members = [];
      }
    },
    rename: (words) => this.#rename(words),
    swap: (words) => this.#swap(words),
    // They print, and change nothing.
    test: (words) => {
      this.#set(words);
      words.next('an element');
      words.left.length = 0;
    },
    list: (words) => void this.#named(words),
    save: (words) => void this.#named(words),
  };

  #command(word: Word): CommandName {
    const written = word.text.replace(/^--/, '');
    const found = COMMANDS.find(
      ([name, letter]) => name.startsWith(written) || written === letter || written === `-${letter.toUpperCase()}`,
    );
    if (found !== undefined && written !== '') return found[0];
    const names = COMMANDS.map(([name]) => `"${name}"`).join(', ');
    throw this.error(word, `wants one of ${names}, got "${word.text}"`, 'give what "ipset save" prints');
  }

  error(word: Word, message: string, hint?: string, kind?: string): RuleError {
    return errorAt(this.#source, word.position, `ipset: ${message}`, { hint, kind });
  }

  /** The set of the next word. */
  #set(words: WordsLeft): IpSet {
    const name = words.next('the name of a set');
    const set = this.#sets.get(name.text);
    if (set === undefined) throw this.error(name, `there is no set "${name.text}" yet`, 'its create line comes first');
    return set;
  }

  /** The set that is named, or all. */
  #named(words: WordsLeft): IpSet[] {
    return words.left.length > 0 ? [this.#set(words)] : [...this.#sets.values()];
  }

  #create(words: WordsLeft, exist: boolean): void {
    const set = readCreate(words, this);
    const there = this.#sets.get(set.name);
    if (there !== undefined && !(exist && makeOf(there) === makeOf(set)))
      throw errorAt(this.#source, set.position, `ipset: the set "${set.name}" is there already`);
    if (there !== undefined) return;
    this.#sets.set(set.name, set);
    const free = this.#places.indexOf(undefined);
    this.#places[free < 0 ? this.#places.length : free] = set;
    this.#elements.set(set, new KeptElements(set.type));
  }

  #checkUnused(sets: readonly IpSet[], words: WordsLeft): void {
    const lists = [...this.#sets.values()];
    for (const { name } of sets) {
      const list = lists.find(({ members }) => members.some((one) => one.set === name));
      if (list !== undefined) throw this.error(words.end, `"${name}" is in the list "${list.name}"`);
    }
  }

  #destroy(words: WordsLeft, exist: boolean): void {
    const [name] = words.left;
    if (name !== undefined && exist && !this.#sets.has(name.text)) {
      words.next('a set');
      return;
    }
    const sets = this.#named(words);
    this.#checkUnused(sets, words);
    for (const set of sets) {
      this.#sets.delete(set.name);
      this.#places[this.#places.indexOf(set)] = undefined;
    }
  }

  #rename(words: WordsLeft): void {
    const set = this.#set(words);
    const name = words.next('its new name');
    this.#checkUnused([set], words);
    if (this.#sets.has(name.text)) throw this.error(name, `the set "${name.text}" is there already`);
    this.#sets.delete(set.name);
    set.name = name.text;
    this.#sets.set(set.name, set);
  }

  /** Each takes the other's name, and its place. */
  #swap(words: WordsLeft): void {
    const [one, other] = [this.#set(words), this.#set(words)];
    if (kindOf(one) !== kindOf(other))
      throw this.error(words.end, `"${one.name}" (${one.type}) and "${other.name}" (${other.type}) cannot be swapped`);
    const [at, otherAt] = [this.#places.indexOf(one), this.#places.indexOf(other)];
    [this.#places[at], this.#places[otherAt]] = [other, one];
    [one.name, other.name] = [other.name, one.name];
    this.#sets.set(one.name, one).set(other.name, other);
  }

  #add(words: WordsLeft, exist: boolean): void {
    const set = this.#set(words);
    const element = words.next('an element');
    const more: Given = { nomatch: false, wildcard: false, timeout: set.timeout ?? 0, packets: 0n, bytes: 0n };
    const place: Place[] = [];
    while (words.left.length > 0) this.#elementOption(set, more, words, place);
    if (set.type === LIST_TYPE) {
      this.#addMember(set, element, more, place[0], exist);
      return;
    }
    if (place[0] !== undefined) throw this.error(element, `"${place[0].where}" is for elements of list:set`);
    for (const parts of within(this, element, `"${set.name}"`, () => readElements(element.text, set, more.wildcard)))
      this.#keep(set, element, { parts, ...withoutWildcard(more) }, exist);
  }

  #del(words: WordsLeft, exist: boolean): void {
    const set = this.#set(words);
    const element = words.next('an element');
    const missing = (): RuleError => this.error(element, `the element is not in "${set.name}"`);
    if (set.type === LIST_TYPE) {
      const at = set.members.findIndex((one) => one.set === element.text);
      if (at >= 0) set.members.splice(at, 1);
      else if (!exist) throw missing();
      return;
    }
    const elements = this.#elements.get(set)!;
    for (const parts of within(this, element, `"${set.name}"`, () => readElements(element.text, set, false))) {
      const known = elements.keyOf(parts);
      if (known !== undefined) elements.delete(known);
      else if (!exist) throw missing();
    }
  }

  #keep(set: IpSet, word: Word, element: SetElement, exist: boolean): void {
    const elements = this.#elements.get(set)!;
    const known = elements.keyOf(element.parts);
    if (known !== undefined) {
      if (!exist && !fillsIn(elements.get(known)!, element)) throw this.error(word, `the element is in "${set.name}" already`);
      elements.set(known, element);
      return;
    }
    if (set.type.startsWith('hash:') && elements.size >= set.maxelem)
      throw this.error(word, `the set "${set.name}" is full: it takes ${set.maxelem}`, 'create it with a larger maxelem');
    elements.set(elementKey(element.parts, set.type), element);
  }

  #addMember(set: IpSet, word: Word, given: Given, place: Place | undefined, exist: boolean): void {
    const member = this.#sets.get(word.text);
    if (member === undefined) throw this.error(word, `there is no set "${word.text}" yet`, 'its create line comes first');
    if (member.type === LIST_TYPE) throw this.error(word, 'a list of sets holds no lists');
    const at = place === undefined ? set.members.length : set.members.findIndex((one) => one.set === place.member.text);
    if (place !== undefined && at < 0) throw this.error(place.member, `"${place.member.text}" is not in "${set.name}"`);
    const known = set.members.findIndex((one) => one.set === member.name);
    if (known >= 0) {
      if (exist) return;
      throw this.error(word, `the element is in "${set.name}" already`);
    }
    const { nomatch: _nomatch, wildcard: _wildcard, ...extras } = given;
    set.members.splice(place?.where === 'after' ? at + 1 : at, 0, { set: member.name, ...extras });
  }

  #elementOption(set: IpSet, element: Given, words: WordsLeft, place: Place[]): void {
    const option = words.next('an option');
    switch (option.text) {
      case 'timeout':
        if (set.timeout === undefined) throw this.error(option, `"${set.name}" was created without timeout`);
        element.timeout = words.number('timeout', MOST_TIMEOUT);
        return;
      case 'packets':
      case 'bytes':
        if (!set.counters) throw this.error(option, `"${set.name}" was created without counters`);
        element[option.text] = words.big(option.text);
        return;
      case 'comment':
        if (!set.comments) throw this.error(option, `"${set.name}" was created without comment`);
        element.comment = words.next('a comment').text;
        return;
      case 'nomatch':
        if (!SET_TYPES[set.type]?.includes('net')) throw this.error(option, `elements of ${set.type} cannot be nomatch`);
        element.nomatch = true;
        return;
      case 'wildcard':
        if (!SET_TYPES[set.type]?.includes('iface')) throw this.error(option, `elements of ${set.type} have no device`);
        element.wildcard = true;
        return;
      case 'skbmark':
      case 'skbprio':
      case 'skbqueue':
        if (!set.skbinfo) throw this.error(option, `"${set.name}" was created without skbinfo`);
        element.info = { ...NO_INFO, ...element.info, ...this.#info(option.text, words) };
        return;
      case 'before':
      case 'after':
        place.push({ where: option.text, member: words.next('a set') });
        return;
      default:
        throw this.error(option, `elements have no option "${option.text}"`);
    }
  }

  /** `skbmark 0xMARK[/0xMASK]`, `skbprio MAJOR:MINOR` (hexadecimal), `skbqueue NUMBER`. */
  #info(option: 'skbmark' | 'skbprio' | 'skbqueue', words: WordsLeft): Partial<SkbInfo> {
    if (option === 'skbqueue') return { queue: words.number(option, MOST_QUEUE) };
    const word = words.next('a value');
    const [, first, second = 'ffffffff'] = (option === 'skbmark' ? MARK : CLASS).exec(word.text) ?? [];
    if (first === undefined)
      throw this.error(
        word,
        `${option} wants ${option === 'skbmark' ? '0xMARK or 0xMARK/0xMASK' : 'MAJOR:MINOR'}, got "${word.text}"`,
      );
    const [one, two] = [Number.parseInt(first, 16), Number.parseInt(second, 16)];
    return option === 'skbmark' ? { mark: one, mask: two } : { priority: one * 0x10000 + two };
  }
}
