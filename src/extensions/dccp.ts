/** `-m dccp`: ports, packet types and one option of DCCP. Kernel: net/netfilter/xt_dccp.c. */
import { FIELD_DPORT, FIELD_SPORT } from '../abi/fields.ts';
import { SPECIAL_DCCP_OPTION, TEST_HOTDROP, TEST_HOTDROP_MATCHED } from '../abi/special.ts';
import type { Test } from '../model/predicate.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { payloadTest } from './payload.ts';
import { generatePorts, type PortRange, portAt, portMatches, readPortsLoosely } from './ports.ts';
import { notFragment, range } from './tests.ts';

export interface DccpOptions {
  sourcePort?: PortRange;
  destinationPort?: PortRange;
  /** Bits 1 << type. */
  types?: { mask: number; invert: boolean };
  option?: { kind: number; invert: boolean };
}

const DCCP = 33;
const HEADER = 12;
const EXTENDED = 16;
const TYPE_AT = 8;
const TYPES = 'REQUEST RESPONSE DATA ACK DATAACK CLOSEREQ CLOSE RESET SYNC SYNCACK INVALID'.split(' ');
/** It stands for every type from there on. */
const INVALID = 10;
const INVALID_TYPES = 0xfc00;
/** Bytes between the header and the options, by type; types that do not exist have as many as RESET. */
const MORE: readonly number[] = [4, 12, 0, 8, 8, 8, 8, 12, 8, 8];
const MORE_OF_OTHERS = 12;
const specs = [
  option(['source-port', 'sport'], { invertible: true }),
  option(['destination-port', 'dport'], { invertible: true }),
  option('dccp-types', { invertible: true }),
  option('dccp-option', { invertible: true }),
];

export const dccp: MatchExtension<DccpOptions> = {
  name: 'dccp',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'DCCP ports, packet types and one option',
  legality: { protocols: [DCCP] },
  implicitFor: [DCCP],

  parse(given, context) {
    const all = new Given('dccp', specs, given, context);
    const source = all.get('source-port');
    const destination = all.get('destination-port');
    const types = all.get('dccp-types');
    const kind = all.get('dccp-option');
    const out: DccpOptions = {};
    if (source !== undefined) out.sourcePort = readPortsLoosely(all, source);
    if (destination !== undefined) out.destinationPort = readPortsLoosely(all, destination);
    if (types !== undefined) {
      let mask = 0;
      for (const word of textOf(types).split(',')) {
        const type = TYPES.indexOf(word.toUpperCase());
        if (word !== '' && type < 0) throw all.wants(types, `a list of ${TYPES.join(', ')}`, undefined, word);
        if (word !== '') mask |= type === INVALID ? INVALID_TYPES : 1 << type;
      }
      out.types = { mask, invert: types.invert };
    }
    if (kind !== undefined) out.option = { kind: all.number(kind, 255, 1), invert: kind.invert };
    return out;
  },

  print({ sourcePort, destinationPort, types, option: wanted }) {
    const ports = (name: string, one: PortRange | undefined): string =>
      one === undefined ? '' : `${bang(one.invert)} --${name} ${one.low === one.high ? one.low : `${one.low}:${one.high}`}`;
    let out = ports('sport', sourcePort) + ports('dport', destinationPort);
    if (types !== undefined) {
      const names = TYPES.filter((_, type) => (types.mask & (1 << type)) !== 0);
      out += `${bang(types.invert)} --dccp-types ${names.join(',')}`;
    }
    return wanted === undefined ? out : `${out}${bang(wanted.invert)} --dccp-option ${wanted.kind}`;
  },

  evaluate({ sourcePort, destinationPort, types, option: wanted }, { fragmentOffset, transport }, { profile }) {
    if (fragmentOffset !== 0) return false;
    if (transport.length < HEADER) return 'hotdrop';
    if (!portMatches(sourcePort, portAt(transport, 0)) || !portMatches(destinationPort, portAt(transport, 2))) return false;
    if (types !== undefined && ((types.mask >> typeOf(transport)) & 1) === (types.invert ? 1 : 0)) return false;
    if (wanted === undefined) return true;
    const found = hasOption(wanted, transport);
    // ip_tables asks about the drop only when the rule is done: what is inverted has matched by then.
    return found === 'hotdrop' && wanted.invert && profile.backend === 'legacy' ? 'hotdrop-matched' : found;
  },

  lower({ sourcePort, destinationPort, types, option: wanted }, { profile }) {
    const tests: Test[] = [notFragment(), payloadTest({ base: 'transport', offset: HEADER, width: 0, short: 'hotdrop' })];
    if (sourcePort !== undefined) tests.push(range(FIELD_SPORT, sourcePort.low, sourcePort.high, sourcePort.invert));
    if (destinationPort !== undefined)
      tests.push(range(FIELD_DPORT, destinationPort.low, destinationPort.high, destinationPort.invert));
    // A list of types is what is left without all the others.
    for (let type = 0; types !== undefined && type < 16; type++) {
      if (((types.mask >> type) & 1) === (types.invert ? 0 : 1)) continue;
      const bits = type << 1;
      tests.push(
        payloadTest({
          base: 'transport',
          offset: TYPE_AT,
          width: 1,
          mask: 0x1e,
          low: bits,
          high: bits,
          invert: true,
          short: 'hotdrop',
        }),
      );
    }
    if (wanted !== undefined) {
      const counts = wanted.invert && profile.backend === 'legacy';
      const parameters = [wanted.kind, wanted.invert ? 1 : 0, counts ? TEST_HOTDROP_MATCHED : TEST_HOTDROP];
      tests.push({ kind: 'special', code: SPECIAL_DCCP_OPTION, parameters, stateful: false });
    }
    return tests;
  },

  generate(draw, pools) {
    const not = (): string[] => (draw.chance(0.25) ? ['!'] : []);
    const out: string[] = [];
    if (draw.chance(0.3)) out.push(...not(), '--sport', generatePorts(draw, pools));
    if (draw.chance(0.4)) out.push(...not(), '--dport', generatePorts(draw, pools));
    if (draw.chance(0.5)) out.push(...not(), '--dccp-types', [...new Set([draw.pick(TYPES), draw.pick(TYPES)])].join(','));
    return draw.chance(0.4) ? [...out, ...not(), '--dccp-option', String(draw.pick([1, 2, 32, 38, 255]))] : out;
  },

  show(_, { transport }) {
    if (transport.length < HEADER) return `${transport.length} bytes of DCCP`;
    return `sport ${portAt(transport, 0)}, dport ${portAt(transport, 2)}, type ${TYPES[typeOf(transport)] ?? typeOf(transport)}`;
  },
};

const typeOf = (transport: Uint8Array): number => (transport[TYPE_AT]! >> 1) & 15;

function hasOption({ kind, invert }: { kind: number; invert: boolean }, transport: Uint8Array): boolean | 'hotdrop' {
  const extended = (transport[TYPE_AT]! & 1) !== 0;
  const start = (extended ? EXTENDED : HEADER) + (MORE[typeOf(transport)] ?? MORE_OF_OTHERS);
  const end = transport[4]! * 4;
  if (end < start) return 'hotdrop';
  if (end === start) return invert;
  if (transport.length < end) return 'hotdrop';
  for (let at = start; at < end; ) {
    const here = transport[at]!;
    if (here === kind) return !invert;
    at += here < 2 || at === end - 1 ? 1 : transport[at + 1] || 1;
  }
  return invert;
}
