/** SCTP packets by hand: right tags and checksums unless told otherwise. */
import { crc32c } from '../../src/packet/sctp.ts';

export const CHUNK = {
  DATA: 0,
  INIT: 1,
  INIT_ACK: 2,
  SACK: 3,
  HEARTBEAT: 4,
  HEARTBEAT_ACK: 5,
  ABORT: 6,
  SHUTDOWN: 7,
  SHUTDOWN_ACK: 8,
  ERROR: 9,
  COOKIE_ECHO: 10,
  COOKIE_ACK: 11,
  ECNE: 12,
  CWR: 13,
  SHUTDOWN_COMPLETE: 14,
} as const;

/** The tags that each side announces, and that packets to it carry. */
export const TAGS = { client: 0x11111111, server: 0x22222222 } as const;
type Side = keyof typeof TAGS;

/** A packet of one chunk with `ports` as its sender has them: source, destination. */
export function sctpPacket(from: Side, type: number, ports: readonly [number, number], tag?: number): Uint8Array {
  const other: Side = from === 'client' ? 'server' : 'client';
  const announces = type === CHUNK.INIT || type === CHUNK.INIT_ACK;
  const bytes = new Uint8Array(12 + (announces ? 20 : 8));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ports[0]);
  view.setUint16(2, ports[1]);
  view.setUint32(4, tag ?? (type === CHUNK.INIT ? 0 : TAGS[other]));
  bytes[12] = type;
  view.setUint16(14, bytes.length - 12);
  if (announces) view.setUint32(16, TAGS[from]);
  view.setUint32(8, crc32c(bytes), true);
  return bytes;
}
