/** Captured frame -> where its IP header is. One entry a LINKTYPE; the headers are in files of their own. */
import type { Frame } from '../model/witness.ts';
import { readEthernet } from './ethernet.ts';
import { readLoop, readNull } from './loopback.ts';
import { readRaw } from './raw.ts';
import { readSll } from './sll.ts';
import { readSll2 } from './sll2.ts';

/** What the link layer says of a frame that carries IP. */
export interface Link {
  kind: 'ip';
  /** What the link layer announced; `nibble`: nothing, the version field decides. */
  family: 4 | 6 | 'nibble';
  /** Offset of the IP header in the frame. */
  offset: number;
  /** Where a length of the link layer (PPPoE) ends what it carries; absent: at the frame's end. */
  end?: number;
  /** Six bytes each, of Ethernet (SLL has the source only); null elsewhere. */
  destinationMac: readonly number[] | null;
  sourceMac: readonly number[] | null;
  /** The kernel's packet type where the capture recorded it (SLL). */
  recordedType?: 'host' | 'broadcast' | 'multicast' | 'otherhost' | 'outgoing';
  /** Number (ifindex) of the device the frame was captured at, where its header has one (SLL2). */
  device?: number;
  /** The frame was captured on the loopback device. */
  loopback: boolean;
}

export type LinkResult = Link | { kind: 'unseen'; reason: LinkReason };
export type LinkReason = 'not-ip' | 'link-type' | 'truncated';

const LINKTYPES: Readonly<Record<number, (bytes: Uint8Array) => LinkResult>> = {
  0: readNull,
  1: readEthernet,
  12: readRaw,
  14: readRaw,
  101: readRaw,
  108: readLoop,
  113: readSll,
  228: (bytes) => readRaw(bytes, 4),
  229: (bytes) => readRaw(bytes, 6),
  276: readSll2,
};

/** The bytes from the IP header on, padding of the frame included. */
export function carriedBytes(bytes: Uint8Array, { offset, end }: Link): Uint8Array {
  return bytes.subarray(offset, end);
}

/** Frames of this LINKTYPE_ number can be read. */
export const isSupported = (linktype: number): boolean => Object.hasOwn(LINKTYPES, linktype);

/** Finds the IP header of a frame. `frame.linktype` is a LINKTYPE_ number (12 and 14 are DLT_RAW of some systems). Never reads outside `frame.bytes`. */
export function readLink(frame: Pick<Frame, 'linktype' | 'bytes'>): LinkResult {
  const read = LINKTYPES[frame.linktype];
  return read === undefined ? { kind: 'unseen', reason: 'link-type' } : read(frame.bytes);
}
