/** TCP (RFC 9293 section 3.1), as far as the static fields need it. */

/** TCP flags: URG ACK PSH RST SYN FIN of the header at `at`, 0 when the packet ends before them. `length`: bytes from `at` on. */
export function tcpFlags(at: usize, length: u32): u32 {
  return length >= 14 ? load<u8>(at, 13) & 0x3f : 0;
}
