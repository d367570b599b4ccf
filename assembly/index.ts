/**
 * What the host calls, in this order: allocate every region, `setup`, `start`; a capture at a time `startCapture`, then `feed` and `run` until RUN_END or
 * RUN_DAMAGED. The host writes only into regions it allocated and reads counters between calls, those of segments after `settle`.
 */
import { CAPTURE_HZ, CAPTURE_NAMES } from '../src/abi/capture.ts';
import { PACKET_SIZE } from '../src/abi/packet.ts';
import { bareJudged, bareLooked } from './bare.ts';
import { servicesBegun } from './begin.ts';
import { BATCH, captureConsumed, captureFeed, captureReset } from './capture/index.ts';
import { edgesTaken } from './classify/known.ts';
import { packedSteps, runPacked } from './classify/packed.ts';
import { setProgram } from './classify/program.ts';
import { runWalk } from './classify/walk.ts';
import { settleWays } from './classify/ways.ts';
import { setHeaderFlags } from './conntrack/header';
import {
  connectionPlaces,
  conntrackConfirmed,
  conntrackInit,
  conntrackLive,
  describeConnection,
  describeExpectation,
  halvesExpanded,
  handshakesJudged,
  nextExpectation,
  synsOpened,
} from './conntrack/index';
import { flowsJudged, flowsLearned } from './flows.ts';
import { planHooks, setFlags } from './hooks.ts';
import { drainLog, setLogRegion } from './log.ts';
import { reserveFor } from './look-ahead.ts';
import { markingStart, marksBare, setMarksBare } from './marking.ts';
import { allocate, heapStart } from './memory.ts';
import { awaitJudged, endPipeline, isJudged, judgeOn, pipelineFed, pipelineWritten, readOn, setPipeline } from './pipeline.ts';
import { setLimit as limitPackets, startInput } from './read.ts';
import { drainRing, setRecordBytes, setRing } from './records.ts';
import { replay, setSlots } from './replay.ts';
import { setSets, setsStart } from './sets/region.ts';
import { setShare as shareCapture, shareIsExact } from './share.ts';
import { sharedPassed, steppedOver } from './share-read.ts';
import { stackInit } from './stack/index.ts';
import { setControl } from './tally.ts';

export {
  allocate,
  awaitJudged,
  bareJudged,
  bareLooked,
  captureConsumed as consumed,
  connectionPlaces,
  conntrackConfirmed as connections,
  conntrackLive as live,
  describeConnection,
  describeExpectation,
  drainLog,
  drainRing as drain,
  edgesTaken,
  endPipeline,
  flowsJudged,
  flowsLearned,
  halvesExpanded,
  handshakesJudged,
  isJudged,
  judgeOn,
  marksBare,
  nextExpectation,
  packedSteps,
  pipelineWritten,
  readOn,
  servicesBegun,
  setLogRegion,
  setMarksBare,
  setPipeline,
  setRecordBytes,
  setSets,
  setsStart,
  settleWays as settle,
  sharedPassed,
  shareIsExact,
  steppedOver,
  synsOpened,
};

let capture: usize = 0;

/** How many bytes of packet slots `setup` wants. */
export function slotBytes(): u32 {
  return BATCH * PACKET_SIZE;
}

/** Code section, segment counters, match state, call stack of `depth` entries; credits per jiffy, last visible segment. */
export function setupProgram(
  code: usize,
  segments: usize,
  states: usize,
  stack: usize,
  depth: u32,
  credits: u32,
  visible: u32,
): void {
  setProgram(code, segments, states, stack, depth, credits, visible);
}

/** The blocks of the host model and of the record reader; `flags` are IMAGE_FLAG_*. */
export function setupHost(host: usize, state: usize, names: usize, hz: u32, flags: u32): void {
  stackInit(host);
  capture = state;
  store<u32>(capture, hz, CAPTURE_HZ);
  store<u32>(capture, names as u32, CAPTURE_NAMES);
  setFlags(flags);
  setHeaderFlags(flags);
}

/** Where results go: control block, packet slots, output ring (size 0: no records). */
export function setupResults(control: usize, slots: usize, ring: usize, ringSize: u32): void {
  setControl(control);
  setSlots(slots);
  setRing(ring, ringSize);
}

/** All regions are there: conntrack takes the rest of the memory. */
export function start(conntrack: usize): void {
  conntrackInit(conntrack, heapStart());
  planHooks();
  markingStart();
}

/** Packets at most, over all captures; then `run` answers RUN_END. */
export function setLimit(packets: f64): void {
  limitPackets(packets as u64);
}

/** Before the first packet: this engine judges those of share `index` of `count` only. */
export function setShare(index: u32, count: u32): void {
  shareCapture(index, count);
}

export function startCapture(): void {
  captureReset(capture);
  startInput();
}

/** Bytes not yet consumed; `last`: nothing follows in this file. False when there is no memory for the connections they can bring. */
export function feed(at: usize, length: u32, last: bool): bool {
  captureFeed(at, length, last);
  startInput();
  return reserveFor(length);
}

/** Of the engine that reads for another one: as feed. */
export function feedOn(at: usize, length: u32, last: bool): void {
  captureFeed(at, length, last);
  startInput();
  pipelineFed(length);
}

/** RUN_*. */
export function run(): i32 {
  return replay();
}

/** One walk on a slot that the host filled: for tests and benchmarks of classification alone. NEXT_*. */
export function classify(walk: u32, slot: usize, bytes: u32): u32 {
  return runWalk(walk, slot, bytes as u64);
}

/** A packed walk (abi/packed.ts) on `packets` keys in a row; `answers`: one u32 a packet, NEXT_*. Keys and answers have room for whole groups. */
export function classifyPacked(
  clusters: usize,
  far: bool,
  starts: usize,
  groups: u32,
  exits: usize,
  keys: usize,
  packets: u32,
  answers: usize,
): void {
  runPacked(clusters, far, starts, groups, exits, keys, packets, answers);
}
