/** The profile's sysctls as the parameter block of the engine's connection tracking (abi/conntrack.ts). */
import {
  TCP_SYN_SENT2,
  TRACKING_COUNTED,
  TRACKING_EXPECTATIONS,
  TRACKING_FLAG_ACCOUNTING,
  TRACKING_FLAG_CHECKSUM,
  TRACKING_FLAG_CONTACTS,
  TRACKING_FLAG_DOUBTED_RST,
  TRACKING_FLAG_DRAWN_DESTINATIONS,
  TRACKING_FLAG_HELPED,
  TRACKING_FLAG_HELPERS,
  TRACKING_FLAG_IGNORE_INVALID_RST,
  TRACKING_FLAG_LABELS,
  TRACKING_FLAG_LIBERAL,
  TRACKING_FLAG_LOOSE,
  TRACKING_FLAG_MASTERS,
  TRACKING_FLAG_NAT,
  TRACKING_FLAG_ROUTER_DISCOVERY,
  TRACKING_FLAG_SPARSE,
  TRACKING_FLAG_ZONES_OF_ONE,
  TRACKING_FLAGS,
  TRACKING_FRAG4,
  TRACKING_FRAG4_DISTANCE,
  TRACKING_FRAG4_MEMORY,
  TRACKING_FRAG6,
  TRACKING_FRAG6_MEMORY,
  TRACKING_GENERIC,
  TRACKING_GRE,
  TRACKING_GRE_STREAM,
  TRACKING_HZ,
  TRACKING_ICMP,
  TRACKING_ICMPV6,
  TRACKING_LIMIT,
  TRACKING_MAX_RETRANS,
  TRACKING_SCTP,
  TRACKING_SIZE,
  TRACKING_TCP,
  TRACKING_TCP_RETRANS,
  TRACKING_TCP_UNACK,
  TRACKING_UDP,
  TRACKING_UDP_STREAM,
} from '../abi/conntrack.ts';
import { type Kernel, type Profile, sysctl } from '../model/profile.ts';
import { isSparse } from '../model/table-limit.ts';

export interface ConntrackOptions {
  /** A family has a nat table, and rules that bring conntrack. */
  nat: boolean;
  /** Rules look at packets and bytes of connections, at labels. */
  accounting?: boolean;
  labels?: boolean;
  /** Rules assign connections to helpers. */
  helpers?: boolean;
  /** Rules put one direction of connections into a zone. */
  zonesOfOne?: boolean;
  /** Rules ask for the masters of connections that were expected. */
  masters?: boolean;
  /** How many rules count connections. */
  counted?: number;
}

/** Sysctl suffixes of the TCP timeouts, from TCP_SYN_SENT on in the order of the states. SYN_SENT2, the last, has none. */
const TCP_TIMEOUTS = ['syn_sent', 'syn_recv', 'established', 'fin_wait', 'close_wait', 'last_ack', 'time_wait', 'close'] as const;
/** Sysctl suffixes of the SCTP timeouts by state; one that is in none is closed. */
const SCTP_TIMEOUTS = [
  'closed',
  'closed',
  'cookie_wait',
  'cookie_echoed',
  'established',
  'shutdown_sent',
  'shutdown_recd',
  'shutdown_ack_sent',
  'heartbeat_sent',
] as const;
/** Seconds. */
const SYN_SENT2_TIMEOUT = 120;
/** What the kernels do differently. */
const KERNEL_FLAGS: Record<Kernel, number> = {
  '6.1': TRACKING_FLAG_HELPED | TRACKING_FLAG_DRAWN_DESTINATIONS,
  '6.12': TRACKING_FLAG_DOUBTED_RST | TRACKING_FLAG_ROUTER_DISCOVERY | TRACKING_FLAG_CONTACTS,
  '6.18': TRACKING_FLAG_ROUTER_DISCOVERY,
};
/** What the engine has memory for. */
const MOST_EXPECTATIONS = 1 << 16;
/** The kernel keeps timeouts in a signed 32-bit number of jiffies. */
const LONGEST = 0x7fffffff;

/**
 * Encodes what connection tracking must know.
 * In: the profile (seconds, sysctls by name) and whether nat tables take part. Out: TRACKING_SIZE bytes, little-endian.
 */
