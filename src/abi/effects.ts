/**
 * Codes of what targets do to a packet's connection, and with it to the packet. Shared by lower (extensions), the compiler and the engine. Import-free.
 * Parameters are u32 each, at most five, in this order.
 */

/** CONNMARK --set-xmark: mark = shifted((mark & ~mask) ^ value). value, mask, shift. A shift is bits to the left | EFFECT_SHIFT_RIGHT. */
export const EFFECT_CONNMARK_SET = 1;
/** CONNMARK --save-mark: mark of the connection = (itself & ~ctmask) ^ shifted(packet mark & nfmask). ctmask, nfmask, shift. */
export const EFFECT_CONNMARK_SAVE = 2;
/** CONNMARK --restore-mark: packet mark = (itself & ~nfmask) ^ shifted(mark of the connection & ctmask). ctmask, nfmask, shift. */
export const EFFECT_CONNMARK_RESTORE = 3;
/** CT without --notrack: what conntrack does with the packet. zone, 1 when the zone is the packet's mark (its lower half), HELPER_* (helpers.ts) that the connection is assigned to. */
export const EFFECT_CT_TEMPLATE = 4;
export const EFFECT_LAST = 4;

/** In a shift: to the right. */
export const EFFECT_SHIFT_RIGHT = 256;
