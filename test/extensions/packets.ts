/** Random packets as both sides see them: the reference's view, and the engine's vector of fields. */
import * as f from '../../src/abi/fields.ts';
import type { Draw, Pools } from '../../src/extensions/extension.ts';
import { parseAddress } from '../../src/model/address.ts';
import type { CtState } from '../../src/model/outcome.ts';
import type { Family, Words } from '../../src/model/ruleset.ts';
import type { Connections, ConnectionView, PacketView, Sets, TupleView } from '../../src/packet/view.ts';

/** Nobody is connected. */
export const NO_CONNECTIONS: Connections = {
  zoneOf: () => ({ id: 0, of: 'both' }),
  subject: () => undefined,
  find: () => undefined,
};

/** No set has anything. */
export const NO_SETS: Sets = { test: () => false, change: () => {}, infoOf: () => undefined };

export const POOLS: Pools = {
  addresses: [
    '10.0.0.1',
    '10.0.0.2',
    '192.0.2.255',
    '224.0.0.1',
    '2001:db8::1',
    '2001:db8::2',
    'ff02::1',
    '::',
    '::ffff:10.0.0.1',
    '::1',
    // Made from the first of the MACs below.
    '2001:db8::ff:fe00:1',
  ],
  ports: [22, 53, 80, 443, 1024],
  interfaces: ['eth0', 'eth1', 'wlan0'],
  marks: [0, 1, 2, 0x10, 0xffffffff],
  macs: ['02:00:00:00:00:01', '02:00:00:00:00:02', 'ff:ff:ff:ff:ff:ff'],
};

/** A small deterministic generator (mulberry32). */
export function drawOf(seed: number): Draw {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    integer,
    pick: (choices) => choices[integer(0, choices.length - 1)]!,
    chance: (probability = 0.5) => next() < probability,
  };
}

function addressesOf(family: Family): Words[] {
  return POOLS.addresses.filter((text) => text.includes(':') === (family === 6)).map((text) => parseAddress(text, family)!);
}

function randomTuple(draw: Draw, family: Family): TupleView {
  const addresses = addressesOf(family);
  return {
    source: draw.pick(addresses),
    destination: draw.pick(addresses),
    sourcePort: draw.pick(POOLS.ports),
    destinationPort: draw.pick(POOLS.ports),
    protocol: draw.pick([1, 6, 17]),
  };
}

function randomCounter(draw: Draw): { packets: number; bytes: number } {
  const packets = draw.pick([0, 1, 2, 3, 5, 10]);
  return { packets, bytes: packets * draw.pick([20, 40, 52, 60, 100]) };
}

function randomConnection(draw: Draw, family: Family): ConnectionView {
  return {
    original: randomTuple(draw, family),
    reply: randomTuple(draw, family),
    status: draw.integer(0, 63),
    mark: draw.pick(POOLS.marks),
    counters: draw.chance(0.8) ? [randomCounter(draw), randomCounter(draw)] : null,
    labels: draw.chance(0.8) ? new Set([0, 1, 2, 31, 32, 64, 127].filter(() => draw.chance(0.3))) : null,
    masterHelper: draw.pick([null, 'ftp']),
    masterSource: null,
    template: false,
    expires: draw.pick([0, 1, 29, 30, 119, 120, 599, 432000]),
  };
}

/** Extension headers of IPv6, ESP, no next header, TCP. */
const HEADER_KINDS = [0, 43, 44, 51, 60, 50, 59, 6] as const;

/** Transport bytes: random length around the limits, ports from the pool, TCP with a data offset and options. */
function randomTransport(draw: Draw): Uint8Array {
  const length = draw.pick([0, 1, 2, 3, 4, 7, 8, 13, 14, 19, 20, 24, 28, 40, 60]);
  const bytes = Uint8Array.from({ length }, () => draw.pick([0, 1, 2, 3, 4, 8, 255, draw.integer(0, 255)]));
  const put = (at: number, value: number): void => {
    if (at + 1 < length) bytes.set([value >> 8, value & 255], at);
  };
  if (draw.chance(0.7)) {
    put(0, draw.pick(POOLS.ports));
    put(2, draw.pick(POOLS.ports));
  }
  // A chunk of SCTP, the last one.
  if (length >= 16 && draw.chance(0.3)) bytes.set([draw.integer(0, 14), draw.integer(0, 15), 0, length - 12], 12);
  else if (length > 12) bytes[12] = draw.pick([0x40, 0x50, 0x60, 0x70, 0xf0]);
  return bytes;
}

