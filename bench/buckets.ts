/** How the connections of a job lie in the engine's table: the work of looking one up, where seconds would depend on the machine. */
import { CONNECTION_SIZE } from '../src/abi/connections.ts';
import { compile } from '../src/compile/index.ts';
import type { HashKey } from '../src/engine/index.ts';
import { loadEngine, type WasmSource } from '../src/engine/loader.ts';
import { EngineSession } from '../src/engine/session.ts';
import type { Job } from '../src/model/witness.ts';

/** Connections a bucket holds (assembly/conntrack/bucket.ts). */
const SLOTS = 7;

/** Connections in every bucket of the table after the capture, in the table's order: those that find theirs full lie in the next with room. */
export async function bucketLoads(wasm: WasmSource, job: Job, capture: Uint8Array, hashKey: HashKey): Promise<Uint8Array> {
  const engine = await loadEngine(wasm);
  const block = engine.allocate(CONNECTION_SIZE) >>> 0;
  const session = new EngineSession(engine, compile(job), { path: false, hashKey });
  session.startCapture('memory');
  session.feed(capture);
  session.endCapture();
  const places = engine.connectionPlaces() >>> 0;
  const loads = new Uint8Array(places / SLOTS);
  for (let place = 0; place < places; place++)
    if (engine.describeConnection(place, block) !== 0) loads[Math.floor(place / SLOTS)]!++;
  return loads;
}

/** The most full buckets in a row: so many are read, at worst, before the one that has room. */
export function longestRun(loads: Uint8Array): number {
  let [run, longest] = [0, 0];
  for (const load of loads) {
    run = load === SLOTS ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}
