/** Test-only entry: the engine with a planted fault, a read of one byte outside the input it is fed. The detectors of test/fuzz-bytes must find it. */
import { CONTROL_WIRE } from '../src/abi/control.ts';
import {
  allocate,
  connectionPlaces,
  connections,
  consumed,
  describeConnection,
  drain,
  drainLog,
  live,
  feed as properFeed,
  run,
  setLimit,
  setLogRegion,
  setRecordBytes,
  setSets,
  setupHost,
  setupProgram,
  setupResults,
  slotBytes,
  start,
  startCapture,
} from './index.ts';
import { addTo } from './tally.ts';

export {
  allocate,
  connectionPlaces,
  connections,
  consumed,
  describeConnection,
  drain,
  drainLog,
  live,
  run,
  setLimit,
  setLogRegion,
  setRecordBytes,
  setSets,
  setupHost,
  setupProgram,
  setupResults,
  slotBytes,
  start,
  startCapture,
};

/** Where the fault reads: 0 nowhere, 1 behind the last byte, 2 before the first. */
let fault: u32 = 0;

export function plant(where: u32): void {
  fault = where;
}

/** What is read shows in a counter, as it would in a verdict. */
export function feed(at: usize, length: u32, last: bool): bool {
  if (fault === 1) addTo(CONTROL_WIRE, load<u8>(at + length));
  if (fault === 2) addTo(CONTROL_WIRE, load<u8>(at - 1));
  return properFeed(at, length, last);
}
