/** Where targets that look into a TCP header find it (xt_TCPMSS.c, xt_TCPOPTSTRIP.c). */
import { skipExtensions } from '../packet/ipv6.ts';
import type { PacketView } from '../packet/view.ts';

/** Bytes of a TCP header without options. */
export const TCP_HEADER = 20;

/**
 * The header's place and its length with options; or what becomes of a packet that has none to work on: later fragments go on, broken headers are dropped. A capture that ends within the
 * header (`--prestack lenient`) does not tell: the packet goes on as it is.
 */
export function tcpHeaderOf({
  family,
  bytes,
  length,
  fragmentOffset,
}: PacketView): { at: number; header: number } | 'DROP' | 'continue' {
  const upper = family === 4 ? { offset: (bytes[0]! & 15) * 4 } : skipExtensions(bytes);
  if (upper === 'unparsable') return 'DROP';
  if (fragmentOffset !== 0) return 'continue';
  const at = upper.offset;
  const header = bytes.length < at + 13 ? 0 : (bytes[at + 12]! >> 4) * 4;
  if (bytes.length < length && bytes.length < at + Math.max(TCP_HEADER, header)) return 'continue';
  return header < TCP_HEADER || at + header > length ? 'DROP' : { at, header };
}