export function encodeConntrack(profile: Profile, options: ConntrackOptions): Uint8Array {
  const view = new DataView(new ArrayBuffer(TRACKING_SIZE));
  const jiffies = (seconds: number): number => Math.max(0, Math.min(Math.trunc(seconds * profile.hz), LONGEST));
  const timeout = (offset: number, name: string): void =>
    view.setUint32(offset, jiffies(sysctl(profile, `nf_conntrack_${name}`)), true);
  view.setUint32(TRACKING_HZ, profile.hz, true);
  view.setUint32(TRACKING_FLAGS, flagsOf(profile, options), true);
  view.setUint32(TRACKING_MAX_RETRANS, sysctl(profile, 'nf_conntrack_tcp_max_retrans') & 0xff, true);
  TCP_TIMEOUTS.forEach((name, index) => {
    timeout(TRACKING_TCP + 4 * (index + 1), `tcp_timeout_${name}`);
  });
  view.setUint32(TRACKING_TCP + 4 * TCP_SYN_SENT2, jiffies(SYN_SENT2_TIMEOUT), true);
  timeout(TRACKING_TCP_RETRANS, 'tcp_timeout_max_retrans');
  timeout(TRACKING_TCP_UNACK, 'tcp_timeout_unacknowledged');
  SCTP_TIMEOUTS.forEach((name, state) => {
    timeout(TRACKING_SCTP + 4 * state, `sctp_timeout_${name}`);
  });
  timeout(TRACKING_UDP, 'udp_timeout');
  timeout(TRACKING_UDP_STREAM, 'udp_timeout_stream');
  timeout(TRACKING_ICMP, 'icmp_timeout');
  timeout(TRACKING_ICMPV6, 'icmpv6_timeout');
  timeout(TRACKING_GENERIC, 'generic_timeout');
  timeout(TRACKING_GRE, 'gre_timeout');
  timeout(TRACKING_GRE_STREAM, 'gre_timeout_stream');
  timeout(TRACKING_FRAG6, 'frag6_timeout');
  view.setUint32(TRACKING_FRAG4, jiffies(sysctl(profile, 'net.ipv4.ipfrag_time')), true);
  view.setUint32(TRACKING_FRAG4_DISTANCE, sysctl(profile, 'net.ipv4.ipfrag_max_dist'), true);
  view.setUint32(TRACKING_FRAG4_MEMORY, Math.min(sysctl(profile, 'net.ipv4.ipfrag_high_thresh'), 0xffffffff), true);
  view.setUint32(TRACKING_FRAG6_MEMORY, Math.min(sysctl(profile, 'nf_conntrack_frag6_high_thresh'), 0xffffffff), true);
  view.setUint32(TRACKING_EXPECTATIONS, Math.min(sysctl(profile, 'nf_conntrack_expect_max'), MOST_EXPECTATIONS), true);
  view.setUint32(TRACKING_LIMIT, sysctl(profile, 'nf_conntrack_max'), true);
  view.setUint32(TRACKING_COUNTED, options.counted ?? 0, true);
  return new Uint8Array(view.buffer);
}

function flagsOf(profile: Profile, options: ConntrackOptions): number {
  const set = (name: string, flag: number): number => (sysctl(profile, `nf_conntrack_${name}`) === 0 ? 0 : flag);
  return (
    (profile.prestack === 'lenient' ? 0 : set('checksum', TRACKING_FLAG_CHECKSUM)) |
    set('tcp_loose', TRACKING_FLAG_LOOSE) |
    set('tcp_be_liberal', TRACKING_FLAG_LIBERAL) |
    set('tcp_ignore_invalid_rst', TRACKING_FLAG_IGNORE_INVALID_RST) |
    (options.nat ? TRACKING_FLAG_NAT : 0) |
    (options.accounting ? TRACKING_FLAG_ACCOUNTING : set('acct', TRACKING_FLAG_ACCOUNTING)) |
    (options.labels ? TRACKING_FLAG_LABELS : 0) |
    (options.helpers ? TRACKING_FLAG_HELPERS : 0) |
    (options.zonesOfOne ? TRACKING_FLAG_ZONES_OF_ONE : 0) |
    (options.masters ? TRACKING_FLAG_MASTERS : 0) |
    (isSparse(profile) ? TRACKING_FLAG_SPARSE : 0) |
    KERNEL_FLAGS[profile.kernel]
  );
}
