/** `-m rt`: the IPv6 routing header. Kernel: net/ipv6/netfilter/ip6t_rt.c. */
import { SPECIAL_ROUTING_ADDRESSES } from '../abi/special.ts';
import { formatAddress, parseUnscoped } from '../model/address.ts';
import type { Test } from '../model/predicate.ts';
import type { Words } from '../model/ruleset.ts';
import { sameWords, u32, words } from '../packet/bytes.ts';
import { findHeader, ROUTING } from '../packet/ipv6.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf, writtenName } from './given.ts';
import { type Bytes, payloadTest } from './payload.ts';
import { printSpis, readSpis, type SpiRange, spiMatches } from './spi.ts';

interface Number32 {
  value: number;
  invert: boolean;
}

export interface RtOptions {
  type?: Number32;
  segmentsLeft: SpiRange;
  /** Of the header, in bytes. */
  length?: Number32;
  reserved: boolean;
  addresses: readonly Words[];
  /** The addresses may stand among others. */
  notStrict: boolean;
}

const MAX = 0xffffffff;
const MOST_ADDRESSES = 16;
/** Type 0 header up to its addresses. */
const HEADER0 = 8;
const specs = [
  option('rt-type', { invertible: true }),
  option('rt-segsleft', { invertible: true }),
  option('rt-len', { invertible: true }),
  option('rt-0-res', { argument: 'none' }),
  option('rt-0-addrs'),
  option('rt-0-not-strict', { argument: 'none' }),
];

export const rt: MatchExtension<RtOptions> = {
  name: 'rt',
  kind: 'match',
  families: [6],
  options: specs,
  about: 'routing header: type, segments left, length, addresses',

  parse(given, context) {
    const all = new Given('rt', specs, given, context);
    checkOrder(all, given);
    const number = (name: string): Number32 | undefined => {
      const one = all.get(name);
      return one === undefined ? undefined : { value: all.number(one, MAX), invert: one.invert };
    };
    const [type, length, addresses] = [number('rt-type'), number('rt-len'), all.get('rt-0-addrs')];
    return {
      ...(type === undefined ? {} : { type }),
      segmentsLeft: readSpis(all, all.get('rt-segsleft')),
      ...(length === undefined ? {} : { length }),
      reserved: all.has('rt-0-res'),
      addresses: addresses === undefined ? [] : readAddresses(all, addresses),
      notStrict: all.has('rt-0-not-strict'),
    };
  },

  print({ type, segmentsLeft, length, reserved, addresses, notStrict }) {
    const number = (name: string, one: Number32 | undefined): string =>
      one === undefined ? '' : `${bang(one.invert)} --${name} ${one.value}`;
    const list = addresses.length === 0 ? '' : ` --rt-0-addrs ${addresses.map(formatAddress).join(',')}`;
    const strict = notStrict ? ' --rt-0-not-strict' : '';
    return (
      number('rt-type', type) +
      printSpis('rt-segsleft', segmentsLeft) +
      number('rt-len', length) +
      (reserved ? ' --rt-0-res' : '') +
      list +
      strict
    );
  },

  evaluate({ type, segmentsLeft, length, reserved, addresses, notStrict }, { bytes }, { profile }) {
    const at = findHeader(bytes, ROUTING, { whole: profile.kernel === '6.12' });
    if (at === 'absent') return false;
    if (at === 'broken') return 'hotdrop';
    const own = (bytes[at + 1]! + 1) * 8;
    if (bytes.length - at < own) return 'hotdrop';
    if (!spiMatches(segmentsLeft, bytes[at + 3]!)) return false;
    if (length !== undefined && (length.value === own) === length.invert) return false;
    if (type !== undefined && (type.value === bytes[at + 2]) === type.invert) return false;
    if (reserved && u32(bytes, at + 4) !== 0) return false;
    return addresses.length === 0 || addressesFit(addresses, notStrict, addressesOf(bytes.subarray(at, at + own)));
  },

  lower({ type, segmentsLeft, length, reserved, addresses, notStrict }) {
    const at = (bytes: Omit<Bytes, 'base' | 'short'>): Test =>
      payloadTest({ base: { header: ROUTING, whole: true }, short: 'hotdrop', ...bytes });
    const tests = [at({ offset: 3, width: 1, ...segmentsLeft })];
    const equal = (offset: number, value: number, invert: boolean): Test => {
      const said = Number.isInteger(value) && value >= 0 && value <= 255;
      return at({ offset, width: 1, invert, ...(said ? { low: value, high: value } : { low: 1, high: 0 }) });
    };
    if (length !== undefined) tests.push(equal(1, length.value / 8 - 1, length.invert));
    if (type !== undefined) tests.push(equal(2, type.value, type.invert));
    if (reserved) tests.push(at({ offset: 4, width: 4, low: 0, high: 0 }));
    if (addresses.length > 0) {
      const parameters = [notStrict ? 0 : 1, addresses.length, ...addresses.flat()];
      tests.push({ kind: 'special', code: SPECIAL_ROUTING_ADDRESSES, parameters, stateful: false });
    }
    return tests;
  },

  generate(draw, pools) {
    const not = (): string[] => (draw.chance(0.3) ? ['!'] : []);
    const out: string[] = [];
    if (draw.chance(0.4)) {
      const addresses = pools.addresses.filter((text) => text.includes(':'));
      const type0 = ['--rt-type', '0', ...(draw.chance(0.4) ? ['--rt-0-res'] : [])];
      if (draw.chance(0.3) || addresses.length === 0) return type0;
      const list = Array.from({ length: draw.pick([1, 1, 2]) }, () => draw.pick(addresses));
      return [...type0, '--rt-0-addrs', list.join(','), ...(draw.chance(0.7) ? ['--rt-0-not-strict'] : [])];
    }
    if (draw.chance(0.4)) out.push(...not(), '--rt-type', String(draw.pick([0, 2, 2, 4, 253, 255, 256])));
    if (draw.chance(0.4)) out.push(...not(), '--rt-segsleft', draw.pick(['0', '1', '0:1', '1:', ':']));
    if (draw.chance(0.3)) out.push(...not(), '--rt-len', String(draw.pick([8, 24, 24, 40, 25])));
    return out;
  },

  show(_, { bytes }) {
    const at = findHeader(bytes, ROUTING);
    if (typeof at !== 'number') return at === 'absent' ? 'no routing header' : 'headers cut';
    return `type ${bytes[at + 2]}, segments left ${bytes[at + 3]}, length ${(bytes[at + 1]! + 1) * 8}`;
  },
};

