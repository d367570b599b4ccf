/**
 * The record reader's state block (CAPTURE_STATE_SIZE bytes, given by the batch loop) and its answers. Offsets in bytes,
 * little-endian. `captureReset` clears everything but HZ and NAMES, which the host writes once. Import-free.
 */

/** u32, in: the profile's HZ, for PACKET_JIFFIES. */
export const CAPTURE_HZ = 0;
/** u32, in: address of the encoded interface names (abi/host.ts, NAMES_*), 0 without. */
export const CAPTURE_NAMES = 4;
/** u32: one of FORMAT_*. */
export const CAPTURE_FORMAT = 8;
/** u32: one of DAMAGE_*, after CAPTURE_DAMAGED. */
export const CAPTURE_REASON = 12;
/** u64: offset in the file of the bad record or block, after CAPTURE_DAMAGED. */
export const CAPTURE_DAMAGE_OFFSET = 16;
/** u64: offset in the file of the first byte of the chunk fed last. */
export const CAPTURE_OFFSET = 24;
/** u32: bytes of a pcap record header, 16 or 24; u32: minor version; u32: 1 when timestamps are in nanoseconds. */
export const CAPTURE_RECORD_HEADER = 32;
export const CAPTURE_MINOR = 36;
export const CAPTURE_NANO = 40;
/** u32: interfaces of the current pcapng section; a pcap file has one, at index 0. */
export const CAPTURE_INTERFACES = 44;
/** A block that is being skipped: u64 bytes left before its trailing length, u64 its offset in the file, u32 its total length (0: none). */
export const CAPTURE_SKIP = 48;
export const CAPTURE_SKIP_OFFSET = 56;
export const CAPTURE_SKIP_TOTAL = 64;
/** u32: how many different link types were announced so far; then the first LINKTYPES_MAXIMUM of them, u32 each. */
export const CAPTURE_LINKTYPE_COUNT = 68;
export const CAPTURE_LINKTYPES = 72;
export const LINKTYPES_MAXIMUM = 14;
/** The interface table: INTERFACE_MAXIMUM entries of INTERFACE_SIZE bytes. */
export const CAPTURE_INTERFACE_TABLE = 128;

/** u32 link type, u32 snaplen, u32 FCS bytes, u32 interface id, u32 if_tsresol byte, u32 1 where it is lo, u64 units a second (0: over 10^19), i64 if_tsoffset. */
export const INTERFACE_LINKTYPE = 0;
export const INTERFACE_SNAPLEN = 4;
export const INTERFACE_FCS = 8;
export const INTERFACE_ID = 12;
export const INTERFACE_RESOLUTION = 16;
export const INTERFACE_LOOPBACK = 20;
export const INTERFACE_UNITS = 24;
export const INTERFACE_OFFSET = 32;
export const INTERFACE_SIZE = 40;
export const INTERFACE_MAXIMUM = 1024;

export const CAPTURE_STATE_SIZE = 41088;

/** Answers of captureNext. */
export const CAPTURE_RECORD = 0;
export const CAPTURE_MORE = 1;
export const CAPTURE_END = 2;
export const CAPTURE_DAMAGED = 3;

export const FORMAT_UNKNOWN = 0;
export const FORMAT_PCAP = 1;
export const FORMAT_PCAPNG = 2;

/** No pcap record captures more. */
export const RECORD_MAXIMUM = 262144;
/** No packet or interface block is longer; the buffer the host feeds from must hold at least this much. */
export const BLOCK_MAXIMUM = 1048576;

/** Why a capture is damaged; the words are in model/capture-reasons.ts, in the same order. */
export const DAMAGE_NONE = 0;
export const DAMAGE_NOT_A_CAPTURE = 1;
export const DAMAGE_VERSION = 2;
export const DAMAGE_CUT = 3;
export const DAMAGE_RECORD_LENGTH = 4;
export const DAMAGE_BLOCK_LENGTH = 5;
export const DAMAGE_BLOCK_TRAILER = 6;
export const DAMAGE_BYTE_ORDER = 7;
export const DAMAGE_BLOCK_SIZE = 8;
export const DAMAGE_CAPTURED_LENGTH = 9;
export const DAMAGE_INTERFACE = 10;
export const DAMAGE_INTERFACES = 11;
export const DAMAGE_COUNT = 12;

/** What PACKET_DIRECTION says. */
export const DIRECTION_UNKNOWN = 0;
export const DIRECTION_INBOUND = 1;
export const DIRECTION_OUTBOUND = 2;

/** Link types (the numbers of LINKTYPE_*). */
export const LINK_NULL = 0;
export const LINK_ETHERNET = 1;
export const LINK_RAW_12 = 12;
export const LINK_RAW_14 = 14;
export const LINK_RAW = 101;
export const LINK_LOOP = 108;
export const LINK_SLL = 113;
export const LINK_IPV4 = 228;
export const LINK_IPV6 = 229;
export const LINK_SLL2 = 276;
