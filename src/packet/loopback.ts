/** BSD loopback: four bytes of address family, in the byte order of the capturing host (LINKTYPE 0) or in network order (108). */
import { u32 } from './bytes.ts';
import type { LinkResult } from './link.ts';

const AF_INET = 2;
/** Linux 10, NetBSD and OpenBSD 24, FreeBSD 28, macOS 30. */
const AF_INET6: readonly number[] = [10, 24, 28, 30];

function behindFamily(family: number): LinkResult {
  const link = { kind: 'ip', offset: 4, destinationMac: null, sourceMac: null, loopback: false } as const;
  if (family === AF_INET) return { ...link, family: 4 };
  if (AF_INET6.includes(family)) return { ...link, family: 6 };
  return { kind: 'unseen', reason: 'not-ip' };
}

/** Families are small numbers, so the order shows itself. */
export function readNull(bytes: Uint8Array): LinkResult {
  if (bytes.length < 4) return { kind: 'unseen', reason: 'truncated' };
  const big = u32(bytes, 0);
  return behindFamily(big > 0xffff ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) : big);
}

export function readLoop(bytes: Uint8Array): LinkResult {
  return bytes.length < 4 ? { kind: 'unseen', reason: 'truncated' } : behindFamily(u32(bytes, 0));
}
