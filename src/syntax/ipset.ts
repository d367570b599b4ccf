/** Text of `ipset save` (what `ipset restore` reads) -> sets. */

import { isOf } from '../extensions/ipset-set.ts';
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
import { type Fail, WordsLeft, within } from './ipset-words.ts';
import { errorAt, placeOn, readSource, type Source, type Word } from './source.ts';
import { splitWords } from './words.ts';

const CREATE = ['create', 'n', '-N', '--create'];
const ADD = ['add', 'a', '-A', '--add'];
const EXIST = ['-exist', '-!', '--exist'];
const MOST_QUEUE = 0xffff;

const MARK = /^0x([0-9a-f]{1,8})(?:\/0x([0-9a-f]{1,8}))?$/i;
const CLASS = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i;
const NO_INFO: SkbInfo = { mark: 0, mask: 0, priority: 0, queue: 0 };

/** What is said of an element beside what it is. */
type Given = SetExtras & { nomatch: boolean; wildcard: boolean };

const withoutWildcard = ({ wildcard: _wildcard, ...rest }: Given): Omit<SetElement, 'parts'> => rest;

/** hash:net,iface: the wildcard that means the device of another element of its network, too. */
function coveredBy({ type, elements }: IpSet, { parts }: SetElement): number | undefined {
  if (type !== 'hash:net,iface') return undefined;
  const network = elementKey(parts.slice(0, 1), type);
  const at = elements.findIndex((one) => elementKey(one.parts.slice(0, 1), type) === network && isOf(one.parts[1]!, parts[1]!));
  return at < 0 ? undefined : at;
}

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

class Reader implements Fail {
  readonly #source: Source;
  readonly #sets = new Map<string, IpSet>();
  /** Of each set, the places of its elements by their keys. */
  readonly #keys = new Map<string, Map<string, number>>();

  constructor(source: Source) {
    this.#source = source;
  }

  read(): IpSet[] {
    for (const line of this.#source.lines) {
      const all = splitWords(this.#source, line);
      const words = all.filter(({ text, quoted }) => quoted || !EXIST.includes(text));
      const [first] = words;
      if (first === undefined || first.text.startsWith('#') || first.text === 'COMMIT') continue;
      const place: Word = { text: '', position: placeOn(this.#source, line, line.text.length + 1), quoted: false };
      const rest = new WordsLeft(this, words.slice(1), place);
      if (CREATE.includes(first.text)) this.#create(rest);
      else if (ADD.includes(first.text)) this.#add(rest, all.length > words.length);
      else throw this.error(first, `wants "create" or "add", got "${first.text}"`, 'give what "ipset save" prints');
    }
    return [...this.#sets.values()];
  }

  error(word: Word, message: string, hint?: string, kind?: string): RuleError {
    return errorAt(this.#source, word.position, `ipset: ${message}`, { hint, kind });
  }

  #create(words: WordsLeft): void {
    const set = readCreate(words, this);
    if (this.#sets.has(set.name)) throw errorAt(this.#source, set.position, `ipset: the set "${set.name}" is there already`);
    this.#sets.set(set.name, set);
    this.#keys.set(set.name, new Map());
  }

  #add(words: WordsLeft, exist: boolean): void {
    const name = words.next('the name of a set');
    const set = this.#sets.get(name.text);
    if (set === undefined) throw this.error(name, `there is no set "${name.text}" yet`, 'its create line comes first');
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

  #keep(set: IpSet, word: Word, element: SetElement, exist: boolean): void {
    const keys = this.#keys.get(set.name)!;
    const key = elementKey(element.parts, set.type);
    const known = keys.get(key) ?? coveredBy(set, element);
    if (known !== undefined) {
      if (!exist && !fillsIn(set.elements[known]!, element)) throw this.error(word, `the element is in "${set.name}" already`);
      set.elements[known] = element;
      return;
    }
    if (set.type.startsWith('hash:') && keys.size >= set.maxelem)
      throw this.error(word, `the set "${set.name}" is full: it takes ${set.maxelem}`, 'create it with a larger maxelem');
    keys.set(key, set.elements.push(element) - 1);
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
