/** Fingerprints of systems by their TCP SYN packets, as nfnl_osf hands them to the kernel (struct nf_osf_user_finger, nfnetlink_osf.h). */

export interface Fingerprint {
  genre: string;
  version: string;
  subtype: string;
  /** How the window is told: as a number, in segments, in packets of the size of the MTU, as a multiple of a number. */
  window: { kind: (typeof WINDOWS)[number]; value: number };
  ttl: number;
  dontFragment: boolean;
  /** Of the whole packet. */
  length: number;
  /** TCP options in order; their lengths are those the kernel is told, whatever the packet says. */
  options: readonly { kind: number; length: number }[];
}

/** By the kernel's numbers. */
export const WINDOWS = ['plain', 'mss', 'mtu', 'modulo'] as const;

/** Bytes of options that a TCP header has room for. */
export const MOST_OPTION_BYTES = 40;
/** Sizes of segments that are tried beside the one the packet announces. */
export const USUAL_SEGMENTS = [1460, 1448] as const;
