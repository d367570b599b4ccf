/** Packages in a stream (RFC 1006, TPKT), as get_tpkt_data of net/netfilter/nf_conntrack_h323_main.c takes them out of one segment; what goes over several segments it does not see, but for one that begins behind its header. */
import { u16 } from '../../../packet/bytes.ts';
import * as tcp from '../../../packet/tcp.ts';
import type { Said } from './h323-expect.ts';
import { type Ports, rememberPorts } from './h323-nat.ts';
import { type Seen, tcpData } from './helper.ts';

const HEADER = 4;
const VERSION = 0x0300;

/** Of each direction: how long the package is whose header came alone; 0: none did. And what ports were told. */
export interface TpktMemory {
  announced: [number, number];
  ports: Ports;
}

export const rememberTpkt = (): TpktMemory => ({ announced: [0, 0], ports: rememberPorts() });

/** A message of a connection with packages. */
export interface StreamSaid extends Said {
  seen: Seen<TpktMemory>;
}

/** What is in the packages of a segment. */
export function tpkts(seen: Seen<TpktMemory>): StreamSaid[] {
  const { byteOffset } = seen.packet.upper;
  return contents(seen).map((message) => ({ seen, message, at: message.byteOffset - byteOffset }));
}

function contents({ packet, direction, memory }: Seen<TpktMemory>): Uint8Array[] {
  if (!tcp.hasHeader(packet.upper)) return [];
  const announced = memory.announced[direction];
  memory.announced[direction] = 0;
  const data = tcpData(packet);
  // What the capture cut off nobody can read.
  if (data === null || data.bytes.length < data.length) return [];
  const { bytes } = data;
  if (bytes.length >= HEADER && u16(bytes, 0) === VERSION) {
    // A header alone is one only where nothing stands before it.
    if (bytes.length === HEADER) memory.announced[direction] = Math.max(0, u16(bytes, 2) - HEADER);
    return packages(bytes);
  }
  if (announced === 0 || announced > bytes.length) return [];
  return [bytes.subarray(0, announced), ...packages(bytes.subarray(announced))];
}

/** As long as one follows the other, whole. */
function packages(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; bytes.length - at > HEADER && u16(bytes, at) === VERSION; ) {
    const length = u16(bytes, at + 2);
    if (length < HEADER || at + length > bytes.length) break;
    found.push(bytes.subarray(at + HEADER, at + length));
    at += length;
  }
  return found;
}
