/** A damaged image is refused with a reason, or does no harm. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import * as host from '../../src/abi/host.ts';
import * as abi from '../../src/abi/image.ts';
import { checksum } from '../../src/compile/image.ts';
import { ImageError } from '../../src/engine/image-error.ts';
import { readImage } from '../../src/engine/image-view.ts';
import type { WasmSource } from '../../src/engine/loader.ts';
import { engineModule } from '../engine/session/wasm.ts';
import { SEED } from '../seed.ts';
import { PlainEngine, plainImage } from './plain-engine.ts';
import { packet, tables } from './random-rules.ts';

let wasm: WasmSource;
const images: Uint8Array[] = [];

beforeAll(() => {
  wasm = engineModule('debug');
  for (const table of fc.sample(tables(8), { numRuns: 4, seed: 7 })) {
    for (const tree of [true, false]) images.push(plainImage([table], { tree, effort: 1, tracesDrops: false }).bytes);
  }
});

function fault(bytes: Uint8Array): string {
  try {
    readImage(bytes);
  } catch (error) {
    if (error instanceof ImageError) return error.fault;
    throw error;
  }
  return 'none';
}

function changed(bytes: Uint8Array, word: number, value: number, sealed = true): Uint8Array {
  const copy = bytes.slice();
  const words = new Uint32Array(copy.buffer);
  words[word] = value;
  if (sealed) words[abi.IMAGE_WORD_CHECKSUM] = checksum(copy);
  return copy;
}

describe('header', () => {
  test('what is wrong is named', () => {
    const image = images[0]!;
    expect(fault(image)).toBe('none');
    expect(fault(image.subarray(0, 100))).toBe('truncated');
    expect(fault(image.slice(0, image.length - 16))).toBe('size');
    expect(fault(changed(image, abi.IMAGE_WORD_LABEL, 1))).toBe('label');
    expect(fault(changed(image, abi.IMAGE_WORD_VERSION, 99))).toBe('version');
    expect(fault(changed(image, 200, 12345, false))).toBe('checksum');
    expect(fault(changed(image, abi.IMAGE_WORD_CODE, 0xfffffff0))).toBe('section');
    expect(fault(changed(image, abi.IMAGE_WORD_SEGMENT_COUNT, 0x20000000))).toBe('section');
    expect(fault(changed(image, abi.IMAGE_WORD_STATES, 0xffffffff))).toBe('size');
  });

  test('an image can be moved: it holds no addresses', () => {
    const image = images[0]!;
    const moved = new Uint8Array(image.length + 64);
    moved.set(image, 64);
    expect(fault(moved.subarray(64))).toBe('none');
  });
});

describe('an area of the host block ends in it, or is refused by its name', () => {
  test.each([
    ['devices', host.HOST_DEVICES, host.HOST_DEVICE_COUNT, host.DEVICE_SIZE],
    ['MACs', host.HOST_MACS, host.HOST_MAC_COUNT, 8],
    ['groups', host.HOST_SOLICITED, host.HOST_SOLICITED_COUNT, 4],
    ['addresses', host.HOST_ADDRESSES, host.HOST_ADDRESS_COUNT, host.ADDRESS_SIZE],
    ['ways back', host.HOST_WAYS_BACK, host.HOST_WAY_BACK_COUNT, host.ROUTE_SIZE],
    ['ways out', host.HOST_WAYS_OUT, host.HOST_WAY_OUT_COUNT, host.ROUTE_SIZE],
    ['numbers of devices', host.HOST_NUMBERS, host.HOST_NUMBER_COUNT, host.NUMBER_SIZE],
  ])('%s', (name, position, count, size) => {
    const header = new Uint32Array(images[0]!.slice().buffer);
    const block = header[abi.IMAGE_WORD_HOST]!;
    const end = header[abi.IMAGE_WORD_HOST_SIZE]!;
    const area = (at: number, entries: number): Uint8Array =>
      changed(changed(images[0]!, (block + position) / 4, at), (block + count) / 4, entries);
    expect(fault(area(end - size, 1))).toBe('none');
    for (const bad of [area(end - size + 4, 1), area(end - size, 2), area(end - size - 2, 1)])
      expect(() => readImage(bad)).toThrow(new RegExp(`host model: ${name}`));
  });
});

test('every kind of change to a word, under a right checksum, is refused or harmless', async () => {
  let refused = 0;
  let ran = 0;
  const values = fc.oneof(
    fc.nat(64),
    fc.constantFrom(0xffffffff, 0x80000000, 0xfffffffc),
    fc.nat(4096).map((value) => value * 4),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...images),
      fc.nat(),
      values,
      fc.array(packet, { minLength: 4, maxLength: 4 }),
      async (image, at, value, packets) => {
        const word = at % (image.length / 4);
        const bytes = changed(image, word, value);
        if (fault(bytes) !== 'none') {
          refused++;
          return;
        }
        ran++;
        const engine = await PlainEngine.open(wasm, bytes);
        for (const fields of packets) engine.walk(4, 'INPUT', 'mangle', fields);
        engine.counted();
      },
    ),
    { seed: SEED, numRuns: 1500 },
  );
  expect(refused).toBeGreaterThan(50);
  expect(ran).toBeGreaterThan(50);
});
