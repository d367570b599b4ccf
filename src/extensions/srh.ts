/** `-m srh`: the segment routing header of IPv6. Kernel: net/ipv6/netfilter/ip6t_srh.c (revision 1). */
import { SPECIAL_SEGMENTS } from '../abi/special.ts';
import { formatAddress, prefixOf } from '../model/address.ts';
import type { Test } from '../model/predicate.ts';
import { words } from '../packet/bytes.ts';
import { findHeader, ROUTING } from '../packet/ipv6.ts';
import { type AddressCondition, readHost } from './conntrack-options.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option } from './given.ts';
import { payloadTest } from './payload.ts';

/** What is compared with one byte of the header, which `eq`, `gt` and `lt` share: the value given last counts for all three. */
interface Compared {
  value: number;
  eq?: { invert: boolean };
  gt?: { invert: boolean };
  lt?: { invert: boolean };
}

export interface SrhOptions {
  next?: { value: number; invert: boolean };
  numbers: Partial<Record<NumberName, Compared>>;
  tag?: { value: number; invert: boolean };
  segments: Partial<Record<SegmentName, AddressCondition>>;
}

type NumberName = 'hdr-len' | 'segs-left' | 'last-entry';
type SegmentName = 'psid' | 'nsid' | 'lsid';

/** Offsets in the header. */
const NUMBERS: Readonly<Record<NumberName, number>> = { 'hdr-len': 1, 'segs-left': 3, 'last-entry': 4 };
const HOW = ['eq', 'gt', 'lt'] as const;
/** Previous, next and last segment; their bits in SPECIAL_SEGMENTS are 1, 2, 4. */
const SEGMENTS: readonly SegmentName[] = ['psid', 'nsid', 'lsid'];
const HEADER = 8;
const SEGMENT_ROUTING = 4;
const specs = [
  option('srh-next-hdr', { invertible: true }),
  ...Object.keys(NUMBERS).flatMap((name) => HOW.map((how) => option(`srh-${name}-${how}`, { invertible: true }))),
  option('srh-tag', { invertible: true }),
  ...SEGMENTS.map((name) => option(`srh-${name}`, { invertible: true })),
];

