/** The engine's link layers and IP headers, on literal bytes. */
import { describe, expect, test } from 'vitest';
import * as f from '../../../src/abi/fields.ts';
import * as p from '../../../src/abi/packet.ts';
import * as r from '../../../src/abi/reasons.ts';
import { encodeHost } from '../../../src/compile/host.ts';
import { buildInterfaces } from '../../../src/compile/interfaces.ts';
import type { Host } from '../../../src/model/host.ts';
import { DEFAULT_PROFILE, type Profile } from '../../../src/model/profile.ts';
import { BUILDS, compile, Front } from './engine.ts';
import { filler } from './files.ts';
import { frame, ip4, ip6, MAC_A, MAC_B, tcp } from './packets.ts';

const NAMES = buildInterfaces([], ['lo', 'eth0', 'eth1']);
const FORWARD: Host = { interfaces: [], routes: [], forward: true, in: 'eth0', out: 'eth1', notes: [], guessed: false };

function block(profile: Partial<Profile> = {}): Uint8Array {
  return encodeHost(FORWARD, { ...DEFAULT_PROFILE, ...profile }, NAMES, { addressTypes: false });
}

const FOUR = ip4();
const SIX = ip6();
const ALL = [255, 255, 255, 255, 255, 255];
const GROUP = [1, 0, 0x5e, 0, 0, 1];

