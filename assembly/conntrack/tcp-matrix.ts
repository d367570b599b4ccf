/** The kernel's TCP transitions (nf_conntrack_proto_tcp.c, tcp_conntracks) as data. */

/** Classes of packets, in the kernel's numbering. */
export const CLASS_SYN: u32 = 0;
export const CLASS_SYNACK: u32 = 1;
export const CLASS_FIN: u32 = 2;
export const CLASS_ACK: u32 = 3;
export const CLASS_RST: u32 = 4;
export const CLASS_NONE: u32 = 5;

/** Results beside the states of abi/conntrack.ts. */
export const TCP_INVALID: u32 = 10;
export const TCP_IGNORE: u32 = 11;

/** By direction, class, state: rows of 16, columns NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2. */
// biome-ignore format: a row is a row
const MATRIX: usize = memory.data<u8>([
  // original: SYN, SYN/ACK, FIN, ACK, RST, none
  1, 1, 11, 11, 11, 11, 11, 1, 1, 9, 10, 10, 10, 10, 10, 10,
  10, 10, 2, 10, 10, 10, 10, 10, 10, 2, 10, 10, 10, 10, 10, 10,
  10, 10, 4, 4, 6, 6, 6, 7, 8, 10, 10, 10, 10, 10, 10, 10,
  3, 10, 3, 3, 5, 5, 7, 7, 8, 10, 10, 10, 10, 10, 10, 10,
  10, 8, 8, 8, 8, 8, 8, 8, 8, 8, 10, 10, 10, 10, 10, 10,
  10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
  10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
  10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
  // reply
  10, 9, 10, 10, 10, 10, 10, 1, 10, 9, 10, 10, 10, 10, 10, 10,
  10, 2, 11, 11, 11, 11, 11, 11, 11, 2, 10, 10, 10, 10, 10, 10,
  10, 10, 4, 4, 6, 6, 6, 7, 8, 10, 10, 10, 10, 10, 10, 10,
  10, 11, 2, 3, 5, 5, 7, 7, 8, 11, 10, 10, 10, 10, 10, 10,
  10, 8, 8, 8, 8, 8, 8, 8, 8, 8, 10, 10, 10, 10, 10, 10,
  10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
]);

/** Where a packet of this class and direction (0 original, 1 reply) leads from a state. */
export function transition(direction: u32, packetClass: u32, state: u32): u32 {
  return load<u8>(MATRIX + (((direction << 7) | (packetClass << 4) | state) as usize)) as u32;
}

/** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32: classes of the combinations that are valid; PSH, ECE and CWR never matter. */
const FLAG_FIN: u32 = 1;
const FLAG_SYN: u32 = 2;
export const FLAG_RST: u32 = 4;
const FLAG_ACK: u32 = 16;
const FLAG_URG: u32 = 32;
/** Bit n: the combination n is valid, by flags without PSH: FIN 1, SYN 2, RST 4, ACK 8, URG 16. */
const VALID: u32 = (1 << 2) | (1 << 18) | (1 << 10) | (1 << 4) | (1 << 12) | (1 << 9) | (1 << 25) | (1 << 8) | (1 << 24);

/** The class of a packet by its flags byte. */
export function classOf(flags: u32): u32 {
  if (flags & FLAG_RST) return CLASS_RST;
  if (flags & FLAG_SYN) return flags & FLAG_ACK ? CLASS_SYNACK : CLASS_SYN;
  if (flags & FLAG_FIN) return CLASS_FIN;
  return flags & FLAG_ACK ? CLASS_ACK : CLASS_NONE;
}

/** Whether the kernel takes this combination of flags at all (tcp_valid_flags). */
export function validFlags(flags: u32): bool {
  const squeezed = (flags & (FLAG_FIN | FLAG_SYN | FLAG_RST)) | ((flags & (FLAG_ACK | FLAG_URG)) >>> 1);
  return ((VALID >>> squeezed) & 1) !== 0;
}
