/** The frames of accepted packets as they leave the host, or reach its sockets: what was captured of the link layer, and behind it the packet that a witness gives back. */
import { CaptureReader, type FrameReader } from '../capture/frames.ts';
import type { WrittenFrame } from '../capture/writer.ts';
import type { PacketOutcome } from '../model/outcome.ts';
import type { Frame } from '../model/witness.ts';
import { u16 } from '../packet/bytes.ts';
import { readLink } from '../packet/link.ts';
import { addHops, putU16 } from '../packet/rewrite.ts';
import { isReadOnce } from './open.ts';
import { beginningOf } from './replay.ts';

/** Bytes in which a file announces its link types. */
const BEGINNING = 1 << 20;
/** LINKTYPE_RAW: frames begin with the IP header. */
export const RAW = 101;

/** What is kept of a frame until its packet is judged. */
interface Waiting {
  linktype: number;
  /** What stands before the IP header. */
  header: Uint8Array;
  /** Bytes on the wire from the IP header on. */
  carried: number;
  /** The last four bytes of `header` are those of PPPoE's length and of PPP. */
  pppoe: boolean;
}

/** Puts frames and outcomes together, which come in the same order: a frame before its outcome. */
export class AcceptedFrames {
  readonly #take: (frame: WrittenFrame, linktype: number) => void;
  readonly #raw: boolean;
  #waiting: Waiting[] = [];
  #at = 0;

  /** `raw`: without what was captured of the link layer. `take` gets a frame for every accepted packet. */
  constructor(raw: boolean, take: (frame: WrittenFrame, linktype: number) => void) {
    this.#raw = raw;
    this.#take = take;
  }

  /** A captured frame. Of its bytes only a copy of the link layer's is kept. */
  captured({ linktype, bytes, wire }: Frame): void {
    const link = readLink({ linktype, bytes });
    const [offset, pppoe] = link.kind === 'ip' ? [link.offset, link.end !== undefined] : [0, false];
    this.#waiting.push({ linktype, header: Uint8Array.from(bytes.subarray(0, offset)), carried: wire - offset, pppoe });
  }

  /** What became of the next one; asked for with its bytes, which are taken over. */
  judged({ verdict, hook, time, rewritten }: PacketOutcome): void {
    const { linktype, header, carried, pppoe } = this.#waiting[this.#at++]!;
    if (this.#at === this.#waiting.length) {
      this.#waiting = [];
      this.#at = 0;
    }
    if (verdict !== 'ACCEPT' || rewritten === undefined) return;
    // Outcomes leave out what forwarding takes; a rule that sets the TTL there says what it is behind it.
    if (hook === 'FORWARD') addHops(rewritten, rewritten[0]! >> 4 === 4 ? 4 : 6, -1);
    const length = Math.max(rewritten.length, announced(rewritten) || carried);
    if (this.#raw) {
      this.#take({ time, bytes: rewritten, wire: length }, RAW);
      return;
    }
    // PPPoE counts the two bytes of PPP.
    if (pppoe) putU16(header, header.length - 4, length + 2);
    const bytes = new Uint8Array(header.length + rewritten.length);
    bytes.set(header);
    bytes.set(rewritten, header.length);
    this.#take({ time, bytes, wire: header.length + length }, linktype);
  }
}

/** The length that an IP header tells; 0 where it tells none (segments a card makes, jumbograms). */
function announced(packet: Uint8Array): number {
  if (packet[0]! >> 4 === 4) return u16(packet, 2);
  const payload = u16(packet, 4);
  return payload === 0 ? 0 : payload + 40;
}

/** The link types that files announce at their beginning, each once. Of what can be read only once nothing is known, nor of what cannot be opened. */
export async function announcedLinktypes(captures: readonly string[], signal?: AbortSignal): Promise<number[]> {
  const types = new Set<number>();
  for (const path of captures) {
    if (isReadOnce(path)) continue;
    const reader: FrameReader = new CaptureReader(() => {});
    if (signal?.aborted === true) break;
    reader.push(await beginningOf(path, BEGINNING));
    for (const type of reader.linktypes) types.add(type);
  }
  return [...types];
}
