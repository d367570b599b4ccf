/**
 * The running kernel as judge of evaluate: random rules without a target in raw PREROUTING, random packets over a wire, and the counters of every
 * rule must be those that evaluate counts. Matches that need a connection, routes or the clock are judged elsewhere.
 */
import { describe, expect, it } from 'vitest';
import { evaluateBuiltin } from '../../src/extensions/builtin.ts';
import type { Draw, MatchExtension } from '../../src/extensions/extension.ts';
import { findMatch } from '../../src/extensions/index.ts';
import { available, runKernel } from '../../src/kernel/index.ts';
import { maskAddress, parseAddress, prefixMask } from '../../src/model/address.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Builtin, Family } from '../../src/model/ruleset.ts';
import type { EvaluateContext, PacketView } from '../../src/packet/view.ts';
import { SEED } from '../seed.ts';
import { drawOf, NO_CONNECTIONS, NO_SETS, POOLS } from './packets.ts';
import { readRule } from './reader.ts';

const ROUNDS = 4;
const RULES = 40;
const FRAMES = 150;
const DEVICE = 'eth0';
const MAC = '02:00:00:00:00:09';

const NAMES: Record<Family, readonly string[]> = {
  4: [
    'tcp',
    'tcp',
    'tcp',
    'udp',
    'udp',
    'icmp',
    'multiport',
    'length',
    'iprange',
    'ttl',
    'tos',
    'dscp',
    'mark',
    'mac',
    'pkttype',
    'comment',
  ],
  6: [
    'tcp',
    'tcp',
    'tcp',
    'udp',
    'udp',
    'icmp6',
    'multiport',
    'length',
    'iprange',
    'hl',
    'tos',
    'dscp',
    'mark',
    'mac',
    'pkttype',
    'comment',
  ],
};
const PROTOCOLS: Record<string, number> = { tcp: 6, udp: 17, icmp: 1, icmp6: 58, multiport: 6 };
const ADDRESSES: Record<Family, readonly string[]> = {
  4: ['10.0.0.1', '10.0.0.2', '192.0.2.7', '198.51.100.200'],
  6: ['2001:db8::1', '2001:db8::2', '2001:db8:1::7', 'fd00::5'],
};
const pools = { ...POOLS, addresses: [...ADDRESSES[4], ...ADDRESSES[6]], macs: [MAC, '02:00:00:00:00:01'] };

interface JudgedRule {
  words: string[];
  builtin: Builtin;
  match: MatchExtension;
  options: unknown;
}

/** Corners the generators do not reach. */
const CORNERS = [
  '-p tcp -m tcp ! --sport 22 ! --dport 80',
  '-p tcp -m tcp --sport 22 --dport 80',
  '-p udp -m udp ! --sport 53 ! --dport 443',
  '-p tcp -m tcp ! --dport 0:65535',
  '-p tcp -m tcp --tcp-flags NONE SYN',
  '-p tcp -m tcp ! --tcp-flags NONE NONE',
  '-p tcp -m tcp --tcp-flags SYN SYN,ACK',
  '-p tcp -m tcp --tcp-option 3',
  '-p tcp -m tcp ! --tcp-option 2',
  '-p tcp -m tcp',
  '-p udp -m udp',
  '-m length ! --length 90:5',
  '-m mark --mark 0x1/0x0',
  '-m tos --tos 0x10/0x03',
];

