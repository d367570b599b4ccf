/** The readers of both witnesses on captures by literal bytes: fields, clocks, damage; whole, in pieces of every size, and cut at every byte. */

import { expect, test } from 'vitest';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import { Bytes, block, concat, describe_, enhanced, ethernet, option, pcapHeader, record, section, simple } from './build.ts';
import { byEngine, byReference, feed, job, readWith } from './read.ts';
import { DAMAGED, SAMPLES } from './samples.ts';

const SECOND = 1_000_000_000n;

test('pcap: time, lengths and bytes in both byte orders and resolutions', () => {
  for (const little of [true, false]) {
    for (const [magic, unit] of [
      [0xa1b2c3d4, 1000n],
      [0xa1b23c4d, 1n],
    ] as const) {
      const file = concat(
        pcapHeader({ little, magic }),
        record(ethernet(1), { little, seconds: 0xf000_0000, fraction: 123_456, wire: 1500 }),
      );
      expect(readWith(file)).toEqual({
        frames: [{ time: 0xf000_0000n * SECOND + 123_456n * unit, linktype: 1, bytes: ethernet(1), wire: 1500 }],
        linktypes: [1],
        damage: undefined,
      });
    }
  }
});

test('pcap: the frame check sequence is cut off as far as it was captured', () => {
  const file = (length: number, wire: number) =>
    concat(pcapHeader({ linktype: 0x2400_0001 }), record(new Uint8Array(length), { wire }));
  const captured = (length: number, wire: number) => readWith(file(length, wire)).frames.map(({ bytes }) => bytes.length);
  expect(captured(64, 64)).toEqual([60]);
  expect(captured(62, 64)).toEqual([60]);
  expect(captured(40, 64)).toEqual([40]);
  expect(captured(3, 3)).toEqual([0]);
  // Without bit 26 the top bits mean nothing.
  expect(readWith(concat(pcapHeader({ linktype: 0x2000_0001 }), record(new Uint8Array(64)))).frames[0]?.bytes.length).toBe(64);
});

test('pcapng: interfaces with names, resolutions and offsets, directions', () => {
  const time = (clock: bigint, options: Uint8Array[]) =>
    readWith(concat(section(), describe_(1, { options }), enhanced(ethernet(), { clock }))).frames[0]?.time;
  expect(time(1_500_000n, [])).toBe(1_500_000_000n);
  expect(time(1_500n, [option(9, [3])])).toBe(1_500_000_000n);
  expect(time(3n, [option(9, [0x81])])).toBe(1_500_000_000n);
  expect(time(7n, [option(9, [0])])).toBe(7n * SECOND);
  expect(time(0xffff_ffff_ffff_ffffn, [option(9, [0xc0])])).toBe(999_999_999n);
  expect(time(12n, [option(9, [10])])).toBe(1n);
  expect(time(1_500_000n, [option(14, new Bytes(true).u64(10n).done())])).toBe(11_500_000_000n);
  expect(time(11_500_000n, [option(14, new Bytes(true).u64(-10n).done())])).toBe(1_500_000_000n);
  const { frames } = readWith(SAMPLES['pcapng, big-endian']!);
  expect(frames.map(({ interfaceName, direction, time: at }) => [interfaceName, direction, at])).toEqual([
    [undefined, undefined, 1_700_000_000n * SECOND],
    ['eth0', 'out', 1_700_000_001n * SECOND + 7n],
    [undefined, undefined, 1_700_000_002n * SECOND],
    [undefined, undefined, 0n],
  ]);
  expect(frames.map(({ bytes }) => bytes)).toEqual([1, 2, 3, 4].map((mark) => ethernet(mark)));
});

test('pcapng: names end at a zero byte; a broken option ends the list', () => {
  const name = (options: Uint8Array[]) =>
    readWith(concat(section(), describe_(1, { options }), enhanced(ethernet()))).frames[0]?.interfaceName;
  expect(name([option(2, Buffer.from('eth0\0junk'))])).toBe('eth0');
  expect(name([option(2, [])])).toBe(undefined);
  expect(name([option(3, Buffer.from('about')), option(2, Buffer.from('wlan0'))])).toBe('wlan0');
  expect(name([new Bytes(true).u16(3, 400).u32(0).done(), option(2, Buffer.from('wlan0'))])).toBe(undefined);
  expect(name([option(0, []), option(2, Buffer.from('wlan0'))])).toBe(undefined);
});

