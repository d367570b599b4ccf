/** Test-only entry of the front half: records, link layers, IP, stack. */
import { captureConsumed, captureFeed, captureNext, captureReset, captureBatch as readBatch } from './capture/index.ts';
import { interfaceId } from './capture/names.ts';
import { decodeIp, decodeLink, decodePlain } from './packet/index.ts';
import { Segment, segmentInit } from './packet/segment.ts';
import { addressTypeOnDevice, routePacket, routePlain, stackInit } from './stack/index.ts';
import { route4, route6 } from './stack/routes.ts';

export {
  addressTypeOnDevice,
  captureConsumed,
  captureFeed,
  captureNext,
  captureReset,
  decodeIp,
  decodeLink,
  decodePlain,
  interfaceId,
  route4,
  route6,
  routePacket,
  routePlain,
  segmentInit,
  stackInit,
};

/** Records numbered from 1. */
export function captureBatch(slot: usize, most: u32): u32 {
  return readBatch(slot, most, 0);
}

/** Of an Ethernet frame of `captured` bytes: as Segment.plain of what is in it, 0 if that is not IPv4 without options. */
export function segmentAt(frame: usize, captured: u32): u32 {
  return Segment.isPlain(frame, false) ? Segment.plain(frame + 14, captured - 14) : 0;
}

/** Every record of the chunk through the whole front half, into one slot; how many. */
export function drain(slot: usize, deep: bool): u32 {
  let count: u32 = 0;
  while (captureNext(slot) === 0) {
    decodeLink(slot);
    decodeIp(slot);
    if (deep) routePacket(slot);
    count++;
  }
  return count;
}

/** The record reader alone. */
export function records(slot: usize): u32 {
  let count: u32 = 0;
  while (captureNext(slot) === 0) count++;
  return count;
}
export function links(slot: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) decodeLink(slot);
}
export function ips(slot: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) decodeIp(slot);
}