function randomRule(draw: Draw, family: Family): JudgedRule {
  if (draw.chance(0.15)) {
    const words = draw.pick(CORNERS).split(' ');
    const { builtin, matches } = readRule(words, family, 'raw', 'PREROUTING');
    return { words, builtin, match: findMatch(matches[0]!.name, family)!, options: matches[0]!.options };
  }
  const name = draw.pick(NAMES[family]);
  const protocol = PROTOCOLS[name] ?? draw.pick([0, 6, 17]);
  const use = (protocol === 0 && !draw.chance(0.3) ? [] : ['-p', String(protocol)]).concat('-m', name);
  use.push(...findMatch(name, family)!.generate(draw, pools, { family, protocol }));
  const { builtin, matches } = readRule(use, family, 'raw', 'PREROUTING');
  const words: string[] = [];
  const bits = draw.pick([8, family === 4 ? 24 : 48, family === 4 ? 32 : 128]);
  if (draw.chance(0.2)) {
    const text = draw.pick(ADDRESSES[family]);
    const mask = prefixMask(bits, family);
    const invert = draw.chance(0.3);
    builtin.source = { address: maskAddress(parseAddress(text, family)!, mask), mask, invert };
    words.push(...(invert ? ['!'] : []), '-s', `${text}/${bits}`);
  }
  if (draw.chance(0.2)) {
    builtin.inInterface = { pattern: draw.pick(['eth0', 'eth9', 'eth+', '+', 'w+']), invert: draw.chance(0.3) };
    words.push(...(builtin.inInterface.invert ? ['!'] : []), '-i', builtin.inInterface.pattern);
  }
  if (family === 4 && draw.chance(0.1)) {
    builtin.fragment = { invert: draw.chance() };
    words.push(...(builtin.fragment.invert ? ['!'] : []), '-f');
  }
  return { words: [...words, ...use], builtin, match: findMatch(name, family)!, options: matches[0]!.options };
}

/** Transport bytes around every limit; lengths 2 and 3 are left out for nft, see native-ports.ts. */
function randomTransport(draw: Draw): Uint8Array {
  const length = draw.chance(0.6) ? draw.pick([20, 24, 28, 40, 60]) : draw.pick([0, 4, 7, 8, 13, 14, 19, 20]);
  const bytes = Uint8Array.from({ length }, () => draw.pick([0, 1, 2, 3, 8, 255, draw.integer(0, 255)]));
  for (const at of [0, 2]) {
    const port = draw.pick(POOLS.ports);
    if (length >= 4 && draw.chance(0.7)) bytes.set([port >> 8, port & 255], at);
  }
  if (length > 12) bytes[12] = draw.pick([0x40, 0x50, 0x50, 0x60, 0x70, 0xf0]);
  return bytes;
}

/** An extension header that is cut off, or that a non-first fragment hides: the chain cannot be parsed. */
function brokenChain(draw: Draw, packet: PacketView): PacketView {
  const hidden = draw.chance();
  const bytes = Uint8Array.from([
    ...packet.bytes.subarray(0, 40),
    ...(hidden ? [60, 0, 0, 8, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0] : []),
  ]);
  bytes[5] = bytes.length - 40;
  bytes[6] = hidden ? 44 : 60;
  return {
    ...packet,
    bytes,
    length: bytes.length,
    protocol: -1,
    protocolFailure: 'hotdrop',
    fragmentOffset: 0,
    transport: new Uint8Array(),
  };
}

function checksum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

function bytesOf(address: readonly number[]): number[] {
  return address.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]);
}

function randomPacket(draw: Draw, family: Family): PacketView {
  const transport = randomTransport(draw);
  const protocol = draw.pick([6, 6, 6, 17, 17, family === 4 ? 1 : 58, 132]);
  const offset = draw.chance(0.85) ? 0 : draw.pick([1, 2, 100]);
  const [ttl, tos] = [draw.pick([1, 2, 63, 64, 65, 255]), draw.pick([0, 2, 8, 16, 0x28, 0xb8, 0xff])];
  const [source, destination] = [0, 1].map(() => parseAddress(draw.pick(ADDRESSES[family]), family)!) as [number[], number[]];
  const fragmentHeader = family === 6 && offset !== 0 ? [protocol, 0, (offset * 8) >> 8, (offset * 8) & 255, 0, 0, 0, 1] : [];
  const head =
    family === 4
      ? [
          0x45,
          tos,
          0,
          20 + transport.length,
          0,
          1,
          offset >> 8,
          offset & 255,
          ttl,
          protocol,
          0,
          0,
          ...bytesOf(source),
          ...bytesOf(destination),
        ]
      : [
          0x60 | (tos >> 4),
          (tos & 15) << 4,
          0,
          0,
          0,
          fragmentHeader.length + transport.length,
          offset === 0 ? protocol : 44,
          ttl,
        ];
  if (family === 6) head.push(...bytesOf(source), ...bytesOf(destination), ...fragmentHeader);
  const bytes = Uint8Array.from([...head, ...transport]);
  if (family === 4) new DataView(bytes.buffer).setUint16(10, checksum(bytes.subarray(0, 20)));
  const view: PacketView = {
    family,
    bytes,
    length: bytes.length,
    protocol,
    protocolFailure: 'none',
    fragmentOffset: family === 4 ? offset : offset * 8,
    transport,
    source,
    destination,
    ttl,
    tos,
    inInterface: DEVICE,
    outInterface: '',
    mark: 0,
    packetType: draw.pick(['unicast', 'unicast', 'broadcast', 'multicast']),
    sourceMac: MAC.split(':').map((byte) => Number.parseInt(byte, 16)),
    linkHeader: null,
    connection: null,
    summed: false,
    unfinished: false,
    ctstate: 'INVALID',
    hasSocket: false,
    looped: false,
    annotation: {},
    direction: 'ORIGINAL',
    time: 0n,
  };
  return family === 6 && draw.chance(0.08) ? brokenChain(draw, view) : view;
}

