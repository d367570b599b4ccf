/** `-m tcp`: ports, flags, one option. Kernel: net/netfilter/xt_tcpudp.c (tcp_mt); nft: iptables 1.8.9 add_nft_tcp. */
import { FIELD_DPORT, FIELD_FRAGMENT, FIELD_SPORT, FIELD_TCP_FLAGS } from '../abi/fields.ts';
import { SPECIAL_TCP_OPTION } from '../abi/special.ts';
import type { Test } from '../model/predicate.ts';
import type { PacketView } from '../packet/view.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { nativePorts, nativePortTests, nativeTransport } from './native-ports.ts';
import { generatePorts, type PortRange, portAt, portMatches, portTests, printPorts, readPorts } from './ports.ts';
import { masked, notFragment, range, transportHas } from './tests.ts';

export interface TcpOptions {
  sourcePort?: PortRange;
  destinationPort?: PortRange;
  flags?: { mask: number; value: number; invert: boolean };
  option?: { kind: number; invert: boolean };
}

const FLAGS: readonly (readonly [string, number])[] = [
  ['FIN', 1],
  ['SYN', 2],
  ['RST', 4],
  ['PSH', 8],
  ['ACK', 16],
  ['URG', 32],
];
const SYN_MASK = 0x17;
const HEADER = 20;

const specs = [
  option(['source-port', 'sport'], { invertible: true }),
  option(['destination-port', 'dport'], { invertible: true }),
  option('syn', { argument: 'none', invertible: true }),
  option('tcp-flags', { argument: 'two', invertible: true }),
  option('tcp-option', { invertible: true }),
];

export const tcp: MatchExtension<TcpOptions> = {
  name: 'tcp',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'TCP ports, flags and one option',
  legality: { protocols: [6] },
  implicitFor: [6],
  isNative,

  parse(given, context) {
    const all = new Given('tcp', specs, given, context);
    const out: TcpOptions = {};
    const source = all.get('source-port');
    const destination = all.get('destination-port');
    const kind = all.get('tcp-option');
    if (source !== undefined) out.sourcePort = readPorts(all, source, 'tcp');
    if (destination !== undefined) out.destinationPort = readPorts(all, destination, 'tcp');
    all.exclusive(['syn', 'tcp-flags']);
    const syn = all.get('syn');
    const flags = all.get('tcp-flags');
    if (syn !== undefined) out.flags = { mask: SYN_MASK, value: 2, invert: syn.invert };
    if (flags !== undefined) out.flags = readFlags(all, flags);
    if (kind !== undefined) out.option = { kind: all.number(kind, 255, 1), invert: kind.invert };
    return out;
  },

  print({ sourcePort, destinationPort, flags, option: wanted }) {
    let out = printPorts('sport', sourcePort) + printPorts('dport', destinationPort);
    if (wanted !== undefined) out += `${bang(wanted.invert)} --tcp-option ${wanted.kind}`;
    if (flags !== undefined && (flags.mask !== 0 || flags.invert)) {
      out += `${bang(flags.invert)} --tcp-flags ${flagNames(flags.mask)} ${flagNames(flags.value)}`;
    }
    return out;
  },

  evaluate(options, packet, context) {
    const native = context.profile.backend === 'nft' && isNative(options);
    return native ? evaluateNative(options, packet) : evaluateKernelModule(options, packet);
  },

  lower(options, { profile }) {
    return profile.backend === 'nft' && isNative(options) ? lowerNative(options) : lowerKernelModule(options);
  },

  generate(draw, pools) {
    const out: string[] = [];
    const not = (): string[] => (draw.chance(0.2) ? ['!'] : []);
    // Now and then flags or an option alone, which ports would mostly keep from being asked for.
    const ports = draw.chance(0.75);
    if (ports && draw.chance(0.4)) out.push(...not(), '--sport', generatePorts(draw, pools));
    if (ports && draw.chance(0.7)) out.push(...not(), '--dport', generatePorts(draw, pools));
    if (draw.chance(0.2)) out.push(...not(), '--syn');
    else if (draw.chance(0.3))
      out.push(...not(), '--tcp-flags', ...generateFlags(draw.integer(0, 63), draw.integer(0, 63), draw.chance(0.9)));
    if (draw.chance(ports ? 0.15 : 0.5))
      out.push(...(draw.chance(0.35) ? ['!'] : []), '--tcp-option', String(draw.pick([1, 2, 3, 4, 8, 30, 255])));
    return out;
  },

  show(_, packet) {
    if (packet.transport.length < 4) return `${packet.transport.length} bytes of TCP`;
    const ports = `sport ${portAt(packet.transport, 0)}, dport ${portAt(packet.transport, 2)}`;
    if (packet.fragmentOffset !== 0) return `fragment at offset ${packet.fragmentOffset} (${ports})`;
    return packet.transport.length < HEADER
      ? `${ports}, header cut`
      : `${ports}, flags ${flagNames((packet.transport[13] ?? 0) & 63)}`;
  },
};

