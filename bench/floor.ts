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
const RECORD = 16;

/** What the engine's input takes at once. */
const FED = 1 << 18;

/**
 * With the whole capture in the module's memory, where no replay has it, or `fed` as the engine is: copied into an input buffer, piece by piece.
 * `flows`: how many there are, where that is known. Throws when the walk counts other packets or flows than the workload has.
 */
export async function measureFloor(
  root: string,
  workload: Workload,
  flows: number | undefined,
  iterations: number,
  fed = false,
): Promise<Row> {
  const { exports } = await instantiate(readFileSync(join(root, 'build/floor.wasm')));
  const floor = exports as unknown as FloorModule & typeof exports;
  const { capture } = workload;
  const input = floor.INPUT.value;
  let slots = 2;
  while (slots < 2 * (flows ?? workload.packets)) slots *= 2;
  const room = fed ? FED : capture.length;
  floor.prepare(room, slots);
  const memory = new Uint8Array(exports.memory!.buffer, input, room);
  if (!fed) memory.set(capture);
  const cuts = cutsOf(capture, fed ? FED : CHUNK);
  return rowOf(fed ? 'the same, fed as the engine is' : 'record walk + hash probe', workload, iterations, () => {
    floor.prepare(room, slots);
    let packets = 0;
    let at = HEADER;
    for (const end of cuts) {
      if (fed) memory.set(capture.subarray(at, end));
      packets += fed ? floor.walk(input, input + end - at) : floor.walk(input + at, input + end);
      at = end;
    }
    if (packets !== workload.packets || (flows !== undefined && floor.flows() !== flows))
      throw new Error(`the floor counts ${packets} packets`);
  });
}

/** Where a pcap file is cut between records, so that no piece has more than `most` bytes, or only one record has. */
function cutsOf(capture: Uint8Array, most: number): number[] {
  const view = new DataView(capture.buffer, capture.byteOffset, capture.length);
  const cuts: number[] = [];
  let from = HEADER;
  for (let at = HEADER; at < capture.length; ) {
    const end = at + RECORD + view.getUint32(at + 8, true);
    if (end - from > most && at > from) {
      cuts.push(at);
      from = at;
    }
    at = end;
  }
  return [...cuts, capture.length];
}
