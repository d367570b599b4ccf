/** Writes classic pcap: little-endian, nanoseconds when a time asks for it. */

export interface WrittenFrame {
  /** Nanoseconds since the epoch. */
  time: bigint;
  bytes: Uint8Array;
  /** Length on the wire when it differs from what is written. */
  wire?: number;
}

/** The bytes of a pcap file with the given frames, all of one link type. */
export function writePcap(frames: readonly WrittenFrame[], linktype: number): Uint8Array {
  const nanoseconds = frames.some((frame) => frame.time % 1000n !== 0n);
  const size = frames.reduce((sum, frame) => sum + 16 + frame.bytes.length, 24);
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  view.setUint32(0, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 262_144, true);
  view.setUint32(20, linktype, true);
  let at = 24;
  for (const frame of frames) {
    const fraction = frame.time % 1_000_000_000n;
    view.setUint32(at, Number(frame.time / 1_000_000_000n), true);
    view.setUint32(at + 4, Number(nanoseconds ? fraction : fraction / 1000n), true);
    view.setUint32(at + 8, frame.bytes.length, true);
    view.setUint32(at + 12, frame.wire ?? frame.bytes.length, true);
    out.set(frame.bytes, at + 16);
    at += 16 + frame.bytes.length;
  }
  return out;
}
