/** Small captures of every kind, by name; each is read by both readers, whole and in pieces, and cut everywhere. */
import {
  Bytes,
  block,
  concat,
  describe_,
  enhanced,
  ethernet,
  oldPacket,
  option,
  pcapHeader,
  record,
  section,
  simple,
} from './build.ts';

const packets = (little: boolean, extra: { fraction?: number } = {}): Uint8Array[] => [
  record(ethernet(1), { little, seconds: 1_700_000_000, fraction: 5, ...extra }),
  record(ethernet(2), { little, seconds: 1_700_000_001, fraction: 999_999 }),
];

function ng(little: boolean): Uint8Array {
  const named = [option(2, Buffer.from('eth0'), little), option(9, [9], little), option(0, [], little)];
  return concat(
    section(little),
    describe_(1, { little }),
    describe_(1, { little, snaplen: 96, options: named }),
    enhanced(ethernet(1), { little, clock: 1_700_000_000_000_000n }),
    block(0x0bad, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), { little }),
    enhanced(ethernet(2), {
      little,
      id: 1,
      clock: 1_700_000_001_000_000_007n,
      options: [option(2, new Bytes(little).u32(2).done(), little)],
    }),
    oldPacket(ethernet(3), { little, clock: 1_700_000_002_000_000n }),
    simple(ethernet(4), { little }),
  );
}

export const SAMPLES: Readonly<Record<string, Uint8Array>> = {
  'pcap, little-endian, microseconds': concat(pcapHeader(), ...packets(true)),
  'pcap, big-endian, microseconds': concat(pcapHeader({ little: false }), ...packets(false)),
  'pcap, little-endian, nanoseconds': concat(pcapHeader({ magic: 0xa1b23c4d }), ...packets(true)),
  'pcap, big-endian, nanoseconds': concat(pcapHeader({ little: false, magic: 0xa1b23c4d }), ...packets(false)),
  'pcap, modified': concat(
    pcapHeader({ magic: 0xa1b2cd34 }),
    record(ethernet(1), { extra: [9, 9, 9, 9, 9, 9, 9, 9] }),
    record(ethernet(2), { extra: [9, 9, 9, 9, 9, 9, 9, 9] }),
  ),
  'pcap 2.2, lengths the other way round': concat(pcapHeader({ minor: 2 }), record(ethernet(1), { captured: 70, wire: 54 })),
  'pcap 2.3, lengths the other way round': concat(
    pcapHeader({ minor: 3 }),
    record(ethernet(1), { captured: 70, wire: 54 }),
    record(ethernet(2), { captured: 54, wire: 70 }),
  ),
  'pcap 543.0': concat(pcapHeader({ major: 543, minor: 0 }), record(ethernet(1), { captured: 70, wire: 54 })),
  'pcap with four bytes of FCS': concat(
    pcapHeader({ linktype: 0x2400_0001 }),
    record(concat(ethernet(1), Uint8Array.of(1, 2, 3, 4))),
    record(ethernet(2), { wire: 56 }),
  ),
  'pcap without packets': pcapHeader(),
  'pcap of an unknown link type': concat(pcapHeader({ linktype: 147 }), record(ethernet(1))),
  'pcap of an empty packet': concat(pcapHeader(), record(new Uint8Array(0)), record(ethernet(2))),
  'pcapng, little-endian': ng(true),
  'pcapng, big-endian': ng(false),
  'pcapng, two sections of both byte orders': concat(ng(false), ng(true)),
  'pcapng without packets': concat(section(), describe_(101)),
  'pcapng with FCS by interface and by packet': concat(
    section(),
    describe_(1, { options: [option(13, [4])] }),
    enhanced(concat(ethernet(1), Uint8Array.of(1, 2, 3, 4))),
    enhanced(concat(ethernet(2), Uint8Array.of(1, 2)), { options: [option(2, new Bytes(true).u32(2 << 5).done())] }),
  ),
  'pcapng, simple packets cut by the snaplen': concat(
    section(),
    describe_(1, { snaplen: 40 }),
    simple(ethernet(1).subarray(0, 40), { wire: 54 }),
    simple(ethernet(2).subarray(0, 20)),
  ),
};

/** Captures that end badly: bytes, offset of the damage, packets before it, and the words. */
export const DAMAGED: Readonly<Record<string, [bytes: Uint8Array, offset: number, packets: number, reason: RegExp]>> = {
  'an empty file': [new Uint8Array(0), 0, 0, /ends inside/],
  'not a capture': [new TextEncoder().encode('#!/bin/sh\necho no capture at all\n'), 0, 0, /not a pcap/],
  'three bytes': [Uint8Array.of(0xd4, 0xc3, 0xb2), 0, 0, /ends inside/],
  'a version of pcap nobody reads': [concat(pcapHeader({ major: 3 }), record(ethernet())), 0, 0, /version/],
  'pcap 2.5': [concat(pcapHeader({ minor: 5 }), record(ethernet())), 0, 0, /version/],
  'a record of 4 GiB': [concat(pcapHeader(), record(ethernet()), record(ethernet(), { captured: 0xffff_ffff })), 94, 1, /262144/],
  'a record just too long': [concat(pcapHeader(), record(ethernet(), { captured: 262_145 })), 24, 0, /262144/],
  'a version of pcapng nobody reads': [concat(section(true, 2), describe_(1), enhanced(ethernet())), 0, 0, /version/],
  'a bad byte-order magic': [concat(section(), block(0x0a0d0d0a, new Uint8Array(16))), 28, 0, /byte-order/],
  'a block of 4 GiB': [concat(section(), new Bytes(true).u32(6, 0xffff_fffc, 0).done()), 28, 0, /1 MiB/],
  'an unknown block of 4 GiB': [concat(section(), new Bytes(true).u32(77, 0xffff_fffc, 0).done()), 28, 0, /ends inside/],
  'a block length that is no multiple of four': [
    concat(section(), new Bytes(true).u32(77, 13, 0, 0, 13).done()),
    28,
    0,
    /impossible block/,
  ],
  'a block shorter than its frame': [concat(section(), new Bytes(true).u32(77, 8, 0).done()), 28, 0, /impossible block/],
  'lengths that differ': [
    concat(section(), describe_(1), enhanced(ethernet()), block(77, new Uint8Array(8), { trailer: 24 })),
    136,
    1,
    /differs/,
  ],
  'a packet of no interface': [concat(section(), describe_(1), enhanced(ethernet(), { id: 1 })), 48, 0, /not described/],
  'a simple packet of no interface': [concat(section(), simple(ethernet())), 28, 0, /not described/],
  'more captured than the block holds': [concat(section(), describe_(1), enhanced(ethernet(), { captured: 60 })), 48, 0, /holds/],
  'a captured length of 4 GiB': [
    concat(section(), describe_(1), enhanced(ethernet(), { captured: 0xffff_fffe })),
    48,
    0,
    /holds/,
  ],
  'a packet block without room': [concat(section(), describe_(1), block(6, new Uint8Array(16))), 48, 0, /impossible block/],
  'an interface block without room': [concat(section(), block(1, new Uint8Array(4))), 28, 0, /impossible block/],
  'too many interfaces': [
    concat(section(), ...Array.from({ length: 1025 }, () => describe_(1))),
    28 + 1024 * 20,
    0,
    /1024 interfaces/,
  ],
  'interfaces are forgotten in a new section': [
    concat(section(), describe_(1), section(), enhanced(ethernet())),
    76,
    0,
    /not described/,
  ],
};
