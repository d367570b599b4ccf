/** Random TCP segments for the tests of connections' short ways. */
import { writePcap } from '../../../src/capture/writer.ts';

const BEGIN = 1_700_000_000_000_000_000n;
/** MSS, window scale, SACK permitted, timestamps; cut, silly, ended. */
const OPTIONS = [
  [],
  [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7],
  [3, 3, 15, 0],
  [3, 3, 2, 4, 2, 3, 3, 1],
  [3, 1, 1, 1],
  [0, 4, 2, 0],
  [4, 2, 8],
];
const ETHERNET = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];

/** A number below the one given. */
export type Draw = (below: number) => number;

/** Options of a TCP header, in whole words. */
export function drawOptions(draw: Draw): number[] {
  return OPTIONS[draw(OPTIONS.length)]!.filter((_, index, all) => index < all.length - (all.length % 4));
}

/** One bit of a TCP segment over IPv4 is turned: in its flags, checksum, length of header or window. */
export function spoil(segment: Uint8Array, draw: Draw): void {
  segment[20 + [13, 16, 12, 12, 14][draw(5)]!]! ^= 1 << draw(8);
}

/** A pcap file of `packets` IP packets that `packet` makes, most of them at once, a few a minute and more behind the one before; some are cut, some come twice. */
export function captureOf(draw: Draw, packets: number, packet: (draw: Draw) => Uint8Array): Uint8Array {
  let time = BEGIN;
  const frames = Array.from({ length: packets }, () => {
    time += draw(400) === 0 ? 200_000_000_000n : BigInt(draw(2_000_000));
    const segment = packet(draw);
    return { time, bytes: Uint8Array.from([...ETHERNET, ...segment.subarray(0, draw(60) === 0 ? 20 + draw(24) : undefined)]) };
  });
  // Some come again at once, while their batch is under way.
  return writePcap(
    frames.flatMap((frame) => (draw(12) === 0 ? [frame, frame] : [frame])),
    1,
  );
}
