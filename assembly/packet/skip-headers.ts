/** The IPv6 header chain as ipv6_skip_exthdr walks it (net/ipv6/exthdrs_core.c): for those who look for ports themselves. */
import { be16 } from './ethertype.ts';

const HEADER: u32 = 40;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const NO_NEXT: u32 = 59;

/** Of the last walk: where it ended (from the IP header), and the kind of header there; of a non-first fragment its fragment header. */
export let skippedTo: u32 = 0;
export let skippedKind: u32 = 0;

/** False when the chain cannot be walked: a header is not there, or says that nothing follows. `present` bytes lie at `ip`. */
export function skipExtensionHeaders(ip: usize, present: u32): bool {
  let kind: u32 = load<u8>(ip, 6);
  let at = HEADER;
  while (kind === 0 || kind === 43 || kind === FRAGMENT || kind === AUTHENTICATION || kind === NO_NEXT || kind === 60) {
    if (kind === NO_NEXT || at + 2 > present) return false;
    const length: u32 = load<u8>(ip + at, 1);
    const next: u32 = load<u8>(ip + at);
    if (kind === FRAGMENT) {
      if (at + 4 > present) return false;
      if ((be16(ip + at + 2) & ~7) !== 0) break;
      at += 8;
    } else {
      at += kind === AUTHENTICATION ? (length + 2) << 2 : (length + 1) << 3;
    }
    kind = next;
  }
  skippedTo = at;
  skippedKind = kind;
  return true;
}
