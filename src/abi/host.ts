/**
 * The host block: the host model as the engine reads it, written by compile/host.ts, and the interface names, written by
 * compile/interfaces.ts. Offsets in bytes, little-endian; positions inside a block count from its start, so that it can be copied
 * anywhere (to a multiple of 8). Import-free.
 */

/** u32. */
export const HOST_MAGIC = 0;
/** 'WTHB' as a little-endian word. */
export const HOST_MAGIC_VALUE = 0x42485457;
/** u32: bytes of the block. */
export const HOST_SIZE = 4;
/** u32: bits of HOST_FLAG_*. */
export const HOST_FLAGS = 8;
/** u32 interface ids: `in` or 0; `out` or 0; the last choice (first interface that is not lo, else eth0); lo. */
export const HOST_IN = 12;
export const HOST_OUT = 16;
export const HOST_FIRST = 20;
export const HOST_LO = 24;
/** u32: DEVICE_FLAG_* of devices that are not in the list. */
export const HOST_OTHER_DEVICES = 28;
/** u32 position, u32 entries: devices by interface id, DEVICE_SIZE bytes each. */
export const HOST_DEVICES = 32;
export const HOST_DEVICE_COUNT = 36;
/** u32 position, u32 entries: the host's own MACs, u64 each, sorted. */
export const HOST_MACS = 40;
export const HOST_MAC_COUNT = 44;
/** u32 position: 257 u32 indices, [b] the last range that starts at or before b.0.0.0, [256] the last range. */
export const HOST_V4_TOP = 48;
/** u32 positions: range starts (u32 each) and values (u32 each); u32 count. The first range starts at 0. */
export const HOST_V4_STARTS = 52;
export const HOST_V4_VALUES = 56;
export const HOST_V4_COUNT = 60;
/** u32 positions: range starts (u64 high half, u64 low half) and values (u32 each); u32 count. */
export const HOST_V6_STARTS = 64;
export const HOST_V6_VALUES = 68;
export const HOST_V6_COUNT = 72;
/** u32 position, u32 entries: last 24 bits of the host's IPv6 addresses (solicited-node groups), u32 each, sorted. */
export const HOST_SOLICITED = 76;
export const HOST_SOLICITED_COUNT = 80;
/** u32 position, u32 entries: addresses of devices, ADDRESS_SIZE bytes each, device after device as the host has them, each device's in its order. */
export const HOST_ADDRESSES = 84;
export const HOST_ADDRESS_COUNT = 88;
/** u32 position, u32 entries: routes for rules that ask for ways back, ROUTE_SIZE bytes each: those of the local table first, then the longest prefix, then the lowest metric. IPv6 only, but both families with --forward. */
export const HOST_WAYS_BACK = 92;
export const HOST_WAY_BACK_COUNT = 96;
/** u32: packets whose mark has this value under this mask are for this host, where HOST_FLAG_LOCAL_MARK says so. */
export const HOST_LOCAL_MARK = 100;
export const HOST_LOCAL_MASK = 104;
/** u32 position, u32 entries: all routes, as above; none where no route has a gateway, or nobody asks for one. */
export const HOST_WAYS_OUT = 108;
export const HOST_WAY_OUT_COUNT = 112;
/** u32 position, u32 entries: numbers of devices (ifindex), NUMBER_SIZE bytes each, sorted. */
export const HOST_NUMBERS = 116;
export const HOST_NUMBER_COUNT = 120;
/** u32 position, u32 entries: routes to link-local addresses, as above, none of the local table; none with --forward. */
export const HOST_LINK_ROUTES = 124;
export const HOST_LINK_ROUTE_COUNT = 128;
/** u32 position, u32 entries: groups that were told to be joined, GROUP_SIZE bytes each. */
export const HOST_GROUPS = 132;
export const HOST_GROUP_COUNT = 136;
export const HOST_HEADER_SIZE = 144;

/** A joined group: u32 interface id, u32 family, four words, most significant first (IPv4: the first). */
export const GROUP_DEVICE = 0;
export const GROUP_FAMILY = 4;
export const GROUP_WORDS = 8;
export const GROUP_SIZE = 24;

