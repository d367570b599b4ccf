/**
 * Translation of addresses: encodings that compiler, engine and reference share. Import-free.
 *
 * Where the kernel draws lots for a port (or ICMP identifier), nobody can foretell it. All that can be said is that it is free and lies in the range; both witnesses then begin their
 * search half a range above the packet's own number (above the lowest, where that is outside), wrapping, and mark the connection: NAT_DRAWN_*.
 */

/** Parameters of a nat step, u32 each: NAT_FLAG_* and NAT_TO_*; four words of the low address (NETMAP: of the network), of the high one (NETMAP: of the mask); low, high, base port. */
export const NAT_FLAGS = 0;
export const NAT_LOW = 4;
export const NAT_HIGH = 20;
export const NAT_PORT_LOW = 36;
export const NAT_PORT_HIGH = 40;
export const NAT_PORT_BASE = 44;
export const NAT_PARAMETERS = 12;

/** The kind of address, in the low bits of the flags. */
export const NAT_TO = 7;
export const NAT_TO_KEEP = 0;
export const NAT_TO_RANGE = 1;
export const NAT_TO_MASQUERADE = 2;
export const NAT_TO_REDIRECT = 3;
export const NAT_TO_NETMAP = 4;
export const NAT_FLAG_PORTS = 8;
/** Ports are shifted from the base on. */
export const NAT_FLAG_OFFSET = 16;
/** --random or --random-fully. */
export const NAT_FLAG_RANDOM = 32;
export const NAT_FLAG_PERSISTENT = 64;

/** What was drawn: the number of the source, of the destination. */
export const NAT_DRAWN_SOURCE = 1;
export const NAT_DRAWN_DESTINATION = 2;

/** Tries before the kernel begins anew elsewhere with half as many, down to NAT_FEW; the last of a TCP SYN may take the place of a connection that is over. */
export const NAT_TRIES = 128;
export const NAT_FEW = 16;
export const NAT_HARDER = 32;
