/**
 * What xt_addrtype answers, and its lowering. IPv4 asks whether the address's one type is in the set. IPv6 (match_type6) demands every kind
 * of type in the set at once: MULTICAST, UNICAST and UNSPEC are read from the address, the others from the routes.
 */
import {
  FIELD_DESTINATION,
  FIELD_DESTINATION_TYPE,
  FIELD_SOURCE,
  FIELD_SOURCE_TYPE,
  RTN_ANYCAST,
  RTN_BLACKHOLE,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTN_UNSPEC,
} from '../abi/fields.ts';
import { SPECIAL_ADDRTYPE_DEVICE } from '../abi/special.ts';
import type { Test } from '../model/predicate.ts';
import type { Family, Words } from '../model/ruleset.ts';
import type { EvaluateContext, PacketView } from '../packet/view.ts';
import type { AddrtypeOptions, TypeSet } from './addrtype.ts';
import { constant, oneOf, wordRange, words } from './tests.ts';

/** RTN_* numbers with a bit in a 16-bit mask. */
const NUMBERS = Array.from({ length: 16 }, (_, type) => type);
/** In IPv6 every rejecting route is UNREACHABLE. */
const REJECTING = [RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT, RTN_THROW];

function has(mask: number, type: number): boolean {
  return (mask & (1 << type)) !== 0;
}

/** The RTN_* numbers that the routes may answer for this IPv6 set; empty when it asks nothing of the routes. */
function routed6(mask: number): number[] {
  const plain = [RTN_LOCAL, RTN_ANYCAST].filter((type) => has(mask, type));
  return has(mask, RTN_UNREACHABLE) ? [...plain, ...REJECTING] : plain;
}

export function addressTypesMatch(options: AddrtypeOptions, packet: PacketView, context: EvaluateContext): boolean {
  const device = options.device === 'in' ? packet.inInterface : options.device === 'out' ? packet.outInterface : undefined;
  const typeOf = (address: Words): number =>
    device === undefined ? context.addressType(packet.family, address) : context.addressType(packet.family, address, device);
  const check = (set: TypeSet | undefined, address: Words): boolean => {
    if (set === undefined) return true;
    const found = packet.family === 4 ? has(set.mask, typeOf(address)) : matches6(set.mask, address, typeOf);
    return found !== set.invert;
  };
  return check(options.source, packet.source) && check(options.destination, packet.destination);
}

function matches6(mask: number, address: Words, typeOf: (address: Words) => number): boolean {
  const [a = 0, b = 0, c = 0, d = 0] = address;
  const multicast = a >>> 24 === 0xff;
  const unspecified = (a | b | c | d) === 0;
  const mapped = (a | b) === 0 && c === 0xffff;
  if (has(mask, RTN_MULTICAST) && !multicast) return false;
  if (has(mask, RTN_UNICAST) && (multicast || unspecified || mapped)) return false;
  if (has(mask, RTN_UNSPEC) && !unspecified) return false;
  const routed = routed6(mask);
  return routed.length === 0 || routed.includes(typeOf(address));
}

export function addressTypeTests(options: AddrtypeOptions, family: Family): Test[] {
  const { source, destination, device } = options;
  if (device === undefined) {
    return [
      ...sideTests(source, family, FIELD_SOURCE, FIELD_SOURCE_TYPE),
      ...sideTests(destination, family, FIELD_DESTINATION, FIELD_DESTINATION_TYPE),
    ];
  }
  const addresses =
    family === 4 ? [] : [...addressTests6(source, FIELD_SOURCE), ...addressTests6(destination, FIELD_DESTINATION)];
  return [...addresses, ...deviceTests(options, family)];
}

function sideTests(set: TypeSet | undefined, family: Family, addressField: number, typeField: number): Test[] {
  if (set === undefined) return [];
  if (family === 4)
    return [
      oneOf(
        typeField,
        NUMBERS.filter((type) => has(set.mask, type)),
        set.invert,
      ),
    ];
  const routed = routed6(set.mask);
  const types = routed.length === 0 ? [] : [oneOf(typeField, routed, set.invert)];
  return [...addressTests6(set, addressField), ...types];
}

/** The part of an IPv6 set that the address itself answers. Parsing sees to it that an inverted set has one kind only. */
function addressTests6(set: TypeSet | undefined, field: number): Test[] {
  if (set === undefined) return [];
  const full = [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff];
  const zero = [0, 0, 0, 0];
  const tests: Test[] = [];
  if (has(set.mask, RTN_MULTICAST)) tests.push(words(field, [0xff000000], [0xff000000], set.invert));
  if (has(set.mask, RTN_UNSPEC)) tests.push(words(field, full, zero, set.invert));
  if (has(set.mask, RTN_UNICAST)) tests.push(...(set.invert ? notUnicast(field) : unicast(field)));
  // Two kinds can never be met at once, so that the inverted set always is.
  if (set.invert && kinds6(set.mask).addresses > 1) return [constant(true)];
  return tests;
}

/** Neither unspecified, nor IPv4-mapped, nor multicast. */
function unicast(field: number): Test[] {
  const full = [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff];
  return [
    words(field, full, [0, 0, 0, 0], true),
    words(field, full.slice(0, 3), [0, 0, 0xffff], true),
    words(field, [0xff000000], [0xff000000], true),
  ];
}

/** Outside both stretches of unicast addresses: up to the mapped ones, and from behind them to multicast. */
function notUnicast(field: number): Test[] {
  const max = 0xffffffff;
  return [
    wordRange(field, [0, 0, 0, 1], [0, 0, 0xfffe, max], true),
    wordRange(field, [0, 0, 0x10000, 0], [0xfeffffff, max, max, max], true),
  ];
}

/** How many kinds of conditions an IPv6 set has: answered by the address, and by the routes. */
export function kinds6(mask: number): { addresses: number; routes: number } {
  const addresses = [RTN_MULTICAST, RTN_UNICAST, RTN_UNSPEC].filter((type) => has(mask, type)).length;
  return { addresses, routes: routed6(mask).length === 0 ? 0 : 1 };
}

function deviceTests({ source, destination, device }: AddrtypeOptions, family: Family): Test[] {
  const bits = (set: TypeSet | undefined): number => {
    if (set === undefined) return 0;
    return family === 4 ? set.mask : routed6(set.mask).reduce((mask, type) => mask | (1 << type), 0);
  };
  const inverted = (source?.invert ? 1 : 0) | (destination?.invert ? 2 : 0);
  if ((bits(source) | bits(destination)) === 0) return [];
  const parameters = [bits(source), bits(destination), inverted, device === 'out' ? 1 : 0];
  return [{ kind: 'special', code: SPECIAL_ADDRTYPE_DEVICE, parameters, stateful: false }];
}
