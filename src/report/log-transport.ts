/** What a LOG line says of TCP and UDP, and the text it is built in. Kernel: net/netfilter/nf_log_syslog.c, nf_log.c (nf_log_buf_add). */
import type { LoggedPacket } from '../model/log.ts';
import type { Kernel } from '../model/profile.ts';
import { u8, u16, u32 } from '../packet/bytes.ts';

/** Bytes of a line the kernel has room for, behind the two that say its level. */
const ROOM = 1024 - 5 - 1 - 2;
const FLAGS = ['CWR', 'ECE', 'URG', 'ACK', 'PSH', 'RST', 'SYN', 'FIN'];

/** A line that is being written of a packet. */
export class LogText {
  readonly bytes: Uint8Array;
  /** skb->len. */
  readonly length: number;
  readonly flags: ReadonlySet<string>;
  readonly kernel: Kernel;
  readonly #mark: number;
  #text = '';

  constructor(packet: LoggedPacket, kernel: Kernel) {
    this.bytes = packet.bytes;
    this.length = packet.length;
    this.flags = new Set(packet.request.flags);
    this.kernel = kernel;
    this.#mark = packet.mark;
  }

  add(words: string): void {
    this.#text += words;
  }

  addMark(): void {
    if (this.#mark !== 0) this.add(`MARK=0x${this.#mark.toString(16)} `);
  }

  /** Whether `size` bytes are there from `at` on. */
  has(at: number, size: number): boolean {
    return at + size <= this.bytes.length;
  }

  hex(at: number, size: number): string {
    return Array.from(this.bytes.subarray(at, at + size), (byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
  }

  /** The line, cut where the kernel's room ends. */
  end(): string {
    return this.#text.slice(0, ROOM);
  }
}

/** Said in place of a header that is not there. */
export const incomplete = (text: LogText, at: number): string => `INCOMPLETE [${(text.length - at) >>> 0} bytes] `;

/** False when nothing more is said of the packet. */
export function dumpTcp(text: LogText, at: number, fragment: boolean): boolean {
  const { bytes, flags, kernel } = text;
  text.add('PROTO=TCP ');
  if (fragment) return true;
  if (!text.has(at, 20)) {
    text.add(incomplete(text, at));
    return false;
  }
  text.add(`SPT=${u16(bytes, at)} DPT=${u16(bytes, at + 2)} `);
  if (flags.has('log-tcp-sequence')) text.add(`SEQ=${u32(bytes, at + 4)} ACK=${u32(bytes, at + 8)} `);
  const [offset, bits] = [u8(bytes, at + 12), u8(bytes, at + 13)];
  // The last of the reserved bits became a flag (AccECN).
  const accurate = kernel === '6.18';
  const reserved = (offset & (accurate ? 0x0e : 0x0f)) << 2;
  text.add(`WINDOW=${u16(bytes, at + 14)} RES=0x${reserved.toString(16).padStart(2, '0')} `);
  if (accurate && (offset & 1) !== 0) text.add('AE ');
  for (const [index, name] of FLAGS.entries()) if ((bits & (0x80 >> index)) !== 0) text.add(`${name} `);
  text.add(`URGP=${u16(bytes, at + 18)} `);
  const options = (offset >> 4) * 4 - 20;
  if (!flags.has('log-tcp-options') || options <= 0) return true;
  const there = text.has(at + 20, options);
  text.add(there ? `OPT (${text.hex(at + 20, options)}) ` : 'OPT (TRUNCATED)');
  return there;
}

/** False when nothing more is said of the packet. */
export function dumpUdp(text: LogText, name: 'UDP' | 'UDPLITE', at: number, fragment: boolean): boolean {
  const { bytes } = text;
  text.add(`PROTO=${name} `);
  if (fragment) return true;
  const there = text.has(at, 8);
  text.add(there ? `SPT=${u16(bytes, at)} DPT=${u16(bytes, at + 2)} LEN=${u16(bytes, at + 4)} ` : incomplete(text, at));
  return there;
}
