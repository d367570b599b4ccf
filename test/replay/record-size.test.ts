/** The mean size of records, told by a look at some places of a file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { tcpTraffic } from '../../bench/traffic.ts';
import { meanRecord } from '../../src/replay/record-size.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-records-'));
afterAll(() => rmSync(folder, { recursive: true }));

function meanOf(capture: Uint8Array): number | undefined {
  const path = join(folder, 'capture');
  writeFileSync(path, capture);
  return meanRecord(path);
}

/** A capture of records with so many bytes each, all `fill`. */
function recordsOf(lengths: readonly number[], fill: number): Uint8Array {
  const head = tcpTraffic(0, 1);
  const records = lengths.map((length) => {
    const record = new Uint8Array(16 + length).fill(fill);
    const view = new DataView(record.buffer);
    for (const [at, word] of [1_700_000_000, 999_999, length, length + 10].entries()) view.setUint32(at * 4, word, true);
    return record;
  });
  return Buffer.concat([head, ...records]);
}

test.each([
  ['the smallest frames', 20_000, 500, 1],
  ['large ones and acknowledgements', 20_000, 500, 1460],
  ['most of which come behind the opening of connections', 20_000, 5000, 1000],
])('%s', (_, packets, flows, data) => {
  const capture = tcpTraffic(packets, flows, data);
  const mean = (capture.length - 24) / packets;
  expect(meanOf(capture)).toBeGreaterThan(0.7 * mean);
  expect(meanOf(capture)).toBeLessThan(1.3 * mean);
});

test.each([0, 1, 0xff])('bytes of data that are all %i', (fill) => {
  expect(meanOf(recordsOf(Array(2000).fill(1000), fill))).toBe(1016);
});

test.each([
  ['nothing', new Uint8Array(0)],
  ['the header of a file alone', tcpTraffic(0, 1)],
  ['a record or two', tcpTraffic(2, 1)],
  ['a packed file', gzipSync(tcpTraffic(100, 1))],
  ['no capture', new Uint8Array(100_000).fill(7)],
  ['a capture with nothing in it but zeros', new Uint8Array(100_000).fill(0, 24)],
])('of %s nothing is known', (_, bytes) => {
  expect(meanOf(bytes)).toBeUndefined();
});

test('of what is not there, or is read once, nothing is known', () => {
  expect(meanRecord(join(folder, 'not there'))).toBeUndefined();
  expect(meanRecord('-')).toBeUndefined();
});
