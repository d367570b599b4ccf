/** Devices by their numbers (ifindex), which captures of "any" have in every header: what is told of those that the host model does not have. */
import { count } from './count.ts';

/** Packets of devices without a name. */
export interface UnnamedDevices {
  packets: number;
  /** The number of the first packet, and of its device. */
  first: number;
  device: number;
}

/** Note of a host model without any number, about a capture that has packets of so many devices. `isTold`: --addr was given. */
export function numberlessNotes(devices: number, isTold: boolean): string[] {
  if (devices < 2) return [];
  const remedy = isTold
    ? '--addr has no numbers ("ifindex") to name them by, and where packets came in or left may be told wrong; "ip -j addr" on that host, not "ip -j -br addr", has them'
    : '"ip -j addr" on that host (--addr) has their names';
  return [`the capture has packets of ${count(devices)} devices, by number: ${remedy}`];
}

/** Notes of a result. */
export function numberNotes({ packets, first, device }: UnnamedDevices): string[] {
  if (packets === 0) return [];
  const they = packets === 1 ? '1 packet was' : `${count(packets)} packets were`;
  return [
    `${they} captured at devices whose numbers --addr does not have (the first: packet ${count(first)}, device ${device}): where they came in or left is told by their addresses; "ip -j addr" on the host, while it captures, has all of them`,
  ];
}
