/** Sets -> the text of `ipset save`. */

import { hex } from '../extensions/given.ts';
import { formatAddress, prefixOf } from '../model/address.ts';
import {
  type ElementPart,
  IFACE_PHYSDEV,
  IFACE_WILDCARD,
  type IpSet,
  interfaceName,
  LIST_TYPE,
  MAC_UNKNOWN,
  SET_TYPES,
  type SetElement,
  type SetExtras,
  type SetPart,
} from '../model/ipset.ts';
import { protocolName } from '../model/names.ts';
import { hasTypes, typeText } from './ipset-icmp.ts';
import { compareSaved } from './ipset-order.ts';

const USUAL: Readonly<Record<string, number>> = { hashsize: 1024, bucketsize: 12, size: 8 };
const MARK_DIGITS = 8;

/**
 * What `ipset -sorted save` prints of sets, less what nobody but the kernel knows: its hashsize grows by itself, and where no initval was given it draws one; it is not printed then. Elements
 * of hashes are sorted by their text as the tool does it, those of bitmaps by their number, members stay in their order. As the tool (7.17) does not, it does not say `forceadd`.
 */
export function saveIpsets(sets: readonly IpSet[]): string {
  return sets.map((set) => [createLine(set), ...addLines(set)].join('\n')).join('\n') + (sets.length === 0 ? '' : '\n');
}

function createLine(set: IpSet): string {
  const { type, family, maxelem, markmask, timeout, counters, comments, skbinfo, range } = set;
  const size = (name: string): string => ` ${name} ${set.sizes[name] ?? USUAL[name]}`;
  const given = (name: string): string => (set.sizes[name] === undefined ? '' : ` ${name} ${hex(set.sizes[name], MARK_DIGITS)}`);
  const extensions = [
    timeout === undefined ? '' : ` timeout ${timeout}`,
    counters ? ' counters' : '',
    comments ? ' comment' : '',
    skbinfo ? ' skbinfo' : '',
  ].join('');
  const head = `create ${set.name} ${type}`;
  if (type === LIST_TYPE) return head + size('size') + extensions;
  if (range !== undefined) return head + rangeText(set, range) + maskText(set) + extensions;
  const marks = type === 'hash:ip,mark' ? ` markmask ${hex(markmask, MARK_DIGITS)}` : '';
  const families = family === null ? '' : ` family inet${family === 6 ? '6' : ''}`;
  // The mask stands where the type's list of options has it.
  const [early, late] = type === 'hash:ip' ? [maskText(set), ''] : ['', maskText(set)];
  const room = `${size('hashsize')} maxelem ${maxelem}`;
  return head + families + marks + room + early + extensions + size('bucketsize') + given('initval') + late;
}

function rangeText({ type }: IpSet, [low, high]: readonly [number, number]): string {
  return type === 'bitmap:port' ? ` range ${low}-${high}` : ` range ${formatAddress([low])}-${formatAddress([high])}`;
}

function maskText({ mask, bitmask }: IpSet): string {
  if (mask === null) return '';
  return bitmask ? ` bitmask ${formatAddress(mask)}` : ` netmask ${prefixOf(mask)}`;
}

function addLines(set: IpSet): string[] {
  const { type, name } = set;
  if (type === LIST_TYPE) return set.members.map((member) => `add ${name} ${member.set}${extrasText(set, member)}`);
  const hash = type.startsWith('hash:');
  const elements = hash ? set.elements : [...set.elements].sort((a, b) => a.parts[0]!.words[0]! - b.parts[0]!.words[0]!);
  const lines = elements.map((element) => {
    const shown = element.parts.filter((part, i) => i === 0 || type !== 'bitmap:ip,mac' || part.prefix !== MAC_UNKNOWN);
    const text = shown.map((part, i) => partText(SET_TYPES[type]![i]!, part, set)).join(',');
    return `${text}${extrasText(set, element, flagsOf(set, element))}`;
  });
  return (hash ? lines.sort(compareSaved) : lines).map((line) => `add ${name} ${line}`);
}

const flagsOf = ({ type }: IpSet, { parts, nomatch }: SetElement): string =>
  (nomatch ? ' nomatch' : '') + (type === 'hash:net,iface' && (parts[1]!.prefix & IFACE_WILDCARD) !== 0 ? ' wildcard' : '');

function extrasText(set: IpSet, { timeout, packets, bytes, comment, info }: SetExtras, flags = ''): string {
  return [
    set.timeout === undefined ? '' : ` timeout ${timeout}`,
    flags,
    set.counters ? ` packets ${packets} bytes ${bytes}` : '',
    comment === undefined ? '' : ` comment "${comment}"`,
    info === undefined ? '' : infoText(info),
  ].join('');
}

function infoText({ mark, mask, priority, queue }: NonNullable<SetExtras['info']>): string {
  const masked = mask === 0xffffffff ? hex(mark) : `${hex(mark)}/${hex(mask)}`;
  return [
    mark === 0 && mask === 0 ? '' : ` skbmark ${masked}`,
    priority === 0 ? '' : ` skbprio ${(priority >>> 16).toString(16)}:${(priority & 0xffff).toString(16)}`,
    queue === 0 ? '' : ` skbqueue ${queue}`,
  ].join('');
}

function partText(kind: SetPart, part: ElementPart, set: IpSet): string {
  const { words, prefix } = part;
  switch (kind) {
    case 'ip':
      return formatAddress(words);
    case 'net':
      return `${formatAddress(words)}${prefix === words.length * 32 ? '' : `/${prefix}`}`;
    case 'port':
      return portText(words[0]!, prefix, set.type === 'bitmap:port');
    case 'mac':
      return macText(words);
    case 'mark':
      return hex(words[0]!, MARK_DIGITS);
    case 'iface':
      return `${(prefix & IFACE_PHYSDEV) === 0 ? '' : 'physdev:'}${interfaceName(words)}`;
  }
}

function portText(port: number, protocol: number, bare: boolean): string {
  if (bare) return String(port);
  const name = protocolName(protocol) ?? String(protocol);
  return `${name}:${hasTypes(protocol) ? typeText(port, protocol) : port}`;
}

function macText([high = 0, low = 0]: readonly number[]): string {
  const bytes = [high >>> 8, high & 255, low >>> 24, (low >>> 16) & 255, (low >>> 8) & 255, low & 255];
  return bytes.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(':');
}
