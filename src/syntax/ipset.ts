/** Text of `ipset save` (what `ipset restore` reads) -> sets. */
import { prefixMask } from '../model/address.ts';
import type { RuleError } from '../model/errors.ts';
import { elementKey, FAMILYLESS, type IpSet, LIST_TYPE, SET_TYPES, type SetElement } from '../model/ipset.ts';
import { serviceByName } from '../model/names.ts';
import { parseBigUnsigned, parseUnsigned } from '../model/numbers.ts';
import type { Family } from '../model/ruleset.ts';
import { ElementError, rangeOf, readElements } from './ipset-elements.ts';
import { errorAt, placeOn, readSource, type Source, type Word } from './source.ts';
import { splitWords } from './words.ts';

const CREATE = ['create', 'n', '-N', '--create'];
const ADD = ['add', 'a', '-A', '--add'];
const EXIST = ['-exist', '-!', '--exist'];
const MOST_NAME = 31;
const MOST_TIMEOUT = 2147483;
const U32 = 0xffffffff;
/** The largest number of 64 bits stands for none. */
const MOST_COUNT = 0xffff_ffff_ffff_fffen;
/** Types of ipset that are not done yet. */
const NOT_YET = ['hash:net,iface', 'bitmap:ip,mac'];
/** Their type takes a netmask. */
const MASKED = ['hash:ip', 'bitmap:ip'];
const USUAL_ROOM = 65536;
const TCP = 6;

/** The sets of a file, in its order. Throws RuleError for what ipset refuses and for what is not done yet. */
export function parseIpsets(text: string, file: string): IpSet[] {
  return new Reader(readSource(text, file)).read();
}

