/** Writes classic pcap: little-endian, nanoseconds when a time asks for it. */

export interface WrittenFrame {
  /** Nanoseconds since the epoch. */
  time: bigint;
  bytes: Uint8Array;
  /** Length on the wire when it differs from what is written. */
  wire?: number;
}

const FILE_HEADER = 24;
const RECORD_HEADER = 16;

/** The bytes of a pcap file with the given frames, all of one link type. */
export function writePcap(frames: readonly WrittenFrame[], linktype: number): Uint8Array {
  const nanoseconds = frames.some((frame) => frame.time % 1000n !== 0n);
  const size = frames.reduce((sum, frame) => sum + RECORD_HEADER + frame.bytes.length, FILE_HEADER);
  const out = new Uint8Array(size);
  out.set(fileHeader(linktype, nanoseconds));
  let at = FILE_HEADER;
  for (const frame of frames) {
    out.set(recordHeader(frame, nanoseconds), at);
    out.set(frame.bytes, at + RECORD_HEADER);
    at += RECORD_HEADER + frame.bytes.length;
  }
  return out;
}

/** What a pcap file begins with: 24 bytes. `nanoseconds`: the unit below the second of all its records, microseconds otherwise. */
export function fileHeader(linktype: number, nanoseconds: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(FILE_HEADER));
  view.setUint32(0, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 262_144, true);
  view.setUint32(20, linktype, true);
  return new Uint8Array(view.buffer);
}

/** What stands before the bytes of a frame: 16 bytes. */
export function recordHeader({ time, bytes, wire = bytes.length }: WrittenFrame, nanoseconds: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(RECORD_HEADER));
  const fraction = time % 1_000_000_000n;
  view.setUint32(0, Number(time / 1_000_000_000n), true);
  view.setUint32(4, Number(nanoseconds ? fraction : fraction / 1000n), true);
  view.setUint32(8, bytes.length, true);
  view.setUint32(12, wire, true);
  return new Uint8Array(view.buffer);
}
