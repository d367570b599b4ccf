/** The control block: counters and settings the engine and its host share, at the address `control()` gives. u64 each. Import-free. */
export const CONTROL_PACKETS = 0;
/** IP bytes of the packets that entered netfilter. */
export const CONTROL_BYTES = 8;
/** Nanoseconds since the epoch: the latest time of all packets; 0 before the first. */
export const CONTROL_TIME = 16;
/** Connections whose port the kernel draws by lot. */
export const CONTROL_NAT_DRAWN = 24;
/** Packets dropped because there was no address to give: by MASQUERADE (or made to come from ::1), by REDIRECT. */
export const CONTROL_NAT_NO_ADDRESS = 32;
/** Packets that met a full table of connections: dropped, dropped by lot, let through by lot (model/table-limit.ts). */
export const CONTROL_TABLE_FULL = 48;
/** Packets that met a LOG rule, but there was no room to write them down. */
export const CONTROL_LOGS_LOST = 72;
/** The packet that the clock was at when one came latest behind it (CONTROL_LATE): the one whose own time may be wrong. */
export const CONTROL_AHEAD = 80;
/** Packets whose timestamp is 0, and the number of the first of them. */
export const CONTROL_TIMELESS = 88;
/** Packets of devices whose number (SLL2) the host model does not have, where it has numbers; the first of them, and its device's number. */
export const CONTROL_UNNAMED = 104;
/** 32 each. */
export const CONTROL_UNSEEN = 128;
export const CONTROL_STACK = 384;
export const CONTROL_INVALID = 640;
/** Sum of lengths on the wire. */
export const CONTROL_WIRE = 896;
/** Packets whose jiffies lie before the clock's, the number of the first of them, and how many nanoseconds one was late at most (model/clock.ts). */
export const CONTROL_LATE = 904;
/** Packets that show where a capture of translated connections was taken, each kind with the number of its first packet (model/vantage.ts): answers already turned back, packets on the other side. */
export const CONTROL_ANSWERS_BACK = 928;
export const CONTROL_OTHER_SIDE = 944;
/** The host's own answers to packets that were refused. */
export const CONTROL_ANSWERS = 960;
/** Fragments of the host's own datagrams that the capture has not held all of, so far. */
export const CONTROL_OWN_PARTS = 968;
/** Packets that went out from an address of this host where rules translate, that no connection has and whose TTL looks forwarded; the number of the first of them (model/vantage.ts). */
export const CONTROL_STRAYS = 976;
/** TCP connections that began with a packet without SYN. */
export const CONTROL_PICKED_UP = 992;
/** One number for each hook (INPUT, OUTPUT, FORWARD), verdict and state: entry (hook * 4 + verdict) * 8 + CT_*, or STATE_NONE where no conntrack looked. */
export const CONTROL_OUTCOMES = 1024;
export const STATE_NONE = 7;
/** Packets that went out from addresses of others where rules translate, were not sent on, and no connection has them: not judged; the number of the first of them (model/vantage.ts). */
export const CONTROL_UNJUDGED = 1792;
/** Packets whose answer of connlimit hangs on when a jiffy begins; the number of the first of them (model/jiffy-edges.ts). */
export const CONTROL_JIFFY_EDGES = 1808;
/** Of the packets whose checksum is wrong (INVALID_CHECKSUM) those that a device was to sum up, as their bytes say. */
export const CONTROL_UNFINISHED = 1824;
/** Packets of DCCP that conntrack looked at. */
export const CONTROL_DCCP = 1832;
/** Packets of this host to a group that the device they leave by has joined: of IPv4, of IPv6. */
export const CONTROL_TO_GROUPS = 1840;
/** IPv6 datagrams over lo that were put together in OUTPUT. */
export const CONTROL_LOOPED_PARTS = 1856;
export const CONTROL_SIZE = 1864;

/** Verdicts of CONTROL_OUTCOMES and of a record's verdict. */
export const VERDICT_ACCEPT = 0;
export const VERDICT_DROP = 1;
export const VERDICT_REJECT = 2;
export const VERDICT_STACK = 3;

/** What `run` answers: wants more input, records to be drained, the capture ended, the capture is damaged. */
export const RUN_MORE = 0;
export const RUN_DRAIN = 1;
export const RUN_END = 2;
export const RUN_DAMAGED = 3;
/** A call does not go on for ever; call again. */
export const RUN_AGAIN = 4;
/** There is no memory for the connections that may come (where two engines work together: src/abi/pipeline.ts). */
export const RUN_FULL = 5;
