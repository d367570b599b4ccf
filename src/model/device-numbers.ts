/** Devices by their numbers (ifindex), which captures of "any" have in every header: what is told of those that the host model does not have. */

/** Packets of devices without a name. */
export interface UnnamedDevices {
  packets: number;
  /** The number of the first packet, and of its device. */
  first: number;
  device: number;
}

/** Notes of a result. */
export function numberNotes({ packets, first, device }: UnnamedDevices): string[] {
  if (packets === 0) return [];
  const they = packets === 1 ? '1 packet was' : `${packets} packets were`;
  return [
    `${they} captured at devices whose numbers --addr does not have (the first: packet ${first}, device ${device}): where they came in or left is told by their addresses; "ip -j addr" on the host, while it captures, has all of them`,
  ];
}
