/** The floor of every replay (assembly/floor-bench.ts): record walk and a plain hash of the 5-tuple, measured like the rest. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { instantiate } from '@assemblyscript/loader';
import { type Row, rowOf, type Workload } from './suite.ts';

interface FloorModule {
  INPUT: { value: number };
  prepare(capture: number, slots: number): void;
  walk(at: number, end: number): number;
  flows(): number;
}

/** Calls of about a mebibyte, as the engine gets them: a loop in one long call stays in V8's baseline compiler. */
const CHUNK = 1 << 20;
const HEADER = 24;

/** Throws when the walk counts other packets or flows than the workload has. */
export async function measureFloor(root: string, workload: Workload, flows: number, iterations: number): Promise<Row> {
  const { exports } = await instantiate(readFileSync(join(root, 'build/floor.wasm')));
  const floor = exports as unknown as FloorModule & typeof exports;
  const { capture } = workload;
  const input = floor.INPUT.value;
  let slots = 2;
  while (slots < 2 * flows) slots *= 2;
  floor.prepare(capture.length, slots);
  new Uint8Array(exports.memory!.buffer, input, capture.length).set(capture);
  const record = 16 + new DataView(capture.buffer, capture.byteOffset).getUint32(HEADER + 8, true);
  const step = record * Math.floor(CHUNK / record);
  return rowOf('record walk + hash probe', workload, iterations, () => {
    floor.prepare(capture.length, slots);
    let packets = 0;
    for (let at = HEADER; at < capture.length; at += step)
      packets += floor.walk(input + at, input + Math.min(at + step, capture.length));
    if (packets !== workload.packets || floor.flows() !== flows) throw new Error(`the floor counts ${packets} packets`);
  });
}