function count(rules: readonly JudgedRule[], packets: readonly PacketView[], backend: 'legacy' | 'nft'): number[] {
  const counters = rules.map(() => 0);
  const profile = { ...DEFAULT_PROFILE, backend };
  const context: EvaluateContext = {
    profile,
    hook: 'PREROUTING',
    addressType: () => 1,
    state: (make) => make(),
    shared: (_, make) => make(),
    began: () => 0n,
    fingerprints: [],
    random: () => 0,
    noteJiffyEdge: () => {},
    mtu: () => undefined,
    firstAddress: () => undefined,
    proxies: [],
    wayBack: () => undefined,
    leadsBack: () => true,
    connections: NO_CONNECTIONS,
    sets: NO_SETS,
  };
  for (const packet of packets) {
    for (const [i, { builtin, match, options }] of rules.entries()) {
      const own = evaluateBuiltin(builtin, packet, profile);
      const answer = own === true ? match.evaluate(options, packet, context) : own;
      if (answer === 'hotdrop') break;
      if (answer) counters[i]!++;
      if (answer === 'hotdrop-matched') break;
    }
  }
  return counters;
}

const KIND = { unicast: 'host', broadcast: 'broadcast', multicast: 'multicast' } as const;

for (const backend of ['legacy', 'nft'] as const) {
  const judge = await available();
  describe.skipIf(!judge.ok)(`evaluate against the kernel, ${backend}, seed ${SEED}`, () => {
    for (const family of [4, 6] as const) {
      for (let round = 0; round < ROUNDS; round++) {
        it(`IPv${family}, round ${round}`, async () => {
          const draw = drawOf(SEED * 11 + family * 101 + round);
          const rules = Array.from({ length: RULES }, () => randomRule(draw, family));
          const packets = Array.from({ length: FRAMES }, () => randomPacket(draw, family));
          const quoted = rules.map(({ words }) =>
            words.map((word) => (/^[-\w!:/.,+]+$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`)),
          );
          const lines = quoted.map((words) => `-A PREROUTING ${words.join(' ')}`);
          const outcome = await runKernel({
            backend,
            family,
            rules: `*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${lines.join('\n')}\nCOMMIT\n`,
            topology: 'forward',
            frames: packets.map(({ bytes, packetType }) => ({
              time: 0n,
              bytes,
              direction: 'in',
              srcMac: MAC,
              dstMacKind: KIND[packetType],
            })),
            trace: false,
          });
          expect(outcome.refused).toBeUndefined();
          const kernel = outcome.counters.raw?.PREROUTING?.rules.map((rule) => rule.packets) ?? [];
          const ours = count(rules, packets, backend);
          const wrong = lines.flatMap((line, i) =>
            kernel[i] === ours[i] ? [] : [`${line}: kernel ${kernel[i]}, evaluate ${ours[i]}`],
          );
          expect(wrong).toEqual([]);
          expect(kernel.some((packets) => packets > 0)).toBe(true);
        });
      }
    }
  });
}