describe.each(BUILDS)('packets, %s build', (build) => {
  const front = new Front(compile(build));
  const unseen = (bytes: readonly number[], linktype = 101, more = {}): number => {
    front.frame(Uint8Array.from(bytes), linktype, more);
    return front.decode().unseen;
  };
  const ipAt = (): number[] => [
    ...front.bytes.slice(front.get(p.PACKET_IP), front.get(p.PACKET_IP) + front.get(p.PACKET_IP_CAPTURED)),
  ];

  test('every link layer finds the IP header', () => {
    front.host(block());
    const vlan = (type: number, rest: readonly number[]): number[] => [0, 5, type >> 8, type & 255, ...rest];
    const mpls = (rest: readonly number[]): number[] => [0, 1, 0x00, 64, 0, 2, 0x01, 64, ...rest];
    const ppp = (protocol: number, ip: readonly number[]): number[] => [
      0x11,
      0,
      0,
      9,
      (ip.length + 2) >> 8,
      (ip.length + 2) & 255,
      0,
      protocol,
      ...ip,
    ];
    const sll = (type: number, rest: readonly number[]): number[] => [
      0,
      0,
      0,
      1,
      0,
      6,
      ...MAC_B,
      0,
      0,
      type >> 8,
      type & 255,
      ...rest,
    ];
    const sll2 = (type: number, rest: readonly number[]): number[] => [
      type >> 8,
      type & 255,
      0,
      0,
      0,
      0,
      0,
      3,
      0,
      1,
      0,
      6,
      ...MAC_B,
      0,
      0,
      ...rest,
    ];
    const cases: [what: string, linktype: number, bytes: number[], ip: number[]][] = [
      ['ethernet 4', 1, frame(0x0800, FOUR), FOUR],
      ['ethernet 6', 1, frame(0x86dd, SIX), SIX],
      ['802.1Q', 1, frame(0x8100, vlan(0x0800, FOUR)), FOUR],
      ['QinQ', 1, frame(0x88a8, vlan(0x8100, vlan(0x86dd, SIX))), SIX],
      ['9100', 1, frame(0x9100, vlan(0x8100, vlan(0x0800, FOUR))), FOUR],
      ['MPLS 4', 1, frame(0x8847, mpls(FOUR)), FOUR],
      ['MPLS 6', 1, frame(0x8848, mpls(SIX)), SIX],
      ['PPPoE 4', 1, frame(0x8864, ppp(0x21, FOUR)), FOUR],
      ['PPPoE 6 in a VLAN', 1, frame(0x8100, vlan(0x8864, ppp(0x57, SIX))), SIX],
      ['SLL', 113, sll(0x0800, FOUR), FOUR],
      ['SLL, VLAN', 113, sll(0x8100, vlan(0x86dd, SIX)), SIX],
      ['SLL2', 276, sll2(0x86dd, SIX), SIX],
      ['raw 101', 101, FOUR, FOUR],
      ['raw 12', 12, SIX, SIX],
      ['raw 14', 14, FOUR, FOUR],
      ['IPV4', 228, FOUR, FOUR],
      ['IPV6', 229, SIX, SIX],
      ['NULL little', 0, [2, 0, 0, 0, ...FOUR], FOUR],
      ['NULL big', 0, [0, 0, 0, 2, ...FOUR], FOUR],
      ['LOOP', 108, [0, 0, 0, 24, ...SIX], SIX],
      ...[10, 24, 28, 30].flatMap((family): [string, number, number[], number[]][] => [
        [`NULL ${family}`, 0, [family, 0, 0, 0, ...SIX], SIX],
        [`NULL ${family} big`, 0, [0, 0, 0, family, ...SIX], SIX],
      ]),
    ];
    for (const [what, linktype, bytes, ip] of cases) {
      expect([what, unseen(bytes, linktype), ipAt()]).toEqual([what, 0, ip]);
      const header = bytes.length - ip.length;
      for (let cut = 0; cut < header; cut++)
        expect([what, cut, unseen(bytes.slice(0, cut), linktype)]).toEqual([what, cut, r.UNSEEN_LINK_TRUNCATED]);
      for (let cut = header; cut < bytes.length; cut++) {
        const reason = cut - header < (ip === FOUR ? 20 : 40) ? r.UNSEEN_IP_SHORT : r.UNSEEN_IP_TRUNCATED;
        const mpls0 = what.startsWith('MPLS') && cut === header;
        expect([what, cut, unseen(bytes.slice(0, cut), linktype)]).toEqual([what, cut, mpls0 ? r.UNSEEN_LINK_TRUNCATED : reason]);
      }
    }
  });

  test('what is not IP', () => {
    front.host(block());
    const cases: [bytes: number[], linktype: number, reason: number][] = [
      [frame(0x0806, filler(28)), 1, r.UNSEEN_NOT_IP],
      [frame(0x0040, [0xaa, 0xaa, 3, 0, 0, 0, 8, 0, ...FOUR]), 1, r.UNSEEN_NOT_IP],
      [frame(0x8847, [0, 0, 1, 64, 0, 0, 0, 0]), 1, r.UNSEEN_NOT_IP],
      [frame(0x8864, [0x11, 9, 0, 0, 0, 4, 0, 0x21, 1, 1]), 1, r.UNSEEN_NOT_IP],
      [frame(0x8864, [0x11, 0, 0, 0, 0, 4, 0xc0, 0x21, 1, 1]), 1, r.UNSEEN_NOT_IP],
      [frame(0x8863, filler(20)), 1, r.UNSEEN_NOT_IP],
      [[9, 0, 0, 0, ...FOUR], 0, r.UNSEEN_NOT_IP],
      [FOUR, 105, r.UNSEEN_LINKTYPE],
      [[0x50, ...FOUR], 101, r.UNSEEN_IP_VERSION],
      [[], 101, r.UNSEEN_IP_SHORT],
    ];
    for (const [bytes, linktype, reason] of cases) expect(unseen(bytes, linktype)).toBe(reason);
  });

  test('packet type and MAC', () => {
    front.host(block());
    const cases: [destination: number[], type: number][] = [
      [MAC_A, f.PACKET_HOST],
      [ALL, f.PACKET_BROADCAST],
      [GROUP, f.PACKET_MULTICAST],
    ];
    for (const [destination, type] of cases) {
      unseen(frame(0x0800, ip4({ destination: 0xffffffff }), destination), 1);
      expect(front.field(f.FIELD_PACKET_TYPE)).toBe(type);
      expect([front.field(f.FIELD_MAC_HIGH), front.field(f.FIELD_MAC_LOW)]).toEqual([0x10200, 0x0000000b]);
    }
    unseen([0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 7, 0, 0, 8, 0, ...ip4({ destination: 0xffffffff })], 113);
    expect([front.field(f.FIELD_PACKET_TYPE), front.field(f.FIELD_MAC_HIGH), front.field(f.FIELD_MAC_LOW)]).toEqual([
      1, 0x10200, 7,
    ]);
    unseen(FOUR);
    expect([front.field(f.FIELD_PACKET_TYPE), front.field(f.FIELD_MAC_HIGH), front.get(p.PACKET_ETHERNET)]).toEqual([0, 0, 0]);
  });

  test('the static fields of IPv4', () => {
    front.host(block());
    const bytes = ip4({ tos: 0x1c, ttl: 7, options: [1, 1, 1, 0], payload: [...tcp(0xd2), 9, 9, 9] });
    expect(unseen(frame(0x0800, [...bytes, 0, 0, 0]), 1)).toBe(0);
    const expected: Record<number, number> = {
      [f.FIELD_PROTOCOL]: 6,
      [f.FIELD_FRAGMENT]: 0,
      [f.FIELD_L4_LENGTH]: 23,
      [f.FIELD_SPORT]: 1234,
      [f.FIELD_DPORT]: 80,
      [f.FIELD_TCP_FLAGS]: 0x12,
      [f.FIELD_ICMP_TYPE]: 4,
      [f.FIELD_ICMP_CODE]: 210,
      [f.FIELD_LENGTH]: 47,
      [f.FIELD_TTL]: 7,
      [f.FIELD_TOS]: 0x1c,
      [f.FIELD_IN_INTERFACE]: NAMES.idOf('eth0'),
      [f.FIELD_OUT_INTERFACE]: NAMES.idOf('eth1'),
      [f.FIELD_SOURCE]: 0x0a000001,
      [f.FIELD_DESTINATION]: 0xc0a80102,
      [f.FIELD_HEADER_ERROR]: 0,
      [f.FIELD_FAMILY]: 4,
    };
    for (const [field, value] of Object.entries(expected)) expect([field, front.field(Number(field))]).toEqual([field, value]);
    for (const field of [13, 14, 15, 16, 23, 24, 25, 27, 28, 29]) expect([field, front.field(field)]).toEqual([field, 0]);
    expect(front.get(p.PACKET_L4_OFFSET)).toBe(24);
    expect(front.get(p.PACKET_WAY)).toBe(p.WAY_FORWARD);
    for (let length = 0; length < 16; length++) {
      unseen(ip4({ payload: tcp(0x3f).slice(0, length), fragment: 0x2005 }));
      const fields = [
        f.FIELD_L4_LENGTH,
        f.FIELD_SPORT,
        f.FIELD_DPORT,
        f.FIELD_TCP_FLAGS,
        f.FIELD_ICMP_TYPE,
        f.FIELD_ICMP_CODE,
        f.FIELD_FRAGMENT,
      ];
      const ports = [length >= 2 ? 1234 : 0, length >= 4 ? 80 : 0];
      const icmp = length >= 2 ? [4, 210] : [0, 0];
      expect(fields.map((field) => front.field(field))).toEqual([length, ...ports, length >= 14 ? 0x3f : 0, ...icmp, 5]);
    }
  });

  test('what ip_rcv drops, and what lenient lets pass', () => {
    const wrong = ip4({ checksum: 1 });
    const zero = ip4({ checksum: 0 });
    const cases: [what: string, bytes: number[], wire: number, kernel: number, lenient: number][] = [
      ['fine', FOUR, FOUR.length, 0, 0],
      ['version', ip4({ first: 0x55 }), 40, r.UNSEEN_IP_VERSION, r.UNSEEN_IP_VERSION],
      ['ihl', ip4({ first: 0x44 }), 40, r.UNSEEN_IP_HEADER_LENGTH, r.UNSEEN_IP_HEADER_LENGTH],
      ['ihl over the end', ip4({ first: 0x4f }), 40, r.UNSEEN_IP_SHORT, r.UNSEEN_IP_SHORT],
      ['checksum', wrong, 40, r.UNSEEN_IP_CHECKSUM, 0],
      ['checksum 0', zero, 40, r.UNSEEN_IP_CHECKSUM, 0],
      ['total over the frame', ip4({ total: 41 }), 40, r.UNSEEN_IP_TRUNCATED, 0],
      ['cut by the snaplen', ip4({ total: 1500 }), 1500, r.UNSEEN_IP_TRUNCATED, 0],
      ['cut, and shorter than that', ip4({ total: 1500 }), 1499, r.UNSEEN_IP_TRUNCATED, 0],
      ['total under the header', ip4({ total: 19 }), 40, r.UNSEEN_IP_TOTAL_LENGTH, r.UNSEEN_IP_TOTAL_LENGTH],
      ['total 0', ip4({ total: 0 }), 40, r.UNSEEN_IP_TOTAL_LENGTH, 0],
    ];
    for (const prestack of ['kernel', 'lenient'] as const) {
      front.host(block({ prestack }));
      for (const [what, bytes, wire, kernel, lenient] of cases) {
        expect([what, unseen(bytes, 228, { wire })]).toEqual([what, prestack === 'kernel' ? kernel : lenient]);
      }
    }
    unseen(ip4({ total: 1500 }), 228, { wire: 1500 });
    expect([front.field(f.FIELD_LENGTH), front.field(f.FIELD_L4_LENGTH)]).toEqual([1500, 20]);
    unseen(ip4({ total: 0 }), 228, { wire: 70000 });
    expect([front.field(f.FIELD_LENGTH), front.field(f.FIELD_L4_LENGTH)]).toEqual([40, 20]);
  });

  test('what ip6_rcv drops, and what lenient lets pass', () => {
    const multicast = [0xff020000, 0, 0, 1];
    const jumbo = (length: number): number[] => [
      6,
      0,
      0xc2,
      4,
      length >>> 24,
      (length >> 16) & 255,
      (length >> 8) & 255,
      length & 255,
    ];
    const cases: [what: string, bytes: number[], wire: number, kernel: number, lenient: number][] = [
      ['fine', SIX, SIX.length, 0, 0],
      ['version', ip6({ version: 4 }), 60, r.UNSEEN_IP_VERSION, r.UNSEEN_IP_VERSION],
      ['multicast source', ip6({ source: multicast }), 60, r.UNSEEN_IP6_ADDRESS, r.UNSEEN_IP6_ADDRESS],
      ['scope 0', ip6({ destination: [0xff000000, 0, 0, 1] }), 60, r.UNSEEN_IP6_ADDRESS, r.UNSEEN_IP6_ADDRESS],
      ['scope 1', ip6({ destination: [0xff010000, 0, 0, 1] }), 60, r.UNSEEN_IP6_ADDRESS, r.UNSEEN_IP6_ADDRESS],
      ['::1 to us', ip6({ destination: [0, 0, 0, 1] }), 60, r.UNSEEN_IP6_ADDRESS, r.UNSEEN_IP6_ADDRESS],
      ['from ::1', ip6({ source: [0, 0, 0, 1] }), 60, r.UNSEEN_IP6_ADDRESS, r.UNSEEN_IP6_ADDRESS],
      ['longer than the frame', ip6({ length: 21 }), 60, r.UNSEEN_IP_TRUNCATED, 0],
      ['cut by the snaplen', ip6({ length: 1000 }), 1040, r.UNSEEN_IP_TRUNCATED, 0],
      ['jumbo that is none', ip6({ next: 0, length: 0, payload: jumbo(100) }), 48, r.UNSEEN_IP6_HOPOPTS, r.UNSEEN_IP6_HOPOPTS],
      ['jumbo with a length', ip6({ next: 0, payload: jumbo(70000) }), 48, r.UNSEEN_IP6_HOPOPTS, r.UNSEEN_IP6_HOPOPTS],
      [
        'jumbo over the frame',
        ip6({ next: 0, length: 0, payload: jumbo(70000) }),
        48,
        r.UNSEEN_IP6_HOPOPTS,
        r.UNSEEN_IP6_HOPOPTS,
      ],
      ['jumbo', ip6({ next: 0, length: 0, payload: [...jumbo(70000), ...filler(69992)] }), 70040, 0, 0],
    ];
    for (const prestack of ['kernel', 'lenient'] as const) {
      front.host(block({ prestack }));
      for (const [what, bytes, wire, kernel, lenient] of cases) {
        expect([what, unseen(bytes, 229, { wire })]).toEqual([what, prestack === 'kernel' ? kernel : lenient]);
      }
      expect(front.field(f.FIELD_LENGTH)).toBe(70040);
    }
    unseen(ip6({ length: 0 }), 229, { wire: 80000 });
    expect([front.field(f.FIELD_LENGTH), front.field(f.FIELD_L4_LENGTH), front.field(f.FIELD_DPORT)]).toEqual([60, 20, 80]);
  });

  test('hop-by-hop options as ip6_parse_tlv takes them', () => {
    front.host(block());
    const fate = (options: readonly number[]): number => {
      const filled = [6, (options.length + 2) / 8 - 1, ...options];
      return unseen(ip6({ next: 0, payload: [...filled, ...tcp()] }));
    };
    const good: number[][] = [
      [0, 0, 0, 0, 0, 0],
      [1, 4, 0, 0, 0, 0],
      [5, 2, 0, 0, 0, 0],
      [0x1e, 4, 9, 9, 9, 9],
      [0, 0, 0x31, 2, 0, 0],
      Array(7).fill([0x1e, 0]).flat(),
    ];
    const bad: number[][] = [
      [1, 5, 0, 0, 0, 0],
      [1, 4, 0, 0, 1, 0],
      [0, 0, 0, 1, 1, 0, 0, 0, 0x1e, 4, 0, 0, 0, 0],
      [5, 3, 0, 0, 0, 0],
      [0x5e, 4, 0, 0, 0, 0],
      [0x9e, 4, 0, 0, 0, 0],
      [0xde, 4, 0, 0, 0, 0],
      [0x31, 4, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 0x1e],
      [...Array(9).fill([0x1e, 0]).flat(), 1, 2, 0, 0],
      [7, 8, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 0, 0],
    ];
    for (const options of good) expect([options, fate(options)]).toEqual([options, 0]);
    for (const options of bad) expect([options, fate(options)]).toEqual([options, r.UNSEEN_IP6_HOPOPTS]);
    expect(unseen(ip6({ next: 0, payload: [6, 9, ...filler(20)] }))).toBe(r.UNSEEN_IP6_HOPOPTS);
  });

  test('without a payload length or a jumbo option padding counts', () => {
    front.host(block());
    expect(unseen(ip6({ next: 0, length: 0, payload: [99, 0, 1, 4, 0, 0, 0, 0, ...filler(24)] }))).toBe(0);
    expect([front.field(f.FIELD_LENGTH), front.field(f.FIELD_PROTOCOL), front.field(f.FIELD_L4_LENGTH)]).toEqual([72, 99, 24]);
  });

  test('the IPv6 header chain', () => {
    const chain = (bytes: readonly number[], next: number): number[] => {
      expect(unseen(ip6({ next, payload: bytes, trafficClass: 0xb8 }))).toBe(0);
      const fields = [f.FIELD_PROTOCOL, f.FIELD_FRAGMENT, f.FIELD_HEADER_ERROR, f.FIELD_DPORT, f.FIELD_L4_LENGTH];
      return fields.map((field) => front.field(field));
    };
    const pad = [1, 4, 0, 0, 0, 0];
    for (const backend of ['legacy', 'nft'] as const) {
      front.host(block({ backend }));
      const broken = [255, 0, backend === 'nft' ? 2 : 1, 0, 0];
      expect(chain(tcp(), 6)).toEqual([6, 0, 0, 80, 20]);
      expect(front.field(f.FIELD_TOS)).toBe(0xb8);
      expect([0, 1, 2, 3].map((i) => front.field(f.FIELD_DESTINATION + i))).toEqual([0x20010db8, 1, 0, 2]);
      expect([0, 1, 2, 3].map((i) => front.field(f.FIELD_SOURCE + i))).toEqual([0x20010db8, 0, 0, 1]);
      expect(chain([60, 0, ...pad, 43, 0, ...pad, 44, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 9, ...tcp()], 0)).toEqual([
        6, 0, 0, 80, 20,
      ]);
      expect(front.get(p.PACKET_L4_OFFSET)).toBe(72);
      // nf_tables has no transport offset for non-first fragments: it reads the IPv6 header, whose bytes 2 and 3 are the flow label here.
      const [port, present] = backend === 'nft' ? [0x2345, 48] : [80, 0];
      expect(chain([6, 0, 0x05, 0x31, 0, 0, 0, 9, ...tcp()], 44)).toEqual([6, 0x530, 0, port, present + 20]);
      const none = chain([59, 0, 0x05, 0x31, 0, 0, 0, 9, 1, 2, 3, 4], 44);
      expect(none).toEqual([59, 0x530, 0, backend === 'nft' ? 0x2345 : 0x304, present + 4]);
      expect(chain([60, 0, 0x05, 0x31, 0, 0, 0, 9, ...tcp()], 44)).toEqual(broken);
      expect(chain([1, 2, 3], 59)).toEqual([59, 0, 0, 0, 3]);
      expect(chain([9, 9, 9, 9, 1, 2], 50)).toEqual([50, 0, 0, 0x909, 6]);
      expect(chain([60], 60)).toEqual(broken);
      expect(chain([6, 0, 0], 43)).toEqual(broken);
      expect(chain([6, 0, 0], 44)).toEqual(broken);
      expect(chain([6, 9, 0, 0], 43)).toEqual([6, 0, 0, 0, 0]);
      expect(chain([60, 9, 0, 0], 43)).toEqual(broken);
    }
    front.host(block());
    expect(chain([6, 4, 0, 0, ...filler(20), ...tcp()], 51)).toEqual([6, 0, 0, 80, 20]);
  });

  test('nothing is read behind the packet', () => {
    front.host(block());
    const packets: [bytes: number[], linktype: number][] = [
      [frame(0x0800, FOUR), 1],
      [frame(0x0800, ip4({ options: [148, 4, 0, 0, 131, 3, 4, 1], payload: [] })), 1],
      [frame(0x86dd, ip6({ next: 0, payload: [60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0, ...tcp()] })), 1],
      [frame(0x8100, [0, 5, 0x88, 0x64, 0x11, 0, 0, 9, 0, 42, 0, 0x21, ...FOUR]), 1],
      [[0, 0, 0, 1, 0, 6, ...MAC_B, 0, 0, 0x86, 0xdd, ...SIX], 113],
      [[0x08, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, ...MAC_B, 0, 0, ...FOUR], 276],
      [[2, 0, 0, 0, ...FOUR], 0],
    ];
    const end = front.bytes.length - 64;
    const outcome = (bytes: readonly number[], linktype: number, around: number): number[] => {
      front.bytes.fill(around, end - 512);
      front.frame(Uint8Array.from(bytes), linktype, { end, wire: 2000 });
      front.decode();
      return Array.from({ length: p.PACKET_SIZE / 4 }, (_, i) => front.get(4 * i));
    };
    for (const [bytes, linktype] of packets) {
      for (let cut = 0; cut <= bytes.length; cut++) {
        const part = bytes.slice(0, cut);
        expect(outcome(part, linktype, 0)).toEqual(outcome(part, linktype, 255));
        // The last byte is the last byte of memory: a read behind it would trap.
        expect(() => unseen(part, linktype)).not.toThrow();
      }
    }
  });
});
