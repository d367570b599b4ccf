/** Packed captures, folders and patterns: everything that comes before the readers. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { CaptureReader } from '../../src/capture/frames.ts';
import { CaptureOpenError, expandCaptures, openPlain } from '../../src/replay/open.ts';
import { packingOf } from '../../src/replay/packing.ts';
import { replayOne } from '../../src/replay/replay.ts';
import { job } from '../capture/read.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-open-'));
afterAll(() => rmSync(folder, { recursive: true }));

const traffic = new Uint8Array(readFileSync(new URL('../../pcaps/web/capture.pcap', import.meta.url)));

/**
 * A zstd frame by hand (RFC 8878): no checksum, no content size, a window of 128 KiB, raw blocks of at most 100,000 bytes. Good enough to test framing and damage.
 */
function zstd(bytes: Uint8Array): Uint8Array {
  const out: number[] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
  for (let at = 0; at < bytes.length; at += 100_000) {
    const part = bytes.subarray(at, at + 100_000);
    const header = (part.length << 3) | (at + part.length >= bytes.length ? 1 : 0);
    out.push(header & 255, (header >>> 8) & 255, header >>> 16, ...part);
  }
  return Uint8Array.from(out);
}

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function infoOf(path: string, engine: 'wasm' | 'reference') {
  const asked = job();
  const { result } = await replayOne({ captures: [path], host: asked.host }, asked, { engine, tree: true });
  return result.captures[0]!;
}

test.each(['wasm', 'reference'] as const)('gzip and zstd, several members, by content and not by name (%s)', async (engine) => {
  const plain = await infoOf(file('plain', traffic), engine);
  expect(plain.damage).toBe(undefined);
  const half = traffic.length >>> 1;
  const members = Buffer.concat([gzipSync(traffic.subarray(0, half)), gzipSync(traffic.subarray(half))]);
  const frames = Buffer.concat([zstd(traffic.subarray(0, half)), zstd(traffic.subarray(half))]);
  for (const [name, bytes] of [
    ['a.gz', gzipSync(traffic)],
    ['b.pcap', gzipSync(traffic)],
    ['c', members],
    ['d.zst', zstd(traffic)],
    ['e', frames],
  ] as const) {
    expect(await infoOf(file(name, bytes), engine), name).toEqual({ ...plain, file: join(folder, name) });
  }
});

/** Whole records in the first bytes of the capture, and where the record behind them begins. */
function recordsIn(length: number): { packets: number; end: number } {
  let packets = 0;
  const reader = new CaptureReader(() => packets++);
  reader.push(traffic.subarray(0, length));
  return { packets, end: reader.frameEnd };
}

const impossible = Uint8Array.of(7, 7, 7, 7);
/** The first bytes of the capture as gzip, and then something that is no deflate block. */
function corruptGzip(length: number): Uint8Array {
  const good = deflateRawSync(traffic.subarray(0, length), { finishFlush: constants.Z_SYNC_FLUSH });
  return Buffer.concat([Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255), good, impossible]);
}

test.each(['wasm', 'reference'] as const)('cut and corrupt packings give every packet before the damage (%s)', async (engine) => {
  const packed = new Uint8Array(gzipSync(traffic));
  const changed = (at: number): Uint8Array => packed.map((byte, index) => (index === at ? byte ^ 1 : byte));
  const cut = packed.subarray(0, packed.length >>> 1);
  const cutLength = gunzipSync(cut, { finishFlush: constants.Z_SYNC_FLUSH }).length;
  const whole = traffic.length;
  const checks: [name: string, bytes: Uint8Array, unpacked: number, reason: string][] = [
    ['cut.gz', cut, cutLength, 'gzip stream is cut'],
    ['trailer.gz', packed.subarray(0, -3), whole, 'gzip stream is cut'],
    ['head.gz', packed.subarray(0, 5), 0, 'gzip stream is cut'],
    ['corrupt.gz', corruptGzip(70_001), 70_001, 'gzip: invalid block type'],
    ['late.gz', corruptGzip(whole), whole, 'gzip: invalid block type'],
    ['sum.gz', changed(packed.length - 8), whole, 'gzip: CRC differs'],
    ['more.gz', Buffer.concat([packed, impossible]), whole, 'gzip: something else follows a whole member'],
    [
      'second.gz',
      Buffer.concat([corruptGzip(0).subarray(0, -4), Uint8Array.of(3, 0), new Uint8Array(8), packed.subarray(0, -9)]),
      whole,
      'gzip stream is cut',
    ],
    ['cut.zst', zstd(traffic).subarray(0, 102_000), 100_000, 'zstd: the stream is cut'],
    ['more.zst', Buffer.concat([zstd(traffic), impossible, impossible]), whole, 'zstd: something else follows a whole frame'],
    ['bad.zst', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x08, 0x38, 0xff), 0, 'zstd: a reserved bit is set'],
  ];
  for (const [name, bytes, unpacked, reason] of checks) {
    const info = await infoOf(file(name, bytes), engine);
    const { packets, end } = recordsIn(unpacked);
    expect([name, info.packets], name).toEqual([name, packets]);
    // Where a record is cut, that is what the packing left of it.
    expect(info.damage, name).toEqual({ offset: unpacked, packed: expect.any(Number), reason });
    expect(info.damage!.packed, name).toBeLessThanOrEqual(bytes.length);
    expect(end).toBeLessThanOrEqual(unpacked);
  }
});

const XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0];

test('packings are told by their first bytes', () => {
  expect(['gzip', 'zstd', undefined, undefined, 'xz', 'bzip2']).toEqual(
    [gzipSync('x'), zstd(traffic), traffic, new Uint8Array(1), XZ, Buffer.from('BZh9')].map(
      (bytes) => packingOf(new Uint8Array(bytes).subarray(0, 4))?.name,
    ),
  );
  expect(openPlain(file('plain', traffic))?.size).toBe(traffic.length);
  expect(openPlain(file('a.gz', gzipSync(traffic)))).toBe(undefined);
});

test('folders and patterns', () => {
  const many = join(folder, 'many');
  mkdirSync(join(many, 'deeper.pcap'), { recursive: true });
  for (const name of ['b.pcap', 'a.pcapng.gz', 'c.PCAP', 'notes.txt', '[x].cap', 'x1.zst']) writeFileSync(join(many, name), '');
  const names = (...paths: string[]) =>
    expandCaptures(paths.map((path) => (path === '-' ? path : join(many, path)))).map((path) => path.replace(`${many}/`, ''));
  expect(names('.')).toEqual(['[x].cap', 'a.pcapng.gz', 'b.pcap', 'c.PCAP']);
  expect(names('?.pcap')).toEqual(['b.pcap']);
  expect(names('*.p*', '-', '[x].cap')).toEqual(['a.pcapng.gz', 'b.pcap', '-', '[x].cap']);
  for (const wrong of ['none.pcap', '*.none', 'deeper.pcap', 'no/*.pcap']) expect(() => names(wrong)).toThrow(CaptureOpenError);
});
