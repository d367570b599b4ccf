/**
 * Datagrams that a host sent, of which a capture shows the fragments: its kernel cut them behind POSTROUTING. The oracle sends them whole by its raw socket (whose devices take any length), for so they met
 * OUTPUT. Follows the words of model/host.ts on which fragments those are, by itself.
 */
import type { Family } from '../model/ruleset.ts';
import type { KernelFrame } from './job.ts';

/** A fragment, and where it belongs. */
interface Part {
  key: string;
  /** Place of its data in the datagram. */
  from: number;
  to: number;
  last: boolean;
  data: Uint8Array;
  /** What stands before its data, as it would in the whole. */
  headers: Uint8Array;
}

/** The smallest path MTUs that the kernel learns. */
const LEAST = { 4: 552, 6: 1280 } as const;
const EXTENSIONS = new Set([0, 43, 60]);
const [ROUTING, DESTINATION] = [43, 60];

function part4(bytes: Uint8Array): Part | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const place = view.getUint16(6);
  const header = (bytes[0]! & 15) * 4;
  const data = bytes.subarray(header, view.getUint16(2));
  const from = (place & 0x1fff) * 8;
  const last = (place & 0x2000) === 0;
  if (last && from === 0) return undefined;
  const headers = Uint8Array.from(bytes.subarray(0, header));
  headers.set([headers[6]! & 0x40, 0], 6);
  const key = [4, ...bytes.subarray(4, 6), bytes[9], ...bytes.subarray(12, 20)].join('.');
  return { key, from, to: from + data.length, last, data, headers };
}

function part6(bytes: Uint8Array): Part | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let [named, at] = [6, 40];
  let routed = false;
  while (EXTENSIONS.has(bytes[named]!) && at + 2 <= bytes.length) {
    // Every fragment has what routers on the way look at; what only the destination does is data.
    if (routed && bytes[named] === DESTINATION) return undefined;
    routed ||= bytes[named] === ROUTING;
    [named, at] = [at, at + (bytes[at + 1]! + 1) * 8];
  }
  if (bytes[named] !== 44 || at + 8 > bytes.length) return undefined;
  const place = view.getUint16(at + 2);
  const [from, last] = [place & 0xfff8, (place & 1) === 0];
  if (last && from === 0) return undefined;
  const data = bytes.subarray(at + 8, 40 + view.getUint16(4));
  const headers = Uint8Array.from(bytes.subarray(0, at));
  headers[named] = bytes[at]!;
  const key = [6, ...bytes.subarray(at + 4, at + 8), ...bytes.subarray(8, 40)].join('.');
  return { key, from, to: from + data.length, last, data, headers };
}

/** The fragment in a frame that goes out, if the host's kernel may have cut it off. `mtu`: of its device, where the host model knows it. */
export function ownPart({ bytes }: Pick<KernelFrame, 'bytes'>, family: Family, mtu = 0): Part | undefined {
  const part = family === 4 ? part4(bytes) : part6(bytes);
  // No kernel cuts elsewhere than at a multiple of eight.
  if (part === undefined || (!part.last && part.data.length % 8 !== 0)) return undefined;
  const room = family === 4 ? part.headers.length : part.headers.length + 8;
  const least = family === 4 && mtu > 0 && mtu < LEAST[4] ? mtu : LEAST[family];
  // But for what a multiple of eight leaves free.
  return room + (part.last ? part.from : part.data.length) > least - 8 ? part : undefined;
}

/** The datagrams under way. */
export class OwnDatagrams {
  readonly #parts = new Map<string, Part[]>();

  /** A part whose others do not come, as it is itself the last, and none came before it: no kernel sends so. */
  isAlone(part: Part): boolean {
    return part.last && !this.#parts.has(part.key);
  }

  /** The whole, when this part was the last that was missing. */
  join(part: Part): Uint8Array | undefined {
    const parts = this.#parts.get(part.key) ?? [];
    const met = parts.filter(({ from, to }) => part.from < to && part.to > from);
    // A captured packet that is there twice, and what no kernel makes.
    if (met.some(({ from, to }) => part.from >= from && part.to <= to)) return undefined;
    if (met.length > 0) {
      this.#parts.delete(part.key);
      return undefined;
    }
    parts.push(part);
    parts.sort((a, b) => a.from - b.from);
    this.#parts.set(part.key, parts);
    if (!parts.at(-1)!.last || parts.some(({ from }, i) => from !== (parts[i - 1]?.to ?? 0))) return undefined;
    this.#parts.delete(part.key);
    return whole(parts);
  }
}

function whole(parts: readonly Part[]): Uint8Array {
  const { headers } = parts[0]!;
  const bytes = new Uint8Array(headers.length + parts.at(-1)!.to);
  bytes.set(headers);
  for (const { from, data } of parts) bytes.set(data, headers.length + from);
  const six = bytes[0]! >> 4 === 6;
  // The raw socket sums up IPv4 headers.
  new DataView(bytes.buffer).setUint16(six ? 4 : 2, six ? bytes.length - 40 : bytes.length);
  return bytes;
}
