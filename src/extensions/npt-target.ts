/** What DNPT and SNPT share (IPv6): another prefix for an address, by RFC 6296: one word makes up for it, so that no checksum changes. Kernel: net/ipv6/netfilter/ip6t_NPT.c. */
import { EFFECT_PREFIX } from '../abi/effects.ts';
import { FIELD_DESTINATION, FIELD_DESTINATION_TYPE, FIELD_SOURCE, FIELD_SOURCE_TYPE } from '../abi/fields.ts';
import { formatAddress, maskAddress, parseAddress, prefixMask } from '../model/address.ts';
import type { Words } from '../model/ruleset.ts';
import { sameWords, u16, words } from '../packet/bytes.ts';
import { halves, putU16, putWords } from '../packet/rewrite.ts';
import { prefixLength } from './conntrack-options.ts';
import type { GivenOption, Legality, TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';

export interface Prefix {
  address: Words;
  length: number;
}

export interface NptOptions {
  from: Prefix;
  to: Prefix;
}

const specs = [option('src-pfx'), option('dst-pfx')];
const LONGEST = 64;
/** Up to this length the subnet makes up for the prefix, beyond it the interface identifier. */
const SUBNET = 48;
const NOTHING = 0xffff;
const ICMPV6 = 58;
const MESSAGE = 40;
const QUOTED = 48;
const HEADER = 40;
const SOURCE = 8;
const DESTINATION = 24;

/** `of`: the address that changes. */
export function prefixTarget(
  name: 'DNPT' | 'SNPT',
  of: 'source' | 'destination',
  legality: Legality,
  about: string,
): TargetExtension<NptOptions> {
  const at = of === 'source' ? SOURCE : DESTINATION;
  const fields = of === 'source' ? [FIELD_SOURCE, FIELD_SOURCE_TYPE] : [FIELD_DESTINATION, FIELD_DESTINATION_TYPE];
  return {
    name,
    kind: 'target',
    families: [6],
    options: specs,
    about,
    legality,
    parse(given, context) {
      const all = new Given(name, specs, given, context);
      const [from, to] = ['src-pfx', 'dst-pfx'].map((one) => readPrefix(all, all.need(one, `--${one} 2001:db8::/48`)));
      return { from: from!, to: to! };
    },
    print: ({ from, to }) => printPrefix('src-pfx', from) + printPrefix('dst-pfx', to),
    evaluate(options, { bytes: before }, effects) {
      const bytes = new Uint8Array(before);
      const mapped = mapAddress(bytes, at, options);
      // The quoted packet went the other way.
      const quoted = QUOTED + (of === 'source' ? DESTINATION : SOURCE);
      if (mapped && quotes(bytes) && hasPrefix(words(bytes, quoted, 4), options.from)) mapAddress(bytes, quoted, options);
      // Also of a packet that is dropped: the kernel has written the prefix by then.
      effects.rewrite(bytes);
      return mapped ? 'continue' : 'DROP';
    },
    lower: ({ from, to }) => ({
      kind: 'effect',
      code: EFFECT_PREFIX,
      parameters: [of === 'source' ? 1 : 0, Math.max(from.length, to.length), ...to.address, from.length, ...from.address],
      changes: [fields[0]!, fields[0]! + 1, fields[0]! + 2, fields[0]! + 3, fields[1]!],
    }),
    generate: (draw) => {
      const prefix = (): string =>
        draw.pick(['2001:db8::/32', '2001:db8::/48', '2001:db8:1::/64', 'fd00::/8', 'fd00:1:2:ff00::/56', '2001:db8:5::/49']);
      return ['--src-pfx', prefix(), '--dst-pfx', prefix()];
    },
  };
}

/** ADDRESS/LENGTH of at most 64 bits, the others zero. */
function readPrefix(all: Given, one: GivenOption): Prefix {
  const [text = '', ...rest] = textOf(one).split('/');
  const address = parseAddress(text, 6);
  const length = rest.length === 0 ? 128 : prefixLength(rest.join('/'), 6);
  if (address === undefined || length === undefined) throw all.wants(one, 'an IPv6 prefix, ADDRESS/LENGTH');
  if (length > LONGEST) throw all.wants(one, `a prefix of at most ${LONGEST} bits`);
  const masked = maskAddress(address, prefixMask(length, 6));
  if (!sameWords(masked, address)) throw all.wants(one, 'zeros behind the prefix', `write ${formatAddress(masked)}/${length}`);
  return { address, length };
}

/** A prefix of no bits is not printed. */
function printPrefix(name: string, { address, length }: Prefix): string {
  return length === 0 ? '' : ` --${name} ${formatAddress(address)}/${length}`;
}

/** What the sum of the address's 16-bit words lacks (ones' complement) when it has the other prefix. */
function adjustmentOf(from: Prefix, to: Prefix): number {
  const sum = (prefix: Prefix): number => halves(prefix.address).reduce((total, half) => total + half, 0) % NOTHING;
  return (sum(from) + NOTHING - sum(to)) % NOTHING;
}

function hasPrefix(address: Words, prefix: Prefix): boolean {
  return sameWords(maskAddress(address, prefixMask(prefix.length, 6)), prefix.address);
}

/** An ICMPv6 error right behind the IPv6 header, with the header of the packet it is about. */
function quotes(bytes: Uint8Array): boolean {
  const type = bytes[MESSAGE] ?? 0;
  return bytes[6] === ICMPV6 && type >= 1 && type <= 4 && bytes.length >= QUOTED + HEADER;
}

/** Changes the address at `at`; false when no word of it can make up for the prefix. */
function mapAddress(bytes: Uint8Array, at: number, { from, to }: NptOptions): boolean {
  const length = Math.max(from.length, to.length);
  const mask = prefixMask(length, 6);
  const before = words(bytes, at, 4);
  putWords(
    bytes,
    at,
    before.map((word, i) => ((word & ~mask[i]!) | (to.address[i]! & mask[i]!)) >>> 0),
  );
  const candidates = length <= SUBNET ? [3] : [4, 5, 6, 7].filter((index) => u16(bytes, at + 2 * index) !== NOTHING);
  const [index] = candidates;
  if (index === undefined) return false;
  putU16(bytes, at + 2 * index, (u16(bytes, at + 2 * index) + adjustmentOf(from, to)) % NOTHING);
  return true;
}
