/** The engine's record reader: literal files in both byte orders, every cut and every chunk size. */
import { describe, expect, test } from 'vitest';
import * as abi from '../../../src/abi/capture.ts';
import { buildInterfaces } from '../../../src/compile/interfaces.ts';
import { DAMAGE_WORDS } from '../../../src/model/capture-reasons.ts';
import { jiffiesAt } from '../../../src/model/profile.ts';
import { BUILDS, compile, Front } from './engine.ts';
import { ascii, block, description, enhanced, filler, joined, old, pcap, section, simple, Writer } from './files.ts';

const THREE = [
  { seconds: 1700000000, fraction: 999999, data: filler(60, 1) },
  { seconds: 1700000001, fraction: 0, data: filler(17, 2), wire: 1500 },
  { seconds: 1700000002, fraction: 5, data: [] },
];

/** A pcapng file with two sections of different byte order and everything the reader knows; and where its blocks and packets begin. */
function everything(first: boolean): { file: Uint8Array; starts: number[]; packets: number[] } {
  const second = !first;
  const blocks: [bytes: Uint8Array, isPacket: boolean][] = [
    [section(first, [[4, ascii('test')]]), false],
    [
      description(first, 1, 0, [
        [2, ascii('eth1')],
        [9, [9]],
      ]),
      false,
    ],
    [
      description(first, 113, 64, [
        [14, new Writer(first).u64(100n).done()],
        [9, [0x8a]],
      ]),
      false,
    ],
    [
      enhanced(first, { units: 1700000000123456789n, data: filler(33, 1), options: [[2, new Writer(first).u32(2).done()]] }),
      true,
    ],
    [block(first, 0x0bad, filler(40)), false],
    [old(first, { interface: 1, units: (5n << 10n) + 512n, data: filler(20, 2), wire: 99 }), true],
    [simple(first, 100, filler(100, 3)), true],
    [section(second), false],
    [description(second, 101, 8), false],
    [simple(second, 60, filler(8, 4)), true],
    [enhanced(second, { units: 1700000000123456n, data: filler(3, 5) }), true],
  ];
  const starts: number[] = [];
  const packets: number[] = [];
  let at = 0;
  for (const [bytes, isPacket] of blocks) {
    starts.push(at);
    at += bytes.length;
    if (isPacket) packets.push(at);
  }
  return { file: joined(...blocks.map(([bytes]) => bytes)), starts, packets };
}

