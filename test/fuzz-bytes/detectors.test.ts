/** The two detectors of reads outside the input find such a read when there is one, and nothing when there is none. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { EngineSession } from '../../src/engine/session.ts';
import { captures } from './corpus.ts';
import { GuardError, guarded, type Place } from './guarded.ts';
import { drawJob } from './jobs.ts';
import { Random } from './rounds.ts';
import { wasm } from './witnesses.ts';

const NOWHERE = 0;
const BEHIND = 1;
const BEFORE = 2;

const { image } = drawJob(new Random(1));
const capture = captures.find(({ name }) => name.includes('web'))!.bytes;
let planted: object;

beforeAll(() => {
  mkdirSync('build/fuzz-bytes', { recursive: true });
  const file = `build/fuzz-bytes/overread-${process.pid}.wasm`;
  const options = [
    '--config',
    'none',
    '--runtime',
    'stub',
    '--use',
    'abort=',
    '--enable',
    'simd',
    '--enable',
    'bulk-memory',
    '-O1',
    '--noAssert',
  ];
  execFileSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', 'assembly/overread-test.ts', ...options, '-o', file]);
  planted = new wasm.Module(readFileSync(file));
});

/** Bytes the engine counted, with a fault and without. */
async function counted(fault: number, place: Place): Promise<number> {
  const { engine, check } = await guarded(planted, place);
  Reflect.get(engine, 'plant')(fault);
  const session = new EngineSession(engine, image, { path: false });
  session.startCapture('capture');
  session.feed(capture);
  const { bytes } = session.endCapture();
  check();
  return bytes;
}

describe('a read outside the input', () => {
  test('behind its last byte traps at the end of memory', async () => {
    await expect(counted(BEHIND, 'end')).rejects.toThrow(wasm.RuntimeError);
    await expect(counted(NOWHERE, 'end')).resolves.toBeGreaterThan(0);
  });

  test.each([
    ['behind', BEHIND],
    ['before', BEFORE],
  ])('%s it shows between zeros and ones', async (_where, fault) => {
    expect(await counted(fault, 0x00)).not.toBe(await counted(fault, 0xff));
    expect(await counted(NOWHERE, 0x00)).toBe(await counted(NOWHERE, 0xff));
  });

  test('a write outside a region is told', async () => {
    const { engine, check } = await guarded(planted, 0xff);
    const at = engine.allocate(10);
    check();
    new Uint8Array(engine.memory.buffer)[at + 10] = 0;
    expect(check).toThrow(GuardError);
  });
});