export function randomPacket(draw: Draw, family: Family): PacketView {
  const addresses = addressesOf(family);
  const connection = draw.chance(0.7) ? randomConnection(draw, family) : null;
  const states: CtState[] = connection === null ? ['INVALID', 'UNTRACKED'] : ['NEW', 'ESTABLISHED', 'RELATED'];
  const transport = randomTransport(draw);
  const broken = family === 6 && draw.chance(0.1);
  const header = Array.from({ length: family === 4 ? 20 : 40 }, () => draw.pick([0, 22, 80, 1, draw.integer(0, 255)]));
  if (family === 6 && draw.chance(0.7)) header[6] = draw.pick(HEADER_KINDS);
  return {
    family,
    bytes: Uint8Array.from([...header, ...transport]),
    length: draw.pick([20, 40, 60, 84, 1500, draw.integer(20, 1600)]),
    protocol: broken ? -1 : draw.pick([1, 6, 17, 58, 255]),
    protocolFailure: broken ? draw.pick(['hotdrop', 'miss']) : 'none',
    fragmentOffset: draw.chance(0.8) ? 0 : draw.pick([1, 2, 100]),
    transport,
    source: draw.pick(addresses),
    destination: draw.pick(addresses),
    ttl: draw.pick([0, 1, 2, 63, 64, 65, 128, 255]),
    tos: draw.pick([0, 2, 8, 16, 0x28, 0xb8, 0xff, draw.integer(0, 255)]),
    inInterface: draw.pick(['', ...POOLS.interfaces]),
    outInterface: draw.pick(['', ...POOLS.interfaces]),
    mark: draw.pick(POOLS.marks),
    packetType: draw.pick(['unicast', 'broadcast', 'multicast']),
    linkHeader: null,
    sourceMac: draw.chance(0.7)
      ? draw
          .pick(POOLS.macs)
          .split(':')
          .map((byte) => Number.parseInt(byte, 16))
      : null,
    connection,
    summed: false,
    unfinished: false,
    ctstate: draw.pick(states),
    hasSocket: false,
    looped: false,
    annotation: {},
    direction: connection !== null && draw.chance() ? 'REPLY' : 'ORIGINAL',
    time: BigInt(draw.integer(1_600_000_000, 1_600_000_060)) * 1_000_000_000n + BigInt(draw.integer(0, 999_999_999)),
  };
}

const STATES: readonly CtState[] = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'];
const PACKET_TYPES = { unicast: f.PACKET_HOST, broadcast: f.PACKET_BROADCAST, multicast: f.PACKET_MULTICAST };

/** Interface ids: the names in order, from 1; 0 is no interface. */
export function interfaceId(name: string): number {
  return POOLS.interfaces.indexOf(name) + 1;
}

/** The fields as abi/fields.ts documents them. `typeOf`: RTN_* of an address. */
export function fieldsOf(packet: PacketView, typeOf: (address: Words) => number): Uint32Array {
  const out = new Uint32Array(f.FIELD_COUNT);
  // Non-first IPv6 fragments: native-ports.ts says why.
  const l4 = packet.family === 6 && packet.fragmentOffset !== 0 ? packet.bytes : packet.transport;
  out[f.FIELD_PROTOCOL] = packet.protocol < 0 ? 255 : packet.protocol;
  out[f.FIELD_FRAGMENT] = packet.fragmentOffset;
  out[f.FIELD_L4_LENGTH] = l4.length;
  out[f.FIELD_SPORT] = l4.length >= 2 ? (l4[0]! << 8) | l4[1]! : 0;
  out[f.FIELD_DPORT] = l4.length >= 4 ? (l4[2]! << 8) | l4[3]! : 0;
  out[f.FIELD_TCP_FLAGS] = l4.length >= 14 ? l4[13]! & 0x3f : 0;
  out[f.FIELD_ICMP_TYPE] = l4.length >= 2 ? l4[0]! : 0;
  out[f.FIELD_ICMP_CODE] = l4.length >= 2 ? l4[1]! : 0;
  out[f.FIELD_LENGTH] = packet.length;
  out[f.FIELD_TTL] = packet.ttl;
  out[f.FIELD_TOS] = packet.tos;
  out[f.FIELD_IN_INTERFACE] = interfaceId(packet.inInterface);
  out[f.FIELD_OUT_INTERFACE] = interfaceId(packet.outInterface);
  out[f.FIELD_CT_STATE] = STATES.indexOf(packet.ctstate);
  out[f.FIELD_CT_DIRECTION] = packet.direction === 'REPLY' ? 1 : 0;
  out[f.FIELD_CT_STATUS] = packet.connection === null ? 0 : packet.connection.status | f.STATUS_ENTRY;
  out[f.FIELD_MARK] = packet.mark;
  out[f.FIELD_PACKET_TYPE] = PACKET_TYPES[packet.packetType];
  out[f.FIELD_SOURCE_TYPE] = typeOf(packet.source);
  out[f.FIELD_DESTINATION_TYPE] = typeOf(packet.destination);
  if (packet.sourceMac !== null) {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, last = 0] = packet.sourceMac;
    out[f.FIELD_MAC_HIGH] = 0x10000 | (a << 8) | b;
    out[f.FIELD_MAC_LOW] = (c << 24) | (d << 16) | (e << 8) | last;
  }
  out.set(packet.source, f.FIELD_SOURCE);
  out.set(packet.destination, f.FIELD_DESTINATION);
  out[f.FIELD_HEADER_ERROR] = packet.protocolFailure === 'hotdrop' ? 1 : packet.protocolFailure === 'miss' ? 2 : 0;
  out[f.FIELD_FAMILY] = packet.family;
  return out;
}
