/** Which way packets take: src/model/host.ts for the rules; what the stack drops was read off a 6.18 kernel, packet by packet. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as f from '../../../src/abi/fields.ts';
import { ROUTE_DEVICE_SHIFT } from '../../../src/abi/host.ts';
import * as p from '../../../src/abi/packet.ts';
import * as r from '../../../src/abi/reasons.ts';
import { encodeHost } from '../../../src/compile/host.ts';
import { buildInterfaces } from '../../../src/compile/interfaces.ts';
import type { Host, Route } from '../../../src/model/host.ts';
import { DEFAULT_PROFILE, type Profile } from '../../../src/model/profile.ts';
import { SEED } from '../../seed.ts';
import { BUILDS, compile, Front } from './engine.ts';
import { frame, type Ip4, type Ip6, ip4, ip6, MAC_A, MAC_B } from './packets.ts';

const NAMES = buildInterfaces(['eth+'], ['lo', 'eth0', 'eth1', 'eth2']);
const [LO, ETH0, ETH1, ETH2] = ['lo', 'eth0', 'eth1', 'eth2'].map((name) => NAMES.idOf(name)) as [number, number, number, number];

const route = (destination: readonly number[], prefix: number, type: Route['type'], device?: string, metric = 0): Route => ({
  family: destination.length === 1 ? 4 : 6,
  destination,
  prefix,
  type,
  metric,
  ...(device === undefined ? {} : { device }),
});
const INSIDE = [0xfd000000, 0, 0, 0];
const OWN6 = [0xfd000000, 0, 0, 1];
const LINK6 = [0xfe800000, 0, 0, 0xaabbccdd];
const FOUR = [
  { family: 4, address: [0xc0a80101], prefix: 24 },
  { family: 4, address: [0x0a000001], prefix: 8 },
] as const;
/** eth0 192.168.1.1/24 towards the world, eth1 10.0.0.1/8 and fd00::1/64 inside. */
const HOST: Host = {
  interfaces: [
    { name: 'lo', mac: [0, 0, 0, 0, 0, 0], addresses: [] },
    { name: 'eth0', mac: MAC_A, mtu: 1500, addresses: [FOUR[0], { family: 6, address: LINK6, prefix: 64 }] },
    { name: 'eth1', mtu: 1400, addresses: [FOUR[1], { family: 6, address: OWN6, prefix: 64 }] },
  ],
  routes: [
    route([0x7f000000], 8, 'local', 'lo'),
    route([0xc0a80101], 32, 'local', 'eth0'),
    route([0xc0a801ff], 32, 'broadcast', 'eth0'),
    route([0x0a000001], 32, 'local', 'eth1'),
    route([0x0affffff], 32, 'broadcast', 'eth1'),
    route([0xc0a80100], 24, 'unicast', 'eth0'),
    route([0x0a000000], 8, 'unicast', 'eth1'),
    route([0], 0, 'unicast', 'eth0', 100),
    route([0xac100000], 12, 'unreachable'),
    route([0xcb007100], 24, 'blackhole'),
    route([0xc6336400], 24, 'throw'),
    route([0, 0, 0, 1], 128, 'local', 'lo'),
    route(OWN6, 128, 'local', 'eth1'),
    route(INSIDE, 128, 'anycast', 'eth1'),
    route(LINK6, 128, 'local', 'eth0'),
    route(INSIDE, 64, 'unicast', 'eth1'),
    route([0xfe800000, 0, 0, 0], 64, 'unicast', 'eth0'),
    route([0x20010000, 0, 0, 0], 16, 'unicast', 'eth0'),
    route([0x20020000, 0, 0, 0], 16, 'prohibit'),
  ],
  forward: false,
  notes: [],
  guessed: false,
};
const ALL = [255, 255, 255, 255, 255, 255];
const LOCAL0 = 0xc0a80101;
const LOCAL1 = 0x0a000001;
const WORLD = 0x08080808;
const INNER = 0x0a010203;