/** iptables reads from left to right: what is about type 0 must stand behind it, and how strict addresses are behind them. */
function checkOrder(all: Given, given: readonly GivenOption[]): void {
  const before = (name: string, one: GivenOption): boolean =>
    given.slice(0, given.indexOf(one)).some((each) => each.name === name);
  const type = all.get('rt-type');
  const isType0 = type !== undefined && !type.invert && all.number(type, MAX) === 0;
  for (const one of [all.get('rt-0-res'), all.get('rt-0-addrs')]) {
    if (one !== undefined && !(isType0 && before('rt-type', one)))
      throw all.complain(one, `${writtenName(one)} wants --rt-type 0 before it`);
  }
  const strict = all.get('rt-0-not-strict');
  if (strict !== undefined && !before('rt-0-addrs', strict))
    throw all.complain(strict, `${writtenName(strict)} wants --rt-0-addrs before it`);
}

function readAddresses(all: Given, one: GivenOption): Words[] {
  const addresses = textOf(one)
    .split(',')
    .map((text) => parseUnscoped(text, 6));
  if (addresses.length > MOST_ADDRESSES)
    throw all.wants(one, `at most ${MOST_ADDRESSES} addresses`, undefined, String(addresses.length));
  return addresses.map((address) => {
    if (address === undefined) throw all.wants(one, 'IPv6 addresses with commas between them');
    return address;
  });
}

function addressesOf(header: Uint8Array): Words[] {
  const count = Math.floor((header.length - HEADER0) / 16);
  return Array.from({ length: count }, (_, index) => words(header, HEADER0 + index * 16, 4));
}

function addressesFit(wanted: readonly Words[], notStrict: boolean, there: readonly Words[]): boolean {
  if (!notStrict) return wanted.length === there.length && wanted.every((address, i) => sameWords(address, there[i]!));
  let found = 0;
  for (const address of there) if (found < wanted.length && sameWords(address, wanted[found]!)) found++;
  return found === wanted.length;
}
