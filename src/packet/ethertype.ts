/** Behind an EtherType: VLAN tags (802.1Q, 802.1ad and the older 0x9100 and 0x9200), MPLS (RFC 3032) and PPPoE sessions (RFC 2516) down to IP. */
import { u8, u16 } from './bytes.ts';
import type { LinkReason } from './link.ts';

export interface Carried {
  kind: 'ip';
  family: 4 | 6;
  offset: number;
  /** Of PPPoE: where its payload ends. */
  end?: number;
}

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const VLAN_TAGS: readonly number[] = [0x8100, 0x88a8, 0x9100, 0x9200];
const MPLS: readonly number[] = [0x8847, 0x8848];
const PPPOE_SESSION = 0x8864;
const PPP_IPV4 = 0x0021;
const PPP_IPV6 = 0x0057;

const unseen = (reason: LinkReason): { kind: 'unseen'; reason: LinkReason } => ({ kind: 'unseen', reason });

/** Walks from `type`, whose payload begins at `offset`. */
export function readEthertype(bytes: Uint8Array, type: number, offset: number): Carried | { kind: 'unseen'; reason: LinkReason } {
  let current = type;
  let at = offset;
  while (VLAN_TAGS.includes(current)) {
    if (bytes.length < at + 4) return unseen('truncated');
    current = u16(bytes, at + 2);
    at += 4;
  }
  if (current === IPV4) return { kind: 'ip', family: 4, offset: at };
  if (current === IPV6) return { kind: 'ip', family: 6, offset: at };
  if (MPLS.includes(current)) return readMpls(bytes, at);
  if (current === PPPOE_SESSION) return readPppoe(bytes, at);
  return unseen('not-ip');
}

/** Labels of four bytes up to the one with the bottom-of-stack bit; what is behind shows itself by its version field. */
function readMpls(bytes: Uint8Array, offset: number): Carried | { kind: 'unseen'; reason: LinkReason } {
  let at = offset;
  for (;;) {
    if (bytes.length < at + 4) return unseen('truncated');
    const bottom = (u8(bytes, at + 2) & 1) === 1;
    at += 4;
    if (bottom) break;
  }
  if (bytes.length <= at) return unseen('truncated');
  const version = u8(bytes, at) >> 4;
  return version === 4 || version === 6 ? { kind: 'ip', family: version, offset: at } : unseen('not-ip');
}

/** Six bytes of PPPoE header (version and type 1, code 0 is session data, the payload's length), then the PPP protocol, which the length counts. What lies behind is padding (pppoe_rcv trims it). */
function readPppoe(bytes: Uint8Array, offset: number): Carried | { kind: 'unseen'; reason: LinkReason } {
  if (bytes.length < offset + 8) return unseen('truncated');
  if (u8(bytes, offset) !== 0x11 || u8(bytes, offset + 1) !== 0) return unseen('not-ip');
  const length = u16(bytes, offset + 4);
  if (length < 2) return unseen('truncated');
  const protocol = u16(bytes, offset + 6);
  const family = protocol === PPP_IPV4 ? 4 : protocol === PPP_IPV6 ? 6 : undefined;
  if (family === undefined) return unseen('not-ip');
  return { kind: 'ip', family, offset: offset + 8, end: Math.min(bytes.length, offset + 6 + length) };
}