describe.each(BUILDS)('the way of a packet, %s build', (build) => {
  const front = new Front(compile(build));
  const use = (host: Partial<Host> = {}, profile: Partial<Profile> = {}, addressTypes = false): void => {
    front.host(encodeHost({ ...HOST, ...host }, { ...DEFAULT_PROFILE, ...profile }, NAMES, { addressTypes }));
  };
  type Place = { direction?: number; interface?: number; wire?: number };
  const fate = (): [number, number, number, number] => {
    const { unseen, way, stack } = front.decode();
    if (way === p.WAY_UNSEEN) return [way, unseen, 0, 0];
    return [way, stack, front.field(f.FIELD_IN_INTERFACE), front.field(f.FIELD_OUT_INTERFACE)];
  };
  const four = (packet: Ip4, place: Place = {}): [number, number, number, number] => {
    front.frame(Uint8Array.from(ip4(packet)), 101, place);
    return fate();
  };
  const six = (packet: Ip6, place: Place = {}): [number, number, number, number] => {
    front.frame(Uint8Array.from(ip6(packet)), 101, place);
    return fate();
  };
  const framed = (
    packet: Ip4,
    destination: readonly number[],
    source: readonly number[] = MAC_B,
    place: Place = {},
  ): [number, number, number, number] => {
    front.frame(Uint8Array.from(frame(0x800, ip4(packet), destination, source)), 1, place);
    return fate();
  };
  /** Dropped on its way to INPUT, or to FORWARD. */
  const gone = (reason: number, device: number, way: number = p.WAY_LOST_FORWARD): [number, number, number, number] => [
    way,
    reason,
    device,
    0,
  ];

  test('INPUT, OUTPUT, FORWARD, LOOPBACK and their interfaces', () => {
    use();
    expect(four({ source: WORLD, destination: LOCAL0 })).toEqual([p.WAY_INPUT, 0, ETH0, 0]);
    expect(four({ source: INNER, destination: LOCAL0 })).toEqual([p.WAY_INPUT, 0, ETH1, 0]);
    expect(four({ source: INNER, destination: LOCAL0 }, { interface: ETH2 })).toEqual([p.WAY_INPUT, 0, ETH2, 0]);
    expect(four({ source: INNER, destination: WORLD })).toEqual([p.WAY_FORWARD, 0, ETH1, ETH0]);
    expect(four({ source: LOCAL0, destination: INNER })).toEqual([p.WAY_OUTPUT, 0, 0, ETH1]);
    expect(four({ source: LOCAL0, destination: INNER }, { interface: ETH2, direction: 2 })).toEqual([p.WAY_OUTPUT, 0, 0, ETH2]);
    expect(four({ source: LOCAL0, destination: LOCAL1 })).toEqual([p.WAY_LOOPBACK, 0, LO, LO]);
    expect(four({ source: 0x7f000001, destination: 0x7f000001 })).toEqual([p.WAY_LOOPBACK, 0, LO, LO]);
    expect(four({ source: WORLD, destination: INNER }, { direction: 2 })).toEqual([p.WAY_UNSEEN, r.UNSEEN_OUTGOING_COPY, 0, 0]);
    expect(four({ source: LOCAL0, destination: LOCAL1 }, { direction: 1 })).toEqual(
      gone(r.STACK_MARTIAN_SOURCE, ETH0, p.WAY_LOST_INPUT),
    );
    expect(four({ source: INNER, destination: 0x0affffff })).toEqual([p.WAY_INPUT, 0, ETH1, 0]);
    expect(four({ source: INNER, destination: 0xffffffff })).toEqual([p.WAY_INPUT, 0, ETH1, 0]);
    expect(four({ source: 0, destination: 0xffffffff })).toEqual([p.WAY_INPUT, 0, ETH0, 0]);
    expect(six({ source: [0x20010db8, 0, 0, 1], destination: OWN6 })).toEqual([p.WAY_INPUT, 0, ETH0, 0]);
    expect(six({ source: [0x20010db8, 0, 0, 1], destination: INSIDE })).toEqual([p.WAY_INPUT, 0, ETH0, 0]);
    expect(six({ source: [0x20010db8, 0, 0, 1], destination: [0xfd000000, 0, 0, 9] })).toEqual([p.WAY_FORWARD, 0, ETH0, ETH1]);
    expect(six({ source: OWN6, destination: [0x20010db8, 0, 0, 1] })).toEqual([p.WAY_OUTPUT, 0, 0, ETH0]);
    expect(six({ source: [0, 0, 0, 1], destination: [0, 0, 0, 1] })).toEqual([p.WAY_LOOPBACK, 0, LO, LO]);
    expect(six({ source: OWN6, destination: LINK6 }, { direction: 1 })).toEqual([p.WAY_INPUT, 0, ETH0, 0]);
    use({ in: 'eth2', out: 'eth2' });
    expect(four({ source: INNER, destination: LOCAL0 })).toEqual([p.WAY_INPUT, 0, ETH2, 0]);
    expect(four({ source: LOCAL0, destination: INNER })).toEqual([p.WAY_OUTPUT, 0, 0, ETH2]);
    expect(four({ source: INNER, destination: WORLD })).toEqual([p.WAY_FORWARD, 0, ETH2, ETH0]);
  });

  test('without routes, interfaces or flags', () => {
    const bare: Partial<Host> = { interfaces: [], routes: [route([LOCAL0], 32, 'local', 'eth1')] };
    use(bare);
    expect(four({ source: WORLD, destination: LOCAL0 })).toEqual([p.WAY_INPUT, 0, ETH0, 0]);
    expect(four({ source: LOCAL0, destination: WORLD })).toEqual([p.WAY_OUTPUT, 0, 0, ETH0]);
    expect(four({ source: WORLD, destination: INNER })).toEqual(gone(r.STACK_NO_ROUTE, ETH0));
    expect(six({})).toEqual(gone(r.STACK_NO_ROUTE, ETH0));
    use({ ...bare, in: 'eth1' });
    expect(four({ source: LOCAL0, destination: WORLD })).toEqual([p.WAY_OUTPUT, 0, 0, ETH1]);
    use({ ...bare, out: 'eth2' });
    expect(four({ source: WORLD, destination: INNER })).toEqual([p.WAY_FORWARD, 0, ETH0, ETH2]);
    expect(six({})).toEqual([p.WAY_FORWARD, 0, ETH0, ETH2]);
  });

  test('IPv4 martians, routes that refuse, forwarding', () => {
    use();
    const cases: [packet: Ip4, reason: number][] = [
      [{ source: 0xe0000001, destination: LOCAL0 }, r.STACK_MARTIAN_SOURCE],
      [{ source: 0xffffffff, destination: LOCAL0 }, r.STACK_MARTIAN_SOURCE],
      [{ source: 0, destination: LOCAL0 }, r.STACK_MARTIAN_SOURCE],
      [{ source: WORLD, destination: 0 }, r.STACK_MARTIAN_DESTINATION],
      [{ source: WORLD, destination: 0x7f000001 }, r.STACK_MARTIAN_DESTINATION],
      [{ source: WORLD, destination: 0xe0000005 }, r.STACK_MULTICAST],
      [{ source: WORLD, destination: 0xac100001 }, r.STACK_UNREACHABLE],
      [{ source: WORLD, destination: 0xcb007101 }, r.STACK_UNREACHABLE],
      [{ source: WORLD, destination: 0xc6336401 }, r.STACK_NO_ROUTE],
      [{ source: WORLD, destination: INNER, ttl: 1 }, r.STACK_TTL],
      [{ source: WORLD, destination: INNER, ttl: 0 }, r.STACK_TTL],
      [{ source: WORLD, destination: INNER, fragment: 0x4000, payload: Array(1381).fill(0) }, r.STACK_MTU],
      [{ source: WORLD, destination: LOCAL0, options: [131, 3, 4, 0] }, r.STACK_SOURCE_ROUTE],
      [{ source: WORLD, destination: LOCAL0, options: [7, 3, 1, 0] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: LOCAL0, options: [1, 1, 1, 7] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: INNER, options: [99, 5, 0, 0] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: INNER, options: [7, 7, 5, 0, 0, 0, 0, 0] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: INNER, options: [7, 3, 4, 7, 3, 4, 0, 0] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: INNER, options: [68, 4, 5, 0xf0] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: INNER, options: [68, 8, 5, 1, 0, 0, 0, 0] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: INNER, options: [134, 10, 0, 0, 0, 1, 1, 4, 0, 1, 0, 0] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: INNER, options: [148, 3, 0, 0] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: 0xe0000001, options: [7, 3, 1, 0] }, r.STACK_IP_OPTIONS],
      [{ source: WORLD, destination: LOCAL0, options: [137, 3, 4, 0] }, r.STACK_SOURCE_ROUTE],
      [{ source: WORLD, destination: 0xe0000002 }, r.STACK_MULTICAST],
      [{ source: 0xc0a801ff, destination: WORLD }, r.STACK_MARTIAN_SOURCE],
    ];
    const onward = [INNER, WORLD, 0xac100001, 0xcb007101, 0xc6336401];
    for (const [packet, reason] of cases) {
      const way = onward.includes(packet.destination ?? 0) ? p.WAY_LOST_FORWARD : p.WAY_LOST_INPUT;
      expect([packet, four(packet)]).toEqual([packet, gone(reason, ETH0, way)]);
    }
    expect(four({ source: 0x7f000001, destination: WORLD }, { direction: 1 })).toEqual(
      gone(r.STACK_MARTIAN_SOURCE, ETH0, p.WAY_LOST_INPUT),
    );
    const passes: [packet: Ip4, way: number][] = [
      [{ source: WORLD, destination: 0xe0000001, ttl: 1 }, p.WAY_INPUT],
      [{ source: WORLD, destination: LOCAL0, ttl: 0 }, p.WAY_INPUT],
      [{ source: WORLD, destination: INNER, ttl: 2 }, p.WAY_FORWARD],
      [{ source: WORLD, destination: INNER, fragment: 0x4000, payload: Array(1380).fill(0) }, p.WAY_FORWARD],
      [{ source: WORLD, destination: INNER, payload: Array(1381).fill(0) }, p.WAY_FORWARD],
      [{ source: WORLD, destination: LOCAL0, options: [7, 7, 4, 0, 0, 0, 0, 0] }, p.WAY_INPUT],
      [{ source: WORLD, destination: LOCAL0, options: [148, 4, 0, 0] }, p.WAY_INPUT],
      [{ source: WORLD, destination: LOCAL0, options: [68, 4, 5, 0x10] }, p.WAY_INPUT],
      [{ source: WORLD, destination: INNER, options: [68, 4, 5, 0xf3] }, p.WAY_FORWARD],
      [{ source: WORLD, destination: INNER, options: [68, 8, 5, 2, 0, 0, 0, 0] }, p.WAY_FORWARD],
      [{ source: WORLD, destination: INNER, options: [99, 4, 0, 0] }, p.WAY_FORWARD],
      [{ source: WORLD, destination: INNER, options: [0, 99, 1, 1] }, p.WAY_FORWARD],
      [{ source: 0xc0a801ff, destination: LOCAL0 }, p.WAY_INPUT],
      [{ source: 0xc0a801ff, destination: INNER }, p.WAY_FORWARD],
      [{ source: 1, destination: LOCAL0 }, p.WAY_INPUT],
      [{ source: 0xf0000001, destination: LOCAL0 }, p.WAY_INPUT],
      [{ source: WORLD, destination: 0x00010203 }, p.WAY_FORWARD],
      [{ source: WORLD, destination: 0xf0000001 }, p.WAY_FORWARD],
      [{ source: 0, destination: 0xe0000001 }, p.WAY_INPUT],
      [{ source: 0, destination: 0 }, p.WAY_INPUT],
    ];
    for (const [packet, way] of passes) expect([packet, four(packet)[0]]).toEqual([packet, way]);
    use({}, { sysctls: { 'net.ipv4.ip_forward': 0 } });
    expect(four({ source: WORLD, destination: INNER })).toEqual(gone(r.STACK_FORWARDING_OFF, ETH0));
    expect(four({ source: WORLD, destination: LOCAL0 })[0]).toBe(p.WAY_INPUT);
  });

  test('rp_filter: strict wants the route back on the device, loose any route', () => {
    const spoofed = { source: INNER, destination: WORLD };
    const place = { interface: ETH0 };
    for (const [value, reason] of [
      [0, 0],
      [1, r.STACK_RP_FILTER],
      [2, 0],
    ] as const) {
      use({}, { sysctls: { 'net.ipv4.conf.all.rp_filter': value } });
      expect([value, four(spoofed, place)[1]]).toEqual([value, reason]);
      const nowhere = value === 0 ? 0 : r.STACK_RP_FILTER;
      expect([value, four({ source: 0xcb007101, destination: INNER }, place)[1]]).toEqual([value, nowhere]);
      expect(four({ source: WORLD, destination: LOCAL0 }, place)).toEqual([p.WAY_INPUT, 0, ETH0, 0]);
    }
  });

  test('rp_filter of a device: the larger of its own and that of all; devices without one have that of default', () => {
    const spoofed = { source: INNER, destination: WORLD };
    const reasonAt = (device: number, sysctls: Record<string, number>): number => {
      const full = Object.entries(sysctls).map(([name, value]) => [`net.ipv4.conf.${name}.rp_filter`, value]);
      use({}, { sysctls: Object.fromEntries(full) });
      return four(spoofed, { interface: device })[1]!;
    };
    expect(reasonAt(ETH0, { eth0: 1 })).toBe(r.STACK_RP_FILTER);
    expect(reasonAt(ETH0, { eth1: 1 })).toBe(0);
    expect(reasonAt(ETH0, { all: 1, eth0: 2 })).toBe(0);
    expect(reasonAt(ETH0, { default: 1 })).toBe(r.STACK_RP_FILTER);
    expect(reasonAt(ETH0, { default: 1, eth0: 0 })).toBe(0);
    // A device nobody announced, between the names that were.
    expect(reasonAt(ETH2 + 1, { default: 1 })).toBe(r.STACK_RP_FILTER);
    expect(reasonAt(ETH2 + 1, { eth2: 1 })).toBe(0);
  });

  test('IPv6: routes, scopes, hop limit, MTU, groups', () => {
    use();
    const outside = [0x20010db8, 0, 0, 1];
    const inside = [0xfd000000, 0, 0, 9];
    const cases: [packet: Ip6, way: number, reason: number][] = [
      [{ source: outside, destination: inside, hops: 1 }, p.WAY_LOST_FORWARD, r.STACK_TTL],
      [{ source: outside, destination: inside, hops: 2 }, p.WAY_FORWARD, 0],
      [{ source: outside, destination: [0x20020000, 0, 0, 1] }, p.WAY_LOST_FORWARD, r.STACK_UNREACHABLE],
      [{ source: outside, destination: [0x30000000, 0, 0, 1] }, p.WAY_LOST_FORWARD, r.STACK_NO_ROUTE],
      [{ source: [0xfe800000, 0, 0, 9], destination: inside }, p.WAY_LOST_FORWARD, r.STACK_SOURCE_SCOPE],
      [{ source: [0, 0, 0, 0], destination: inside }, p.WAY_LOST_FORWARD, r.STACK_SOURCE_SCOPE],
      [{ source: outside, destination: inside, payload: Array(1360).fill(0) }, p.WAY_FORWARD, 0],
      [{ source: outside, destination: inside, payload: Array(1361).fill(0) }, p.WAY_LOST_FORWARD, r.STACK_MTU],
      [{ source: outside, destination: [0xff020000, 0, 0, 1] }, p.WAY_INPUT, 0],
      [{ source: outside, destination: [0xff020000, 0, 0, 2] }, p.WAY_INPUT, 0],
      [{ source: outside, destination: [0xff050000, 0, 0, 2] }, p.WAY_INPUT, 0],
      [{ source: outside, destination: [0xff050000, 0, 0, 1] }, p.WAY_LOST_INPUT, r.STACK_MULTICAST],
      [{ source: outside, destination: [0xff020000, 0, 1, 0xffbbccdd] }, p.WAY_INPUT, 0],
      [{ source: outside, destination: [0xff020000, 0, 1, 0xffbbccde] }, p.WAY_LOST_INPUT, r.STACK_MULTICAST],
      [{ source: outside, destination: [0xff0e0000, 0, 0, 1] }, p.WAY_LOST_INPUT, r.STACK_MULTICAST],
    ];
    for (const [packet, way, reason] of cases) expect([packet, ...six(packet).slice(0, 2)]).toEqual([packet, way, reason]);
    expect(six({ source: [0xfe800000, 0, 0, 9], destination: [0xfe800000, 0, 0, 8] })).toEqual([p.WAY_FORWARD, 0, ETH0, ETH0]);
    use({}, { sysctls: { 'net.ipv6.conf.all.forwarding': 0 } });
    expect(six({ source: outside, destination: inside })).toEqual(gone(r.STACK_FORWARDING_OFF, ETH0));
    expect(six({ source: outside, destination: [0xff020000, 0, 0, 2] })[1]).toBe(r.STACK_MULTICAST);
  });

  test('frames: other hosts, our own MAC, group addresses', () => {
    use();
    const toUs = { source: WORLD, destination: LOCAL0 };
    expect(framed(toUs, MAC_A)[0]).toBe(p.WAY_INPUT);
    expect(framed(toUs, [2, 0, 0, 0, 0, 0x0c])).toEqual([p.WAY_UNSEEN, r.UNSEEN_OTHERHOST, 0, 0]);
    expect(framed({ ...toUs, checksum: 1 }, [2, 0, 0, 0, 0, 0x0c])[1]).toBe(r.UNSEEN_OTHERHOST);
    expect(framed(toUs, [2, 0, 0, 0, 0, 0x0c], MAC_B, { interface: ETH0 })[1]).toBe(r.UNSEEN_OTHERHOST);
    expect(framed(toUs, [2, 0, 0, 0, 0, 0x0c], MAC_B, { interface: ETH1 })[0]).toBe(p.WAY_INPUT);
    expect(framed({ source: WORLD, destination: INNER }, ALL)).toEqual(gone(r.STACK_NOT_HOST, ETH0));
    expect(framed({ source: WORLD, destination: 0xffffffff }, ALL)[0]).toBe(p.WAY_INPUT);
    expect(framed({ source: WORLD, destination: INNER }, MAC_B, MAC_A)).toEqual([p.WAY_UNSEEN, r.UNSEEN_OUTGOING_COPY, 0, 0]);
    expect(framed({ source: LOCAL0, destination: WORLD }, MAC_B, MAC_A)).toEqual([p.WAY_OUTPUT, 0, 0, ETH0]);
    expect([front.field(f.FIELD_MAC_HIGH), front.field(f.FIELD_PACKET_TYPE)]).toEqual([0, 0]);
    const cooked = (type: number, packet: Ip4): [number, number, number, number] => {
      front.frame(Uint8Array.from([0, type, 0, 1, 0, 6, ...MAC_B, 0, 0, 8, 0, ...ip4(packet)]), 113);
      return fate();
    };
    expect(cooked(0, toUs)[0]).toBe(p.WAY_INPUT);
    expect(cooked(3, toUs)).toEqual([p.WAY_UNSEEN, r.UNSEEN_OTHERHOST, 0, 0]);
    expect(cooked(4, { source: LOCAL0, destination: WORLD })).toEqual([p.WAY_OUTPUT, 0, 0, ETH0]);
    expect(cooked(4, { source: INNER, destination: WORLD })[1]).toBe(r.UNSEEN_OUTGOING_COPY);
    expect(cooked(0, { source: LOCAL0, destination: WORLD })).toEqual(gone(r.STACK_MARTIAN_SOURCE, ETH0));
  });

  test('--forward: everything arrives', () => {
    use({ forward: true, in: 'eth1', out: 'eth2' });
    expect(four({ source: LOCAL0, destination: LOCAL1 })).toEqual([p.WAY_FORWARD, 0, ETH1, ETH2]);
    expect(four({ source: LOCAL0, destination: LOCAL1 }, { direction: 2, interface: ETH0 })).toEqual([
      p.WAY_FORWARD,
      0,
      ETH1,
      ETH2,
    ]);
    expect(framed({}, MAC_B, MAC_A)[0]).toBe(p.WAY_FORWARD);
    expect(framed({}, ALL)).toEqual(gone(r.STACK_NOT_HOST, ETH1));
    expect(four({ destination: 0xffffffff })).toEqual([p.WAY_INPUT, 0, ETH1, 0]);
    expect(four({ source: 0x7f000001 })).toEqual(gone(r.STACK_MARTIAN_SOURCE, ETH1, p.WAY_LOST_INPUT));
    expect(four({ destination: 0x7f000001 })).toEqual(gone(r.STACK_MARTIAN_DESTINATION, ETH1, p.WAY_LOST_INPUT));
    expect(four({ ttl: 1 })).toEqual(gone(r.STACK_TTL, ETH1));
    expect(six({ source: OWN6 })).toEqual([p.WAY_FORWARD, 0, ETH1, ETH2]);
  });

  test('address types, with and without a device', () => {
    use({}, {}, true);
    const of4 = (source: number, destination: number): number[] => {
      four({ source, destination });
      return [front.field(f.FIELD_SOURCE_TYPE), front.field(f.FIELD_DESTINATION_TYPE)];
    };
    expect(of4(WORLD, LOCAL0)).toEqual([f.RTN_UNICAST, f.RTN_LOCAL]);
    expect([ETH0, ETH1, LO, 0].map((id) => front.typeOnDevice(true, id))).toEqual([f.RTN_LOCAL, 1, 1, 1]);
    expect(front.typeOnDevice(false, ETH0)).toBe(f.RTN_UNICAST);
    expect(of4(0x7f010101, 0xc0a801ff)).toEqual([f.RTN_LOCAL, f.RTN_BROADCAST]);
    expect([front.typeOnDevice(false, LO), front.typeOnDevice(true, ETH0), front.typeOnDevice(true, ETH1)]).toEqual([2, 3, 1]);
    expect(of4(0, 0xffffffff)).toEqual([f.RTN_BROADCAST, f.RTN_BROADCAST]);
    expect(front.typeOnDevice(true, ETH1)).toBe(f.RTN_BROADCAST);
    expect(of4(0xcb007101, 0xe0000009)).toEqual([f.RTN_UNICAST, f.RTN_MULTICAST]);
    six({ source: [0, 0, 0, 0], destination: OWN6 });
    expect([front.field(f.FIELD_SOURCE_TYPE), front.field(f.FIELD_DESTINATION_TYPE)]).toEqual([f.RTN_UNSPEC, f.RTN_LOCAL]);
    six({ source: [0x20020000, 0, 0, 1], destination: [0xff020000, 0, 0, 1] });
    expect([front.field(f.FIELD_SOURCE_TYPE), front.field(f.FIELD_DESTINATION_TYPE)]).toEqual([
      f.RTN_UNREACHABLE,
      f.RTN_MULTICAST,
    ]);
  });

  test('routes are found as a plain longest-prefix search finds them', () => {
    const types = ['unicast', 'local', 'broadcast', 'blackhole', 'unreachable'] as const;
    // Few bits, so that prefixes nest and collide.
    const word = fc.constantFrom(0, 1, 0x80000000, 0xffffffff, 0x0a000000, 0x0a010000, 0x0a0100ff, 0x0affffff);
    const routeOf = (words: number): fc.Arbitrary<Route> =>
      fc.record({
        family: fc.constant(words === 1 ? (4 as const) : (6 as const)),
        destination: fc.array(word, { minLength: words, maxLength: words }),
        prefix: fc.integer({ min: 0, max: 32 * words }),
        type: fc.constantFrom(...types),
        device: fc.constantFrom('eth0', 'eth1', 'eth2'),
        metric: fc.integer({ min: 0, max: 2 }),
      });
    const scratch = 512;
    for (const words of [1, 4]) {
      const property = fc.property(
        fc.array(routeOf(words), { maxLength: 12 }),
        fc.array(fc.array(word, { minLength: words, maxLength: words }), { minLength: 1, maxLength: 8 }),
        (routes, addresses) => {
          use({ routes });
          for (const address of [...addresses, ...routes.flatMap((each) => around(each))]) {
            address.forEach((value, i) => {
              front.view.setUint32(scratch + 4 * i, value, true);
            });
            const found = words === 1 ? front.exports.route4(address[0]!) : front.exports.route6(scratch);
            expect(found >>> 0).toBe(naive(routes, address));
          }
        },
      );
      fc.assert(property, { seed: SEED, numRuns: 200 });
    }
  });
});

