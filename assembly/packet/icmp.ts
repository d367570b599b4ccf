/** ICMP and ICMPv6 (RFC 792, RFC 4443), as far as the static fields need them. */

/** The type of the header at `at`, 0 without one; `length`: bytes from `at` on. */
export function icmpType(at: usize, length: u32): u32 {
  return length >= 2 ? load<u8>(at) : 0;
}

/** The code, likewise. */
export function icmpCode(at: usize, length: u32): u32 {
  return length >= 2 ? load<u8>(at, 1) : 0;
}
