/** Who asks for fragments to be put together: those of one are apart from those of the others. */

/** PREROUTING and OUTPUT of families whose rules bring defragmentation. */
export const ARRIVING: u32 = 0;
export const LEAVING: u32 = 1;
/** Without such rules: INPUT, of fragments for this host; and OUTPUT, of what the host's own kernel cut later (sent.ts). */
export const DELIVERED: u32 = 2;
export const CUT: u32 = 3;
