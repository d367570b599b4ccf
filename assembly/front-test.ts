/** Test-only entry of the front half: records, link layers, IP, stack. */
import { captureBatch, captureConsumed, captureFeed, captureNext, captureReset } from './capture/index.ts';
import { interfaceId } from './capture/names.ts';
import { decodeIp, decodeLink, decodePlain } from './packet/index.ts';
import { addressTypeOnDevice, routePacket, routePlain, stackInit } from './stack/index.ts';
import { route4, route6 } from './stack/routes.ts';

export {
  addressTypeOnDevice,
  captureBatch,
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
  stackInit,
};

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