test('pcapng: a long block of no interest is stepped over, in pieces too', async () => {
  const long = block(0x0bad, new Uint8Array(3 * 1024 * 1024).fill(7));
  const header = concat(section(), describe_(1), enhanced(ethernet(1)));
  const file = new Uint8Array(header.length + long.length + enhanced(ethernet(2)).length);
  file.set(header);
  file.set(long, header.length);
  file.set(enhanced(ethernet(2)), header.length + long.length);
  for (const chunk of [file.length, 1_048_576, 65_537]) {
    expect(readWith(file, chunk)).toMatchObject({ frames: [{ wire: 54 }, { wire: 54 }], damage: undefined });
    expect((await byEngine(file, chunk)).info).toMatchObject({ packets: 2 });
  }
  const wrong = file.slice();
  wrong[header.length + long.length - 4] = 0xff;
  const damage = { offset: header.length, reason: 'the length behind the block differs from the one before it' };
  expect(readWith(wrong, 100_000)).toMatchObject({ frames: [{}], damage });
  expect((await byEngine(wrong, 100_000)).info).toMatchObject({ packets: 1, damage });
});

test.each(Object.entries(SAMPLES))('%s: both readers agree at every chunk size', async (_, bytes) => {
  const whole = readWith(bytes);
  expect(whole.damage).toBe(undefined);
  const engine = await byEngine(bytes);
  const reference = byReference(bytes);
  expect(engine).toEqual(reference);
  expect(engine.info).toEqual({
    file: 'file',
    packets: whole.frames.length,
    bytes: whole.frames.reduce((sum, { wire }) => sum + wire, 0),
    linktypes: whole.linktypes,
  });
  for (let chunk = 1; chunk <= bytes.length; chunk++) expect(readWith(bytes, chunk)).toEqual(whole);
  for (const chunk of [1, 2, 3, 7, 13, 16, 24, 25, 53]) expect(await byEngine(bytes, chunk)).toEqual(engine);
  expect(await byEngine(bytes, 5, 'debug')).toEqual(engine);
});

test.each(Object.entries(SAMPLES))('%s: cut at every byte', async (_, bytes) => {
  // One session reads all the cuts, as one does with several captures.
  const engine = await engineSession(job(), { hashKey: hashKeyOf(job()) });
  const reference = referenceSession(job());
  for (let cut = 0; cut < bytes.length; cut++) {
    const part = bytes.slice(0, cut);
    const plain = readWith(part, 11);
    const info = feed(engine, part, 11);
    expect(info.packets).toBe(plain.frames.length);
    expect(info.damage).toEqual(plain.damage);
    expect(feed(reference, part, 11)).toEqual(info);
    // What stands before the damage is a whole file of as many packets.
    if (plain.damage !== undefined && plain.damage.offset > 0) {
      expect(plain.damage.reason).toBe('the file ends inside a record or block');
      const before = readWith(part.slice(0, plain.damage.offset));
      expect(before).toEqual({ ...plain, damage: undefined });
    }
  }
  expect(engine.result()).toEqual(reference.result());
});

test.each(Object.entries(DAMAGED))('damage: %s', async (_, [bytes, offset, packets, reason]) => {
  for (const chunk of [bytes.length, 1, 5, 64]) {
    const { frames, damage } = readWith(bytes, chunk);
    expect({ offset: damage?.offset, packets: frames.length }).toEqual({ offset, packets });
    expect(damage?.reason).toMatch(reason);
    const { info } = await byEngine(bytes, chunk);
    expect(info).toMatchObject({ packets, damage });
  }
});

test('a simple packet that claims more than is there', async () => {
  const file = concat(section(), describe_(1), simple(ethernet(1)), simple(ethernet(2), { wire: 100 }));
  const damage = { offset: 48 + 72, reason: 'more captured bytes than the block holds' };
  expect(readWith(file)).toMatchObject({ frames: [{}], damage });
  expect((await byEngine(file)).info).toMatchObject({ packets: 1, damage });
});

test('absurd lengths do not make a reader hold what never comes', () => {
  const endless = [pcapHeader(), record(ethernet(), { captured: 0x7fff_ffff })];
  const before = process.memoryUsage().arrayBuffers;
  for (const front of [concat(...endless), concat(section(), new Bytes(true).u32(77, 0xffff_fffc).done())]) {
    const reader = readWith(front);
    expect(reader.damage).toBeDefined();
    const file = new Uint8Array(16 * 1024 * 1024);
    file.set(front);
    expect(readWith(file, 65_536).damage).toBeDefined();
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 1024 * 1024);
});
