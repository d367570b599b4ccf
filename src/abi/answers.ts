/** The host's own answers to packets that REJECT refused, in the capture they are in. Import-free. */

/** So many packets behind the refused one its answer is looked for: the kernel sends it at once, and what other processors receive may stand between. */
export const ANSWER_WITHIN = 64;
/** A forwarded packet leaves in the same moment, at the latest when a queue lets it: what is captured more than so many seconds behind it is none of its copies. */
export const COPY_WITHIN_SECONDS = 10;
/** Bytes an ICMP error of the kernel has at most (icmp_send: RFC 1812, 4.3.2.3; icmp6_send: the smallest MTU of IPv6), IP header included. */
export const ERROR_MOST4 = 576;
export const ERROR_MOST6 = 1280;
/** The least MTU of a path that the kernel learns by itself (net.ipv4.route.min_pmtu). */
export const LEARNT_LEAST4 = 552;