describe.each(BUILDS)('records, %s build', (build) => {
  const front = new Front(compile(build));

  test.each([
    ['micro', 0xa1b2c3d4, 1000n],
    ['nano', 0xa1b23c4d, 1n],
    ['modified', 0xa1b2cd34, 1000n],
  ])('pcap %s in both byte orders', (_name, magic, unit) => {
    for (const big of [false, true]) {
      const { records, answer } = front.read(pcap({ big, magic }, THREE));
      expect(answer).toBe(abi.CAPTURE_END);
      expect(records.map((r) => r.time)).toEqual(THREE.map((r) => BigInt(r.seconds) * 1000000000n + BigInt(r.fraction) * unit));
      expect(records.map((r) => [...r.data])).toEqual(THREE.map((r) => r.data));
      expect(records.map((r) => r.wire)).toEqual([60, 1500, 0]);
      expect(records.map((r) => [r.linktype, r.interface, r.direction])).toEqual([
        [1, 0, 0],
        [1, 0, 0],
        [1, 0, 0],
      ]);
      expect(front.linktypes()).toEqual([1]);
    }
  });

  test('jiffies are whole ticks since the epoch at every HZ', () => {
    for (const hz of [100, 250, 300, 1000]) {
      const file = pcap(
        { magic: 0xa1b23c4d },
        [3, 3999999, 4000000, 999999999, 0].map((fraction) => ({ seconds: 4294967295, fraction, data: [] })),
      );
      for (const { time, jiffies } of front.read(file, { hz }).records) expect(jiffies).toBe(jiffiesAt(time, hz));
    }
  });

  test('fractions of a second and more carry over', () => {
    const { records } = front.read(pcap({}, [{ seconds: 1, fraction: 4294967295, data: [] }]));
    expect(records[0]).toMatchObject({ time: 4295967295000n, jiffies: jiffiesAt(4295967295000n, 250) });
  });

  test('FCS bits of the link type word', () => {
    const file = pcap({ network: 0x24000001 }, [
      { seconds: 1, fraction: 0, data: filler(64) },
      { seconds: 1, fraction: 0, data: filler(30), wire: 64 },
    ]);
    const { records } = front.read(file);
    expect(records.map((r) => r.data.length)).toEqual([60, 30]);
    expect(records.map((r) => r.wire)).toEqual([64, 64]);
    expect(records[0]?.linktype).toBe(1);
  });

  test('versions before 2.3 have the lengths the other way round', () => {
    const { records } = front.read(pcap({ minor: 2 }, [{ seconds: 1, fraction: 0, data: filler(10), wire: 77 }]));
    expect(records).toMatchObject([{ wire: 77, data: Uint8Array.from(filler(10)) }]);
    expect(front.read(pcap({ major: 3 }, [])).reason).toBe(abi.DAMAGE_VERSION);
    expect(front.read(pcap({ minor: 5 }, [])).reason).toBe(abi.DAMAGE_VERSION);
  });

  test('a pcap cut anywhere gives what lies before and the offset of the cut record', () => {
    for (const big of [false, true]) {
      const file = pcap({ big }, THREE);
      const ends = [24, 24 + 76, 24 + 76 + 33, file.length];
      for (let cut = 0; cut <= file.length; cut++) {
        const whole = ends.filter((end) => end <= cut);
        const reading = front.read(file.subarray(0, cut));
        expect(reading.records.length).toBe(Math.max(0, whole.length - 1));
        expect(reading.answer).toBe(whole.includes(cut) ? abi.CAPTURE_END : abi.CAPTURE_DAMAGED);
        if (!whole.includes(cut)) expect([reading.offset, reading.reason]).toEqual([whole.at(-1) ?? 0, abi.DAMAGE_CUT]);
      }
    }
  });

  test('pcapng: sections, interfaces, all packet blocks, in both byte orders', () => {
    for (const big of [false, true]) {
      const names = buildInterfaces([], ['eth0', 'eth1']);
      const { records, answer } = front.read(everything(big).file, { names: names.encode() });
      expect(answer).toBe(abi.CAPTURE_END);
      expect(records.map((r) => r.time)).toEqual([1700000000123456789n, 105500000000n, 0n, 0n, 1700000000123456000n]);
      for (const { time, jiffies } of records) expect(jiffies).toBe(jiffiesAt(time, 250));
      expect(records.map((r) => [...r.data])).toEqual([filler(33, 1), filler(20, 2), filler(100, 3), filler(8, 4), filler(3, 5)]);
      expect(records.map((r) => r.wire)).toEqual([33, 99, 100, 60, 3]);
      expect(records.map((r) => r.linktype)).toEqual([1, 113, 1, 101, 101]);
      expect(records.map((r) => r.interface)).toEqual([names.idOf('eth1'), 0, names.idOf('eth1'), 0, 0]);
      expect(records.map((r) => r.direction)).toEqual([2, 0, 0, 0, 0]);
      expect(front.linktypes()).toEqual([1, 113, 101]);
    }
  });

  test('a pcapng cut anywhere gives what lies before and the offset of the cut block', () => {
    for (const big of [false, true]) {
      const { file, starts, packets } = everything(big);
      for (let cut = 0; cut <= file.length; cut++) {
        const reading = front.read(file.subarray(0, cut));
        expect(reading.records.length).toBe(packets.filter((end) => end <= cut).length);
        const atBorder = cut === file.length || (cut > 0 && starts.includes(cut));
        expect(reading.answer).toBe(atBorder ? abi.CAPTURE_END : abi.CAPTURE_DAMAGED);
        if (!atBorder)
          expect([reading.offset, reading.reason]).toEqual([starts.filter((start) => start <= cut).at(-1), abi.DAMAGE_CUT]);
      }
    }
  });

  test('every chunk size gives the same records', () => {
    for (const file of [pcap({}, THREE), pcap({ big: true }, THREE), everything(false).file, everything(true).file]) {
      const whole = front.read(file);
      for (let step = 1; step <= 80; step++) expect(front.read(file, { step })).toEqual(whole);
      const cut = file.subarray(0, file.length - 3);
      const cutWhole = front.read(cut);
      for (let step = 1; step <= 80; step += 3) expect(front.read(cut, { step })).toEqual(cutWhole);
    }
  });

  test('what is not a capture, and damage inside one', () => {
    const head = joined(section(false), description(false, 1, 0));
    const good = enhanced(false, { units: 1n, data: filler(4) });
    const at = head.length + good.length;
    const cases: [what: string, file: Uint8Array, records: number, offset: number, reason: number][] = [
      ['empty', new Uint8Array(0), 0, 0, abi.DAMAGE_CUT],
      ['text', Uint8Array.from(ascii('#!/bin/sh\n')), 0, 0, abi.DAMAGE_NOT_A_CAPTURE],
      [
        'caplen',
        pcap({}, [THREE[0]!, { seconds: 1, fraction: 1, data: [], captured: 262145 }]),
        1,
        100,
        abi.DAMAGE_RECORD_LENGTH,
      ],
      ['short block', joined(head, good, block(false, 6, [], 8)), 1, at, abi.DAMAGE_BLOCK_LENGTH],
      ['odd block', joined(head, good, block(false, 77, [1], 13)), 1, at, abi.DAMAGE_BLOCK_LENGTH],
      ['tiny EPB', joined(head, good, block(false, 6, filler(16))), 1, at, abi.DAMAGE_BLOCK_LENGTH],
      ['tiny IDB', joined(head, good, block(false, 1, filler(4))), 1, at, abi.DAMAGE_BLOCK_LENGTH],
      ['trailer', joined(head, good, good.subarray(0, -4), Uint8Array.of(9, 0, 0, 0)), 1, at, abi.DAMAGE_BLOCK_TRAILER],
      [
        'caplen over block',
        joined(head, good, enhanced(false, { units: 1n, data: filler(4), captured: 5 })),
        1,
        at,
        abi.DAMAGE_CAPTURED_LENGTH,
      ],
      [
        'caplen overflow',
        joined(head, good, enhanced(false, { units: 1n, data: filler(4), captured: 0xffffffff })),
        1,
        at,
        abi.DAMAGE_CAPTURED_LENGTH,
      ],
      ['interface', joined(head, good, enhanced(false, { interface: 1, units: 1n, data: [] })), 1, at, abi.DAMAGE_INTERFACE],
      ['SPB first', joined(section(false), simple(false, 4, filler(4))), 0, 28, abi.DAMAGE_INTERFACE],
      ['byte order', joined(head, good, block(false, 0x0a0d0d0a, filler(16))), 1, at, abi.DAMAGE_BYTE_ORDER],
      [
        'version',
        joined(head, good, block(false, 0x0a0d0d0a, new Writer(false).u32(0x1a2b3c4d).u16(2).u16(0).u64(0n).done())),
        1,
        at,
        abi.DAMAGE_VERSION,
      ],
      ['huge EPB', joined(head, good, new Writer(false).u32(6).u32(1048580).u32(0).done()), 1, at, abi.DAMAGE_BLOCK_SIZE],
      ['huge unknown, cut', joined(head, good, new Writer(false).u32(99).u32(0xfffffffc).u32(0).done()), 1, at, abi.DAMAGE_CUT],
      [
        'interfaces',
        joined(section(false), ...Array(1025).fill(description(false, 1, 0))),
        0,
        28 + 1024 * 20,
        abi.DAMAGE_INTERFACES,
      ],
    ];
    for (const [what, file, records, offset, reason] of cases) {
      for (const step of [file.length || 1, 5]) {
        const reading = front.read(file, { step });
        const got = [what, reading.answer, reading.records.length, reading.offset, DAMAGE_WORDS[reading.reason]];
        expect(got).toEqual([what, abi.CAPTURE_DAMAGED, records, offset, DAMAGE_WORDS[reason]]);
      }
    }
    expect(DAMAGE_WORDS.length).toBe(abi.DAMAGE_COUNT);
  });

  test('an unknown block larger than a chunk is stepped over', () => {
    const large = block(false, 99, new Uint8Array(1200000));
    const file = joined(section(false), description(false, 1, 0), large, enhanced(false, { units: 7n, data: filler(9) }));
    expect(front.read(file, { step: 300000 })).toMatchObject({ answer: abi.CAPTURE_END, records: [{ time: 7000n }] });
    const bad = file.slice();
    bad[48 + 8 + 1200000]! ^= 4;
    expect(front.read(bad, { step: 300000 })).toMatchObject({
      answer: abi.CAPTURE_DAMAGED,
      offset: 48,
      reason: abi.DAMAGE_BLOCK_TRAILER,
    });
  });

  test('time resolutions to the nanosecond, offsets, and times that fit nothing', () => {
    const units = 0xfedcba9876543210n;
    const at = (resolution: number, offset = 0n): bigint => {
      const list: [number, Uint8Array][] = [
        [9, Uint8Array.of(resolution)],
        [14, new Writer(false).u64(BigInt.asUintN(64, offset)).done()],
      ];
      const file = joined(section(false), description(false, 1, 0, list), enhanced(false, { units, data: [] }));
      return front.read(file).records[0]!.time;
    };
    for (let value = 0; value < 256; value++) {
      const unit = value < 128 ? 10n ** BigInt(value) : 2n ** BigInt(value - 128);
      const exact = (units * 1000000000n) / unit;
      expect([value, at(value)]).toEqual([value, exact < 1n << 64n ? exact : (1n << 64n) - 1n]);
    }
    expect(at(19, 5n)).toBe(units / 10n ** 10n + 5000000000n);
    expect(at(19, -1n)).toBe(units / 10n ** 10n - 1000000000n);
    expect(at(19, -100n) / 1000000000n).toBe(0n);
  });

  test('flags and FCS lengths; options with bad lengths end the list and are never followed', () => {
    const flags = (value: number): [number, Uint8Array] => [2, new Writer(false).u32(value).done()];
    const wrong = [2, 0, 255, 255, 1, 0, 0, 0];
    const file = joined(
      section(false),
      description(false, 1, 0, [[13, [4]]]),
      enhanced(false, { units: 0n, data: filler(64) }),
      enhanced(false, { units: 0n, data: filler(64), options: [[1, ascii('note')], flags(1 | (2 << 5))] }),
      enhanced(false, { units: 0n, data: filler(64), options: [flags(2)] }),
      enhanced(false, { units: 0n, data: filler(64), options: [flags(3)] }),
      block(false, 6, [...enhanced(false, { units: 0n, data: filler(64) }).subarray(8, -4), ...wrong]),
      block(false, 6, [...enhanced(false, { units: 0n, data: filler(64) }).subarray(8, -4), 2, 0, 3, 0, 1, 1, 1, 1]),
    );
    const { records, answer } = front.read(file);
    expect(answer).toBe(abi.CAPTURE_END);
    expect(records.map((r) => r.direction)).toEqual([0, 1, 2, 0, 0, 0]);
    expect(records.map((r) => r.data.length)).toEqual([60, 62, 60, 60, 60, 60]);
  });
});
