/** `create NAME TYPE options` of an `ipset save` file. */
import { parseAddress, prefixMask } from '../model/address.ts';
import { FAMILYLESS, type IpSet, LIST_TYPE, MOST_TIMEOUT, SET_TYPES } from '../model/ipset.ts';
import { serviceByName } from '../model/names.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Family } from '../model/ruleset.ts';
import { rangeOf } from './ipset-elements.ts';
import { type Fail, type WordsLeft, within } from './ipset-words.ts';
import type { Word } from './source.ts';

const MOST_NAME = 31;
const U32 = 0xffffffff;
/** Their type takes a netmask, or a mask with holes. */
const NETMASKED = ['hash:ip', 'hash:ip,port', 'bitmap:ip'];
const BITMASKED = ['hash:ip', 'hash:ip,port'];
const USUAL_ROOM = 65536;
/** Places of a bitmap. */
const MOST_BITS = 65536;
const TCP = 6;

/** An empty set. Throws RuleError. */
export function readCreate(words: WordsLeft, fail: Fail): IpSet {
  const name = words.next('the name of a set');
  const type = words.next('a type');
  if (name.text.length > MOST_NAME) throw fail.error(name, `a name has ${MOST_NAME} bytes at most`);
  if (!Object.hasOwn(SET_TYPES, type.text) && type.text !== LIST_TYPE)
    throw fail.error(type, `there is no type "${type.text}"`, `one of ${[...Object.keys(SET_TYPES), LIST_TYPE].join(' ')}`);
  const set: Made = {
    name: name.text,
    type: type.text,
    family: FAMILYLESS.includes(type.text) ? null : 4,
    counters: false,
    comments: false,
    skbinfo: false,
    forceadd: false,
    maxelem: USUAL_ROOM,
    sizes: {},
    mask: null,
    bitmask: false,
    markmask: U32,
    elements: [],
    members: [],
    position: name.position,
  };
  const later: Later = {};
  while (words.left.length > 0) readOption(set, words, fail, later);
  if (later.mask !== undefined) set.mask = set.bitmask ? bitmaskOf(set, later.mask, fail) : netmaskOf(set, later.mask, fail);
  if (later.range !== undefined) set.range = readRange(set, later.range, fail);
  if (isBitmap(set) && set.range === undefined) throw fail.error(type, `${type.text} wants a range`, 'range 1-100');
  return set;
}

type Made = IpSet & { sizes: Record<string, number> };

/** Values that are read when all options are known: of `netmask` or `bitmask` (the family), of `range` (the mask). */
interface Later {
  mask?: Word;
  range?: Word;
}

const isBitmap = ({ type }: IpSet): boolean => type.startsWith('bitmap:');

/** One option of a set. */
function readOption(set: Made, words: WordsLeft, fail: Fail, later: Later): void {
  const option = words.next('an option');
  switch (option.text) {
    case 'family': {
      const family = words.next('inet or inet6');
      if (!/^(inet6?|ipv[46])$/.test(family.text)) throw fail.error(family, `family wants inet or inet6, got "${family.text}"`);
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
      set.sizes[option.text] = words.number(option.text, U32);
      return;
    case 'counters':
    case 'skbinfo':
    case 'forceadd':
      set[option.text] = true;
      return;
    case 'comment':
      set.comments = true;
      return;
    case 'range':
      if (!isBitmap(set)) throw fail.error(option, `${set.type} has no range`);
      later.range = words.next('a range');
      return;
    case 'netmask':
    case 'bitmask': {
      const bitmask = option.text === 'bitmask';
      if (!(bitmask ? BITMASKED : NETMASKED).includes(set.type))
        throw fail.error(option, `a ${option.text} of ${set.type} is not supported`, undefined, 'unsupported');
      if (later.mask !== undefined && bitmask !== set.bitmask) throw fail.error(option, 'netmask and bitmask exclude each other');
      set.bitmask = bitmask;
      later.mask = words.next(bitmask ? 'a mask' : 'a prefix');
      return;
    }
    default:
      throw fail.error(option, `the option "${option.text}" is not supported`, undefined, 'unsupported');
  }
}

/** null for all bits, which say nothing. */
function netmaskOf({ family }: IpSet, word: Word, fail: Fail): IpSet['mask'] {
  const of: Family = family ?? 4;
  const bits = parseUnsigned(word.text, of === 4 ? 32 : 128, 1);
  if (bits === undefined) throw fail.error(word, `netmask wants a prefix, got "${word.text}"`);
  return bits === (of === 4 ? 32 : 128) ? null : prefixMask(bits, of);
}

function bitmaskOf({ family }: IpSet, word: Word, fail: Fail): IpSet['mask'] {
  // As the tool reads it: a lone number is an address.
  const mask = parseAddress(word.text, family ?? 4);
  if (mask === undefined || mask.every((bits) => bits === 0))
    throw fail.error(word, `bitmask wants an IPv${family ?? 4} mask that is not zero, got "${word.text}"`);
  return mask;
}

function readRange({ type, mask }: IpSet, word: Word, fail: Fail): [number, number] {
  if (type !== 'bitmap:port' && !/[-/]/.test(word.text))
    throw fail.error(word, `range wants FROM-TO or ADDRESS/PREFIX, got "${word.text}"`);
  const [low, high] = type === 'bitmap:port' ? portsOf(word, fail) : within(fail, word, 'range', () => rangeOf(word.text, 4, 0));
  if (mask !== null) return rangeOfNetworks(low, high, mask[0]!, word, fail);
  if (high - low >= MOST_BITS) throw fail.error(word, `range wants no more than ${MOST_BITS}, got "${word.text}"`);
  return [low, high];
}

/** A bitmap of networks begins and ends with whole ones, and has places for all of the smallest network around them, which must begin where they do (bitmap_ip_create). */
function rangeOfNetworks(first: number, last: number, mask: number, word: Word, fail: Fail): [number, number] {
  const low = (first & mask) >>> 0;
  const high = (last | ~mask) >>> 0;
  const around = 2 ** (32 - Math.clz32(low ^ high));
  const size = 2 ** (32 - Math.clz32(~mask));
  // Of networks around it the kernel knows halves of all addresses at most; all of them it takes as they are.
  const tooWide = around > U32 && high - low < U32;
  if (low % around !== 0 || around === size || tooWide)
    throw fail.error(word, `range wants several networks of ${size} from the first of a larger network on, got "${word.text}"`);
  if (around / size > MOST_BITS) throw fail.error(word, `range wants no more than ${MOST_BITS} networks, got "${word.text}"`);
  return [low, high];
}

function portsOf(word: Word, fail: Fail): [number, number] {
  const [low, high, ...more] = word.text.split('-').map((end) => parseUnsigned(end, 0xffff) ?? serviceByName(end, TCP));
  if (low === undefined || high === undefined || more.length > 0)
    throw fail.error(word, `range wants FROM-TO, got "${word.text}"`);
  return low <= high ? [low, high] : [high, low];
}
