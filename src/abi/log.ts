/**
 * One log record: LOG_SIZE bytes, then the packet from its IP header on, up to a multiple of 8. Import-free.
 */
/** u64: number of the packet. */
export const LOG_NUMBER = 0;
/** Number of the LOG rule's request. */
export const LOG_REQUEST = 8;
/** Interface ids; 0 none. */
export const LOG_IN = 12;
export const LOG_OUT = 16;
export const LOG_MARK = 20;
/** 4 or 6. */
export const LOG_FAMILY = 24;
/** skb->len; and how many bytes of it stand behind the record. */
export const LOG_LENGTH = 28;
export const LOG_BYTES = 32;
/** LOG_LINK_*, and the header: destination, source, EtherType. */
export const LOG_LINK = 36;
export const LOG_HEADER = 40;
export const LOG_SIZE = 56;

/** No Ethernet, or unknown. */
export const LOG_LINK_NONE = 0;
/** A device of Ethernet, but the packet has no header. */
export const LOG_LINK_EMPTY = 1;
export const LOG_LINK_ETHERNET = 2;
export const LOG_HEADER_SIZE = 14;
