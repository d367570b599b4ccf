/** Packed captures, folders and patterns: everything that comes before the readers. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { CaptureOpenError, expandCaptures, openPlain, packing } from '../../src/replay/open.ts';
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

test.each(['wasm', 'reference'] as const)('cut and corrupt packings give what came before (%s)', async (engine) => {
  const whole = await infoOf(file('plain', traffic), engine);
  const packed = new Uint8Array(gzipSync(traffic));
  const corrupt = packed.slice();
  corrupt.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], packed.length >>> 1);
  const wrongSum = packed.slice();
  wrongSum[packed.length - 8] = wrongSum[packed.length - 8]! ^ 1;
  const checks: [string, Uint8Array, RegExp][] = [
    ['cut.gz', packed.subarray(0, packed.length - 20), /gzip|ends inside/],
    ['corrupt.gz', corrupt, /gzip|ends inside|impossible|claims/],
    ['sum.gz', wrongSum, /gzip|ends inside/],
    ['cut.zst', zstd(traffic).subarray(0, 102_000), /zstd|ends inside/],
    ['bad.zst', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff), /zstd|ends inside/],
    ['head.gz', packed.subarray(0, 5), /gzip|ends inside/],
  ];
  for (const [name, bytes, reason] of checks) {
    const info = await infoOf(file(name, bytes), engine);
    expect(info.damage?.reason, name).toMatch(reason);
    expect(info.packets, name).toBeLessThanOrEqual(whole.packets);
  }
  // zlib withholds what it made in the call that met the fault: 16 KiB at most.
  const { damage } = await infoOf(join(folder, 'sum.gz'), engine);
  expect(damage!.offset).toBeGreaterThan(traffic.length - 2 * 16_384);
});

test('packings are told by their first bytes', () => {
  expect(['gzip', 'zstd', 'plain', 'plain']).toEqual(
    [gzipSync('x'), zstd(traffic), traffic, new Uint8Array(1)].map((bytes) => packing(new Uint8Array(bytes).subarray(0, 4))),
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