class Reader {
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
      const rest = new Words(this, words.slice(1), place);
      if (CREATE.includes(first.text)) this.#create(rest);
      else if (ADD.includes(first.text)) this.#add(rest, all.length > words.length);
      else throw this.error(first, `wants "create" or "add", got "${first.text}"`, 'give what "ipset save" prints');
    }
    return [...this.#sets.values()];
  }

  error(word: Word, message: string, hint?: string, kind?: string): RuleError {
    return errorAt(this.#source, word.position, `ipset: ${message}`, { hint, kind });
  }

  #create(words: Words): void {
    const name = words.next('the name of a set');
    const type = words.next('a type');
    if (name.text.length > MOST_NAME) throw this.error(name, `a name has ${MOST_NAME} bytes at most`);
    if (this.#sets.has(name.text)) throw this.error(name, `the set "${name.text}" is there already`);
    if (NOT_YET.includes(type.text))
      throw this.error(type, `sets of type ${type.text} are not supported yet`, undefined, 'unsupported');
    if (!Object.hasOwn(SET_TYPES, type.text) && type.text !== LIST_TYPE)
      throw this.error(type, `there is no type "${type.text}"`, `one of ${[...Object.keys(SET_TYPES), LIST_TYPE].join(' ')}`);
    const set: IpSet = {
      name: name.text,
      type: type.text,
      family: FAMILYLESS.includes(type.text) ? null : 4,
      counters: false,
      comments: false,
      maxelem: USUAL_ROOM,
      mask: null,
      markmask: U32,
      elements: [],
      members: [],
      position: name.position,
    };
    let netmask: Word | undefined;
    while (words.left.length > 0) netmask = this.#option(set, words) ?? netmask;
    if (netmask !== undefined) set.mask = this.#mask(set, netmask);
    if (type.text.startsWith('bitmap:') && set.range === undefined)
      throw this.error(type, `${type.text} wants a range`, 'range 1-100');
    this.#sets.set(set.name, set);
    this.#keys.set(set.name, new Map());
  }

  /** One option of a set. Out: the value of `netmask`, which is read when the family is known. */
  #option(set: IpSet, words: Words): Word | undefined {
    const option = words.next('an option');
    switch (option.text) {
      case 'family': {
        const family = words.next('inet or inet6');
        if (!/^(inet6?|ipv[46])$/.test(family.text)) throw this.error(family, `family wants inet or inet6, got "${family.text}"`);
        if (set.family !== null) set.family = family.text.endsWith('6') ? 6 : 4;
        return;
      }
      case 'timeout':
        set.timeout = words.number('timeout', MOST_TIMEOUT);
        return;
      case 'maxelem':
        set.maxelem = words.number('maxelem', U32);
        return;
      case 'markmask':
        set.markmask = words.number('markmask', U32, 1);
        return;
      case 'hashsize':
      case 'bucketsize':
      case 'initval':
      case 'size':
        words.number(option.text, U32);
        return;
      case 'counters':
        set.counters = true;
        return;
      case 'comment':
        set.comments = true;
        return;
      // What is added or mapped by the target SET, which is not there yet.
      case 'forceadd':
      case 'skbinfo':
        return;
      case 'range':
        set.range = this.#range(set, words.next('a range'));
        return;
      case 'netmask':
        if (!MASKED.includes(set.type))
          throw this.error(option, `a netmask of ${set.type} is not supported yet`, undefined, 'unsupported');
        return words.next('a prefix');
      default:
        throw this.error(option, `the option "${option.text}" is not supported`, undefined, 'unsupported');
    }
  }

  #mask({ family }: IpSet, word: Word): IpSet['mask'] {
    const of: Family = family ?? 4;
    const bits = parseUnsigned(word.text, of === 4 ? 32 : 128, 1);
    if (bits === undefined) throw this.error(word, `netmask wants a prefix, got "${word.text}"`);
    return prefixMask(bits, of);
  }

  #range({ type }: IpSet, word: Word): [number, number] {
    if (type !== 'bitmap:port' && !/[-/]/.test(word.text))
      throw this.error(word, `range wants FROM-TO or ADDRESS/PREFIX, got "${word.text}"`);
    const [low, high] = type === 'bitmap:port' ? this.#ports(word) : this.#within(word, 'range', () => rangeOf(word.text, 4));
    if (high - low > 0xffff) throw this.error(word, `range wants no more than 65536, got "${word.text}"`);
    return [low, high];
  }

  #ports(word: Word): [number, number] {
    const [low, high, ...more] = word.text.split('-').map((end) => parseUnsigned(end, 0xffff) ?? serviceByName(end, TCP));
    if (low === undefined || high === undefined || more.length > 0)
      throw this.error(word, `range wants FROM-TO, got "${word.text}"`);
    return low <= high ? [low, high] : [high, low];
  }

  #add(words: Words, exist: boolean): void {
    const name = words.next('the name of a set');
    const set = this.#sets.get(name.text);
    if (set === undefined) throw this.error(name, `there is no set "${name.text}" yet`, 'its create line comes first');
    const element = words.next('an element');
    const more = { nomatch: false, timeout: set.timeout ?? 0, packets: 0n, bytes: 0n };
    const given: Omit<SetElement, 'parts'> = more;
    const before: string[] = [];
    while (words.left.length > 0) this.#elementOption(set, given, words, before);
    if (set.type === LIST_TYPE) {
      this.#addMember(set, element, given, before, exist);
      return;
    }
    if (before.length > 0) throw this.error(element, `"${before[0]}" is for elements of list:set`);
    for (const parts of this.#within(element, `"${set.name}"`, () => readElements(element.text, set)))
      this.#keep(set, element, { parts, ...given }, exist);
  }

  #keep(set: IpSet, word: Word, element: SetElement, exist: boolean): void {
    const keys = this.#keys.get(set.name)!;
    const key = elementKey(element.parts);
    const known = keys.get(key);
    if (known !== undefined) {
      if (!exist) throw this.error(word, `the element is in "${set.name}" already`);
      set.elements[known] = element;
      return;
    }
    if (set.type.startsWith('hash:') && keys.size >= set.maxelem)
      throw this.error(word, `the set "${set.name}" is full: it takes ${set.maxelem}`, 'create it with a larger maxelem');
    keys.set(key, set.elements.push(element) - 1);
  }

  /** Errors of elements, with their place. */
  #within<T>(word: Word, what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof ElementError) throw this.error(word, `${what} ${error.message}`);
      throw error;
    }
  }

  #addMember(set: IpSet, word: Word, given: Omit<SetElement, 'parts'>, before: readonly string[], exist: boolean): void {
    const member = this.#sets.get(word.text);
    if (member === undefined) throw this.error(word, `there is no set "${word.text}" yet`, 'its create line comes first');
    if (member.type === LIST_TYPE) throw this.error(word, 'a list of sets holds no lists');
    if (before.length > 0)
      throw this.error(word, 'members with "before" and "after" are not supported: write them in their order');
    if (set.members.some((one) => one.set === member.name)) {
      if (exist) return;
      throw this.error(word, `the element is in "${set.name}" already`);
    }
    const { timeout, packets, bytes, comment } = given;
    set.members.push({ set: member.name, timeout, packets, bytes, ...(comment === undefined ? {} : { comment }) });
  }

  #elementOption(set: IpSet, element: Omit<SetElement, 'parts'>, words: Words, before: string[]): void {
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
      case 'skbmark':
      case 'skbprio':
      case 'skbqueue':
        words.next('a value');
        return;
      case 'before':
      case 'after':
        before.push(option.text);
        words.next('a set');
        return;
      default:
        throw this.error(option, `elements have no option "${option.text}"`);
    }
  }
}

/** What is left of a line. */
class Words {
  readonly left: Word[];
  readonly #reader: Reader;
  readonly #end: Word;

  constructor(reader: Reader, words: Word[], end: Word) {
    this.#reader = reader;
    this.left = words;
    this.#end = end;
  }

  next(wanted: string): Word {
    const word = this.left.shift();
    if (word === undefined) throw this.#reader.error(this.#end, `the line ends where ${wanted} was wanted`);
    return word;
  }

  number(option: string, most: number, least = 0): number {
    return Number(this.big(option, BigInt(most), BigInt(least)));
  }

  big(option: string, most = MOST_COUNT, least = 0n): bigint {
    const word = this.next('a number');
    const value = parseBigUnsigned(word.text, most, least);
    if (value === undefined)
      throw this.#reader.error(word, `${option} wants a number from ${least} to ${most}, got "${word.text}"`);
    return value;
  }
}