/** The longest prefix of the local table, else of the main one; then the lowest metric, then the first. */
function naive(routes: readonly Route[], address: readonly number[]): number {
  const value = (words: readonly number[]): bigint => words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
  const bits = address.length * 32;
  const covers = (each: Route): boolean =>
    value(each.destination) >> BigInt(bits - each.prefix) === value(address) >> BigInt(bits - each.prefix);
  const isLocal = (each: Route): boolean => each.type === 'local' || each.type === 'broadcast';
  for (const table of [routes.filter(isLocal), routes.filter((each) => !isLocal(each))]) {
    let best: Route | undefined;
    for (const each of table.filter(covers)) {
      if (best === undefined || each.prefix > best.prefix || (each.prefix === best.prefix && each.metric < best.metric))
        best = each;
    }
    if (best !== undefined) {
      const type = { unicast: 1, local: 2, broadcast: 3, blackhole: 6, unreachable: 7 }[best.type as 'unicast'];
      return type | (NAMES.idOf(best.device!) << ROUTE_DEVICE_SHIFT);
    }
  }
  return 0;
}

/** First and last address of a prefix and their neighbours. */
function around({ destination, prefix }: Route): number[][] {
  const bits = BigInt(destination.length * 32);
  const size = 1n << (bits - BigInt(prefix));
  const first = (destination.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n) / size) * size;
  return [first - 1n, first, first + size - 1n, first + size].map((address) => {
    const value = BigInt.asUintN(Number(bits), address);
    return destination.map((_, i) => Number((value >> BigInt(32 * (destination.length - 1 - i))) & 0xffffffffn));
  });
}
