/** Raw IP: the frame is the IP packet (LINKTYPE 101 of either version, 228 IPv4, 229 IPv6). */
import type { Link } from './link.ts';

export function readRaw(_bytes: Uint8Array, family?: 4 | 6): Link {
  return { kind: 'ip', family: family ?? 'nibble', offset: 0, destinationMac: null, sourceMac: null, loopback: false };
}