function readFlags(all: Given, one: GivenOption): { mask: number; value: number; invert: boolean } {
  const [mask, value] = [textOf(one), one.values[1] ?? ''].map((text) => {
    let bits = 0;
    for (const word of text.split(',')) {
      if (word === '') continue;
      const name = word.toUpperCase();
      const found = name === 'ALL' ? 63 : name === 'NONE' ? 0 : FLAGS.find(([flag]) => flag === name)?.[1];
      if (found === undefined) throw all.wants(one, 'MASK FLAGS, lists of SYN,ACK,FIN,RST,URG,PSH,ALL,NONE', undefined, word);
      bits |= found;
    }
    return bits;
  });
  if (one.values.length < 2) throw all.wants(one, 'two lists: MASK FLAGS', 'for example --tcp-flags SYN,ACK SYN');
  return { mask: mask ?? 0, value: value ?? 0, invert: one.invert };
}

function flagNames(bits: number): string {
  const names = FLAGS.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);
  return names.length === 0 ? 'NONE' : names.join(',');
}

function generateFlags(mask: number, value: number, inside: boolean): string[] {
  return [flagNames(mask), flagNames(inside ? mask & value : value)];
}

/** What xt_tcp's tcp_mt answers. */
function evaluateKernelModule(options: TcpOptions, { fragmentOffset, transport }: PacketView): boolean | 'hotdrop' {
  // A fragment that starts eight bytes in could overwrite the flags: the kernel throws it away.
  if (fragmentOffset === 1) return 'hotdrop';
  if (fragmentOffset !== 0) return false;
  if (transport.length < HEADER) return 'hotdrop';
  if (!portMatches(options.sourcePort, portAt(transport, 0))) return false;
  if (!portMatches(options.destinationPort, portAt(transport, 2))) return false;
  if (options.flags !== undefined) {
    const { mask, value, invert } = options.flags;
    if ((((transport[13] ?? 0) & mask) === value) === invert) return false;
  }
  return options.option === undefined ? true : hasOption(options.option, transport);
}

function hasOption({ kind, invert }: { kind: number; invert: boolean }, transport: Uint8Array): boolean | 'hotdrop' {
  const headerLength = ((transport[12] ?? 0) >> 4) * 4;
  if (headerLength < HEADER) return 'hotdrop';
  if (headerLength === HEADER) return invert;
  if (transport.length < headerLength) return 'hotdrop';
  let at = HEADER;
  while (at < headerLength) {
    const here = transport[at] ?? 0;
    if (here === kind) return !invert;
    // End and no-operation have no length byte, nor has whatever stands last; a zero length counts as one.
    at += here < 2 || at === headerLength - 1 ? 1 : transport[at + 1] || 1;
  }
  return invert;
}

function lowerKernelModule(options: TcpOptions): Test[] {
  const tests = [range(FIELD_FRAGMENT, 1, 1, true, 'hotdrop'), notFragment(), transportHas(HEADER, 'hotdrop')];
  tests.push(...portTests(FIELD_SPORT, options.sourcePort), ...portTests(FIELD_DPORT, options.destinationPort));
  if (options.flags !== undefined)
    tests.push(masked(FIELD_TCP_FLAGS, options.flags.mask, options.flags.value, options.flags.invert));
  if (options.option !== undefined) {
    const { kind, invert } = options.option;
    tests.push({ kind: 'special', code: SPECIAL_TCP_OPTION, parameters: [kind, invert ? 1 : 0], stateful: false });
  }
  return tests;
}

/** iptables-nft compiles ports and flags to payload expressions; an option test or an empty match stays the kernel module. */
function isNative({ sourcePort, destinationPort, flags, option: wanted }: TcpOptions): boolean {
  if (wanted !== undefined) return false;
  const anyFlags = flags !== undefined && (flags.mask !== 0 || flags.value !== 0 || flags.invert);
  return anyFlags || saysSomething(sourcePort) || saysSomething(destinationPort);
}

function saysSomething(ports: PortRange | undefined): boolean {
  return ports !== undefined && (ports.low !== 0 || ports.high !== 0xffff || ports.invert);
}

/** Payload expressions read past the fragment offset; a load beyond the end of the packet is a miss, not a drop. */
function evaluateNative(options: TcpOptions, packet: PacketView): boolean {
  const { flags } = options;
  const transport = nativeTransport(packet);
  if (flags !== undefined && flags.mask !== 0) {
    if (transport.length < 14) return false;
    if ((((transport[13] ?? 0) & flags.mask) === flags.value) === flags.invert) return false;
  }
  return nativePorts(options.sourcePort, options.destinationPort, packet);
}

function lowerNative({ flags, sourcePort, destinationPort }: TcpOptions): Test[] {
  const tests: Test[] = [];
  if (flags !== undefined && flags.mask !== 0) {
    tests.push(transportHas(14, 'miss'), masked(FIELD_TCP_FLAGS, flags.mask, flags.value, flags.invert));
  }
  return [...tests, ...nativePortTests(sourcePort, destinationPort)];
}