export const srh: MatchExtension<SrhOptions> = {
  name: 'srh',
  kind: 'match',
  families: [6],
  options: specs,
  about: 'segment routing header: lengths, tag, segments',

  parse(given, context) {
    const all = new Given('srh', specs, given, context);
    const number = (name: string, max: number): { value: number; invert: boolean } | undefined => {
      const one = all.get(name);
      return one === undefined ? undefined : { value: all.number(one, max), invert: one.invert };
    };
    const next = number('srh-next-hdr', 255);
    const tag = number('srh-tag', 0xffff);
    const segments = SEGMENTS.flatMap((name) => {
      const one = all.get(`srh-${name}`);
      return one === undefined ? [] : [[name, readHost(all, one, 6)] as const];
    });
    return {
      ...(next === undefined ? {} : { next }),
      numbers: readNumbers(all, given),
      ...(tag === undefined ? {} : { tag }),
      segments: Object.fromEntries(segments),
    };
  },

  print({ next, numbers, tag, segments }) {
    const out = [next === undefined ? '' : `${bang(next.invert)} --srh-next-hdr ${next.value}`];
    for (const [name, one] of Object.entries(numbers)) {
      for (const how of HOW) if (one[how] !== undefined) out.push(`${bang(one[how].invert)} --srh-${name}-${how} ${one.value}`);
    }
    if (tag !== undefined) out.push(`${bang(tag.invert)} --srh-tag ${tag.value}`);
    for (const name of SEGMENTS) {
      const one = segments[name];
      if (one !== undefined) out.push(`${bang(one.invert)} --srh-${name} ${formatAddress(one.address)}/${prefixOf(one.mask)}`);
    }
    return out.join('');
  },

  evaluate({ next, numbers, tag, segments }, { bytes }, { profile }) {
    const at = findHeader(bytes, ROUTING, { whole: profile.kernel === '6.12' });
    if (typeof at !== 'number' || bytes.length < at + HEADER) return false;
    const header = bytes.subarray(at);
    const [left, last] = [header[3]!, header[4]!];
    if (header.length < (header[1]! + 1) * 8 || header[2] !== SEGMENT_ROUTING || left > last) return false;
    if (next !== undefined && (header[0] === next.value) === next.invert) return false;
    for (const [name, { value, eq, gt, lt }] of Object.entries(numbers)) {
      const own = header[NUMBERS[name as NumberName]]!;
      if (eq !== undefined && (own === value) === eq.invert) return false;
      if (gt !== undefined && own > value === gt.invert) return false;
      if (lt !== undefined && own < value === lt.invert) return false;
    }
    // The kernel compares the tag as it lies in memory with the number, on machines whose lowest byte comes first.
    if (tag !== undefined && (header[6]! + header[7]! * 256 === tag.value) === tag.invert) return false;
    const indices: Readonly<Record<SegmentName, number>> = { psid: left === last ? -1 : left + 1, nsid: left - 1, lsid: 0 };
    return SEGMENTS.every((name) => segments[name] === undefined || segmentFits(header, indices[name], segments[name]));
  },

  lower({ next, numbers, tag, segments }) {
    const base = { header: ROUTING, whole: true };
    const byte = (offset: number, low: number, high: number, invert: boolean): Test =>
      payloadTest({ base, offset, width: 1, low, high, invert, short: 'miss' });
    const tests = [
      payloadTest({ base, offset: HEADER, width: 0, short: 'miss' }),
      byte(2, SEGMENT_ROUTING, SEGMENT_ROUTING, false),
    ];
    if (next !== undefined) tests.push(byte(0, next.value, next.value, next.invert));
    for (const [name, { value, eq, gt, lt }] of Object.entries(numbers)) {
      const offset = NUMBERS[name as NumberName];
      if (eq !== undefined) tests.push(byte(offset, value, value, eq.invert));
      // Of "above" and "below" the bounds themselves are the contrary.
      if (gt !== undefined) tests.push(byte(offset, 0, value, !gt.invert));
      if (lt !== undefined) tests.push(byte(offset, value, 255, !lt.invert));
    }
    if (tag !== undefined) {
      const swapped = ((tag.value & 0xff) << 8) | (tag.value >> 8);
      tests.push(payloadTest({ base, offset: 6, width: 2, low: swapped, high: swapped, invert: tag.invert, short: 'miss' }));
    }
    const wanted = SEGMENTS.map((name) => segments[name]);
    const bits = (has: (one: AddressCondition) => boolean): number =>
      wanted.reduce((sum, one, index) => sum | (one !== undefined && has(one) ? 1 << index : 0), 0);
    const addresses = wanted.flatMap((one) => (one === undefined ? new Array<number>(8).fill(0) : [...one.address, ...one.mask]));
    const parameters = [bits(() => true), bits(({ invert }) => invert), ...addresses].map((word) => word >>> 0);
    return [...tests, { kind: 'special', code: SPECIAL_SEGMENTS, parameters, stateful: false }];
  },

  generate(draw, pools) {
    const not = (): string[] => (draw.chance(0.3) ? ['!'] : []);
    const out: string[] = [];
    if (draw.chance(0.2)) out.push(...not(), '--srh-next-hdr', String(draw.pick([6, 17, 60])));
    for (const [name, usual] of [
      ['hdr-len', 2],
      ['segs-left', 1],
      ['last-entry', 1],
    ] as const)
      if (draw.chance(0.25)) out.push(...not(), `--srh-${name}-${draw.pick(HOW)}`, String(usual + draw.pick([-1, 0, 0, 1])));
    if (draw.chance(0.2)) out.push(...not(), '--srh-tag', String(draw.pick([0, 1, 256, 0xffff])));
    const addresses = pools.addresses.filter((text) => text.includes(':'));
    if (draw.chance(0.4) && addresses.length > 0)
      out.push(...not(), `--srh-${draw.pick(SEGMENTS)}`, `${draw.pick(addresses)}/${draw.pick([128, 64, 32, 0])}`);
    return out;
  },

  show(_, { bytes }) {
    const at = findHeader(bytes, ROUTING);
    if (typeof at !== 'number') return at === 'absent' ? 'no routing header' : 'headers cut';
    if (bytes.length < at + HEADER) return 'routing header cut';
    return `type ${bytes[at + 2]}, length ${bytes[at + 1]}, segments left ${bytes[at + 3]}, last entry ${bytes[at + 4]}`;
  },
};

function readNumbers(all: Given, given: readonly GivenOption[]): SrhOptions['numbers'] {
  const out: SrhOptions['numbers'] = {};
  for (const name of Object.keys(NUMBERS) as NumberName[]) {
    const uses = given.filter((one) => HOW.some((how) => one.name === `srh-${name}-${how}`));
    const last = uses.at(-1);
    if (last === undefined) continue;
    const values = uses.map((one) => all.number(one, 255));
    const hows = uses.map((one) => [one.name.slice(-2), { invert: one.invert }]);
    out[name] = { value: values.at(-1) ?? 0, ...Object.fromEntries(hows) };
  }
  return out;
}

/** Segments are 16 bytes each behind the header; those before the first and behind the packet's end are none. */
function segmentFits(header: Uint8Array, index: number, { address, mask, invert }: AddressCondition): boolean {
  const at = HEADER + index * 16;
  if (index < 0 || header.length < at + 16) return false;
  return words(header, at, 4).every((word, i) => ((word ^ address[i]!) & mask[i]!) === 0) !== invert;
}
