/** The only place that knows @assemblyscript/loader. */
import { instantiateSync } from '@assemblyscript/loader';

/** What assembly/index.ts exports. Addresses and counts are unsigned: `>>> 0` what comes back. */
export interface EngineExports {
  memory: { readonly buffer: ArrayBuffer };
  allocate(bytes: number): number;
  slotBytes(): number;
  setupProgram(
    code: number,
    segments: number,
    states: number,
    stack: number,
    depth: number,
    credits: number,
    visible: number,
  ): void;
  setupHost(host: number, state: number, names: number, hz: number, flags: number): void;
  setupResults(control: number, slots: number, ring: number, ringSize: number): void;
  setRecordBytes(wanted: number): void;
  setLogRegion(at: number, size: number): void;
  drainLog(): number;
  setSets(at: number): void;
  setsStart(): bigint;
  start(conntrack: number): void;
  setLimit(packets: number): void;
  setShare(index: number, count: number): void;
  shareIsExact(): number;
  /** Of an engine with a share: records of all shares that one pass took (assembly/share-read.ts), and those of them that are others'; only the debug build counts them. */
  sharedPassed(): number;
  steppedOver(): number;
  startCapture(): void;
  feed(at: number, length: number, last: number): number;
  run(): number;
  /** Of two engines that share a memory (assembly/pipeline.ts): both; the one that judges; the one that reads. */
  setPipeline(ring: number, slots: number): void;
  marksBare(): number;
  judgeOn(): number;
  setMarksBare(marks: number): void;
  feedOn(at: number, length: number, last: number): void;
  readOn(): number;
  pipelineWritten(): number;
  isJudged(number: number): number;
  awaitJudged(number: number): number;
  endPipeline(): number;
  /** Before segment counters are read: puts what was counted elsewhere where it belongs. */
  settle(): void;
  /** Packets for which a connection kept the edge (assembly/classify/known.ts); only the debug build counts them. */
  edgesTaken(): number;
  /** Packets that were judged without being decoded (assembly/bare.ts); likewise. */
  bareJudged(): number;
  bareLooked(): number;
  /** Packets with which connections of known services began (assembly/begin.ts); likewise. */
  servicesBegun(): number;
  /** Packets that nothing tracks and that were judged so (assembly/flows.ts), and those of them whose way was not kept yet; likewise. */
  flowsJudged(): number;
  flowsLearned(): number;
  /** Connections that began the short way (assembly/conntrack/syn.ts); likewise. */
  synsOpened(): number;
  handshakesJudged(): number;
  /** Halves that became entries (assembly/conntrack/half.ts); likewise. */
  halvesExpanded(): number;
  /** Clusters that packets of packed walks went through (assembly/classify/packed.ts); likewise. */
  packedSteps(): number;
  consumed(): number;
  drain(): number;
  connections(): number;
  live(): number;
  connectionPlaces(): number;
  describeConnection(place: number, to: number): number;
  nextExpectation(one: number): number;
  describeExpectation(one: number, now: bigint, to: number): number;
  classify(walk: number, slot: number, bytes: number): number;
  classifyPacked(
    clusters: number,
    far: boolean,
    starts: number,
    groups: number,
    exits: number,
    keys: number,
    packets: number,
    answers: number,
  ): void;
}

/** The bytes of build/engine.wasm, or a WebAssembly.Module made from them (its type is not in every TypeScript library). */
export type WasmSource = ArrayBuffer | Uint8Array | object;

/** A module that can be instantiated many times; compiling is the dear part. */
export const compileModule = (wasm: ArrayBuffer | ArrayBufferView): Promise<object> =>
  (
    globalThis as unknown as { WebAssembly: { compile(bytes: ArrayBuffer | ArrayBufferView): Promise<object> } }
  ).WebAssembly.compile(wasm);

/** Memory that threads share, for engine.threads.wasm; of zeros. */
export function sharedMemory(): object {
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: new (shape: object) => object } }).WebAssembly;
  return new Memory({ initial: 64, maximum: 65536, shared: true });
}

/** A fresh instance with a memory of its own; of engine.threads.wasm, which imports its memory, with the one given. */
export async function loadEngine(wasm: WasmSource, memory?: object): Promise<EngineExports> {
  // Not the loader's own `instantiate`: it asks whether this is a Response, and Node loads all of fetch to answer.
  const module = wasm instanceof ArrayBuffer || ArrayBuffer.isView(wasm) ? await compileModule(wasm) : wasm;
  const { exports } = instantiateSync(module as Parameters<typeof instantiateSync>[0], memory && { env: { memory } });
  return exports as unknown as EngineExports;
}
