/** The memory regions of one job: asked for in order, filled from the image. */
import { CAPTURE_STATE_SIZE } from '../abi/capture.ts';
import { CONNECTION_SIZE, EXPECTATION_SIZE } from '../abi/connections.ts';
import { CONTROL_SIZE } from '../abi/control.ts';
import * as abi from '../abi/image.ts';
import { PIPELINE_BATCHES, PIPELINE_SIZE } from '../abi/pipeline.ts';
import type { OnPacket } from '../model/witness.ts';
import { drawHashKey, type HashKey, putHashKey } from './connections.ts';
import type { ImageView } from './image-view.ts';
import type { EngineExports } from './loader.ts';
import { setsBehind } from './sets.ts';

/** The most a call takes in: longer calls stay in the baseline compiler (no on-stack replacement), and more of it drives connections out of the core's cache. */
export const CHUNK = 1 << 18;
/** The same where an engine judges only a share of it: half of the work, and half of the host's calls. */
export const SHARED_CHUNK = 1 << 19;
/** What a call leaves unread is at most one block or record. */
const LARGEST = 1 << 20;
export const INPUT_SIZE = SHARED_CHUNK + LARGEST + 4096;
/** Where in a session's input new bytes go, behind those of before that are not consumed: the host's kernel copies a fifth slower to where no cache line begins. */
export const INPUT_START = LARGEST + 4096;
/** Inputs of a pipeline: while packets of some are judged, the next is filled. */
const PIPELINE_INPUTS = 8;
const RING_SIZE = 1 << 20;
const LOG_SIZE = 1 << 20;

/** The engine ran out of memory, or was used out of order. */
export class EngineError extends Error {}

/** Addresses of what the host allocated. */
export interface Regions {
  segments: number;
  states: number;
  control: number;
  capture: number;
  ring: number;
  log: number;
  input: number;
  /** Where the engine judges what another reads (pipeline.ts). */
  reading?: Reading;
  /** What is listed, one after the other. */
  connection: number;
  sets: number;
}

/** What an engine is told that reads for another one, in the same memory: addresses, and words of setupHost. */
export interface Reading {
  host: number;
  capture: number;
  names: number;
  hz: number;
  flags: number;
  control: number;
  pipeline: number;
  slots: number;
  inputs: readonly number[];
  /** Which packets are marked that can be judged by their bytes (assembly/bare.ts). */
  marks: number;
}

/** How regions are laid out. */
export interface RegionOptions {
  onPacket?: OnPacket;
  logs?: boolean;
  hashKey?: HashKey;
  /** Another engine reads for this one. */
  pipeline?: boolean;
}

/** Asks for all regions, copies the image's parts and starts the engine. Throws EngineError without memory. */
export function allocateRegions(engine: EngineExports, image: ImageView, options: RegionOptions): Regions {
  const { onPacket, logs = false, hashKey = drawHashKey(), pipeline = false } = options;
  const [ringSize, logSize] = onPacket === undefined ? [0, 0] : [RING_SIZE, logs ? LOG_SIZE : 0];
  const { header } = image;
  const room = (bytes: number): number => {
    const at = engine.allocate(Math.max(bytes, 8)) >>> 0;
    if (at === 0) throw new EngineError('out of memory for the image');
    return at;
  };
  const copy = (bytes: Uint8Array, behind = 0): number => {
    const at = room(bytes.length + behind);
    new Uint8Array(engine.memory.buffer).set(bytes, at);
    return at;
  };
  const depth = header[abi.IMAGE_WORD_STACK]!;
  const code = copy(image.code);
  const segments = room((image.segments.length / 2) * abi.SEGMENT_SIZE);
  const states = room(header[abi.IMAGE_WORD_STATES]! * abi.STATE_SIZE);
  const stack = room(depth * 4);
  engine.setupProgram(code, segments, states, stack, depth, header[abi.IMAGE_WORD_CREDITS]!, header[abi.IMAGE_WORD_VISIBLE]!);
  const conntrack = copy(image.conntrack);
  putHashKey(new Uint8Array(engine.memory.buffer, conntrack, image.conntrack.length), hashKey);
  const capture = room(CAPTURE_STATE_SIZE);
  const [host, names, hz, flags] = [
    copy(image.host),
    copy(image.interfaces),
    header[abi.IMAGE_WORD_HZ]!,
    header[abi.IMAGE_WORD_FLAGS]!,
  ];
  engine.setupHost(host, capture, names, hz, flags);
  const control = room(CONTROL_SIZE);
  const slots = room(engine.slotBytes() * (pipeline ? PIPELINE_BATCHES : 1));
  const ring = room(ringSize);
  engine.setupResults(control, slots, ring, ringSize);
  const sets = copy(image.sets, setsBehind(image.sets));
  engine.setSets(sets);
  const log = room(logSize);
  engine.setLogRegion(log, logSize);
  const inputs = Array.from({ length: pipeline ? PIPELINE_INPUTS : 1 }, () => room(INPUT_SIZE));
  const pipelineAt = room(pipeline ? PIPELINE_SIZE : 0);
  const connection = room(Math.max(CONNECTION_SIZE, EXPECTATION_SIZE));
  if (pipeline) engine.setPipeline(pipelineAt, slots);
  engine.start(conntrack);
  const regions = { segments, states, control, capture, ring, log, input: inputs[0]!, connection, sets };
  if (!pipeline) return regions;
  const marks = engine.marksBare();
  return { ...regions, reading: { host, capture, names, hz, flags, control, pipeline: pipelineAt, slots, inputs, marks } };
}