/** u32 number, u32 interface id, or NUMBER_IS_PORT. */
export const NUMBER_DEVICE = 4;
/** A port of a bridge or bond. */
export const NUMBER_IS_PORT = 0xffffffff;
export const NUMBER_SIZE = 8;

/** A route: u32 prefix length, u32 RTN_*, u32 interface id (0: none), u32 family, four words, most significant first (IPv4: the first), and as many of its gateway, all 0: none. */
export const ROUTE_PREFIX = 0;
export const ROUTE_TYPE = 4;
export const ROUTE_DEVICE = 8;
export const ROUTE_FAMILY = 12;
export const ROUTE_WORDS = 16;
export const ROUTE_GATEWAY = 32;
export const ROUTE_SIZE = 48;

/** An address: u32 interface id, u32 family, u32 prefix length, u32 ADDRESS_FLAG_*, four words, most significant first, IPv4: u32 broadcast address, 0: none. */
export const ADDRESS_DEVICE = 0;
export const ADDRESS_FAMILY = 4;
export const ADDRESS_PREFIX = 8;
export const ADDRESS_FLAGS = 12;
export const ADDRESS_WORDS = 16;
export const ADDRESS_BROADCAST = 32;
export const ADDRESS_SIZE = 40;
/** Of a network that an address before it has, too. */
export const ADDRESS_FLAG_SECONDARY = 1;
/** A loopback address: nothing outside comes from it. */
export const ADDRESS_FLAG_LOOPBACK = 2;

/** --forward: every packet arrives. */
export const HOST_FLAG_FORWARD = 1;
export const HOST_FLAG_LENIENT = 2;
/** The nft backend: an IPv6 header chain that cannot be parsed does not match -p (the legacy one hot-drops). */
export const HOST_FLAG_NFT = 4;
/** Rules ask for address types. */
export const HOST_FLAG_ADDRESS_TYPES = 8;
export const HOST_FLAG_IPV4_FORWARDING = 16;
export const HOST_FLAG_IPV6_FORWARDING = 32;
/** IPv6 extension headers must lie whole in the packet, or the chain cannot be parsed for -p. */
export const HOST_FLAG_WHOLE_HEADERS = 64;
export const HOST_FLAG_LOCAL_MARK = 128;
/** REJECT takes DCCP for a protocol that it does not know: an error is sent where everything behind the IP header sums up right. */
export const HOST_FLAG_SUMS_DCCP = 256;
/** With HOST_FLAG_FORWARD: HOST_IN is only what is usual; a packet whose capture names its device arrives there, and is the copy that leaves where the capture says so. */
export const HOST_FLAG_RECORDED_WAYS = 512;

/** With HOST_FLAG_FORWARD: what the capture says went out is a copy of what came in. */
export const HOST_FLAG_COPIES_LEAVE = 1024;
/** Devices leave checksums unfinished: TCP and UDP packets with the sum of the pseudo header in its place have a right one. */
export const HOST_FLAG_OFFLOAD = 2048;

/** A device: u64 MAC as a number with DEVICE_MAC_KNOWN above it, or 0; u32 MTU, 0 unknown; u32 DEVICE_FLAG_*. */
export const DEVICE_MAC = 0;
export const DEVICE_MTU = 8;
export const DEVICE_FLAGS = 12;
export const DEVICE_SIZE = 16;

/** Reverse path filter in force at a device: none, strict or loose; redirects are sent; it has no IPv4 address. */
export const DEVICE_FLAG_STRICT = 1;
export const DEVICE_FLAG_LOOSE = 2;
export const DEVICE_FLAG_REDIRECTS = 4;
export const DEVICE_FLAG_BARE = 8;

/** The value of a range: RTN_* in the low byte (0: no route), interface id above; LOCAL, BROADCAST, ANYCAST and MULTICAST come from the local table. */
export const ROUTE_TYPE_MASK = 255;
export const ROUTE_DEVICE_SHIFT = 8;

/** Interface names: u32 count n, n + 1 u32 positions from the start of the block, then the UTF-8 bytes. Sorted bytewise; name k has the id 2k + 2, what lies behind it 2k + 3. */
export const NAMES_COUNT = 0;
export const NAMES_POSITIONS = 4;
