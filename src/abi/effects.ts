/**
 * Codes of what targets do to a packet's connection, and to the packet. Shared by lower (extensions), the compiler and the engine. Import-free.
 * Parameters are u32 each, in this order; where there are more than five, the only parameter of the step is where they lie in the code section.
 */

/** CONNMARK --set-xmark: mark = shifted((mark & ~mask) ^ value). value, mask, shift. A shift is bits to the left | EFFECT_SHIFT_RIGHT. */
export const EFFECT_CONNMARK_SET = 1;
/** CONNMARK --save-mark: mark of the connection = (itself & ~ctmask) ^ shifted(packet mark & nfmask). ctmask, nfmask, shift. */
export const EFFECT_CONNMARK_SAVE = 2;
/** CONNMARK --restore-mark: packet mark = (itself & ~nfmask) ^ shifted(mark of the connection & ctmask). ctmask, nfmask, shift. */
export const EFFECT_CONNMARK_RESTORE = 3;
/** CT without --notrack: what conntrack does with the packet. zone, CT_ZONE_*, HELPER_* (helpers.ts) that the connection is assigned to; and, put there by the compiler, the state that keeps the mark of the rule's template. */
export const EFFECT_CT_TEMPLATE = 4;
/** LOG, where the lines are wanted: number of the rule's request. The packet as it is then goes to the region of log records (log.ts). */
export const EFFECT_LOG = 5;
/**
 * SET: SET_DEED_* flags; then three words each (number of the set in the region of sets (sets.ts), number of sides, bits of those that are the source's) of what is added to, taken out of, and
 * mapped by; jiffies that what is added lives, low and high, 0 for ever.
 */
export const EFFECT_SET = 6;
export const SET_PARAMETERS = 12;
/** NFQUEUE, QUEUE, where the packet goes on: behind the queue, so that the hook does nothing with it after its rules (nf_reinject; nf_queue with bypass). */
export const EFFECT_QUEUED = 7;
/** TTL, HL: TTL_*, value. */
export const EFFECT_TTL = 32;
/** TOS, DSCP: tos = (tos & ~mask) ^ value. mask, value. */
export const EFFECT_TOS = 33;
/** ECN: whether ECT is set (0|1), ECT; mask and value of the TCP header's seventh 16-bit word. Drops a packet whose TCP header is cut. */
export const EFFECT_ECN = 34;
/** TCPMSS: the size, or MSS_CLAMP. Drops a packet whose TCP header is wrong. */
export const EFFECT_TCPMSS = 35;
/** TCPOPTSTRIP: eight words, a bit for each kind of option. Drops a packet whose TCP header is wrong. */
export const EFFECT_TCPOPTSTRIP = 36;
/**
 * HMARK: 1 to hash the connection's ends, else the packet's; masks of source and destination (4 words each); of the 32 bits of ports or SPI the mask and what is set; mask of the protocol,
 * seed, modulus, offset.
 */
export const EFFECT_HMARK = 40;
/** DNPT, SNPT: 1 for the source; length of the prefix that is written; its 4 words; length and 4 words of the prefix before. Drops a packet whose address has no word that can make up for the change. */
export const EFFECT_PREFIX = 41;
/** SYNPROXY, no parameters: takes SYN and ACK packets away (they are dropped here), and those whose checksum or options are wrong. */
export const EFFECT_SYNPROXY = 42;
/**
 * TPROXY, the last of its walk: mask and value of the mark, the port it wants (0: the packet's own), whether it names an address (else the in-device's first, else the packet's own), 4 words of it; how many
 * sockets there are of the family, and of each TPROXY_SOCKET words: protocol, port, whether it is bound to an address, 4 words of it. Drops a packet for which there is none.
 */
export const EFFECT_TPROXY = 43;
export const TPROXY_HEAD = 9;
export const TPROXY_SOCKET = 7;
/** Codes that are not here do nothing. */
export const EFFECT_LAST = 43;

/** The zone is the packet's mark (its lower half); which directions of the connection are in it. */
export const CT_ZONE_MARK = 1;
export const CT_ZONE_ORIGINAL = 2;
export const CT_ZONE_REPLY = 4;

export const SET_DEED_ADD = 1;
export const SET_DEED_DEL = 2;
export const SET_DEED_MAP = 4;
/** What is there already lives anew; the set's own timeout counts, not that of the rule; the mark of the packet becomes that of the element. */
export const SET_DEED_EXIST = 8;
export const SET_DEED_OWN_TIMEOUT = 16;
export const SET_DEED_MARK = 32;

export const TTL_SET = 0;
export const TTL_INCREASE = 1;
export const TTL_DECREASE = 2;
/** As small as the MTUs of the ways out and back want it. */
export const MSS_CLAMP = 0xffff;

/** In a shift: to the right. */
export const EFFECT_SHIFT_RIGHT = 256;
