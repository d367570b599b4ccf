/** The kernels that were asked what they do: 6.1.176 and 6.12.117 on a virtual clock, 6.18.44 running. docs/kernel-differences.md says what differs between them. */
export const KERNELS = ['6.1', '6.12', '6.18'] as const;
export type Kernel = (typeof KERNELS)[number];

/** The kernel a replay answers for; printed with every report. */
export interface Profile {
  backend: 'legacy' | 'nft';
  kernel: Kernel;
  /** CONFIG_HZ: the granularity of jiffies, which decides limit and timeouts. */
  hz: number;
  /**
   * kernel: drop what ip_rcv drops. lenient: no checksum is looked at (NICs fill them in later), an IPv4 total length of 0 and an IPv6 payload length of 0 before TCP or UDP
   * mean "to the end of the capture" (super-packets of offloading NICs), and packets cut by the snaplen are judged by what was captured; their length is the header's.
   */
  prestack: 'kernel' | 'lenient';
  /**
   * wire (the default): TCP and UDP checksums are what their bytes say. offload: devices make them (veth, virtio, what GRO put together), so packets that have the sum of the pseudo header in its place, as the kernel leaves it
   * to a device (CHECKSUM_PARTIAL), are right, and those among them that are larger than their device's MTU are several for the kernel (GSO).
   */
  checksums?: 'wire' | 'offload';
  /** By sysctl name below net.netfilter (`nf_conntrack_tcp_loose`) or full (`net.ipv4.ip_forward`); only what differs from DEFAULT_SYSCTLS need be given. */
  sysctls: Record<string, number>;
  /** Of the random numbers that `statistic --mode random` draws; 0 when not given. */
  seed?: number;
  /** What a program at a queue (NFQUEUE, QUEUE) says; absent, the default: none listens. */
  nfqueue?: 'absent' | 'accept' | 'drop';
}

/** Values of all three kernels. Timeouts in seconds. */
export const DEFAULT_SYSCTLS: Readonly<Record<string, number>> = {
  nf_conntrack_acct: 0,
  // No limit. A kernel's own is by the machine's memory: 65536 from a GiB on, 262144 from four on.
  nf_conntrack_max: 0,
  nf_conntrack_buckets: 262144,
  nf_conntrack_checksum: 1,
  nf_conntrack_tcp_loose: 1,
  nf_conntrack_tcp_be_liberal: 0,
  nf_conntrack_tcp_ignore_invalid_rst: 0,
  nf_conntrack_tcp_max_retrans: 3,
  nf_conntrack_tcp_timeout_syn_sent: 120,
  nf_conntrack_tcp_timeout_syn_recv: 60,
  nf_conntrack_tcp_timeout_established: 432000,
  nf_conntrack_tcp_timeout_fin_wait: 120,
  nf_conntrack_tcp_timeout_close_wait: 60,
  nf_conntrack_tcp_timeout_last_ack: 30,
  nf_conntrack_tcp_timeout_time_wait: 120,
  nf_conntrack_tcp_timeout_close: 10,
  nf_conntrack_tcp_timeout_max_retrans: 300,
  nf_conntrack_tcp_timeout_unacknowledged: 300,
  nf_conntrack_udp_timeout: 30,
  nf_conntrack_udp_timeout_stream: 120,
  nf_conntrack_icmp_timeout: 30,
  nf_conntrack_icmpv6_timeout: 30,
  nf_conntrack_generic_timeout: 600,
  nf_conntrack_gre_timeout: 30,
  nf_conntrack_gre_timeout_stream: 180,
  nf_conntrack_sctp_timeout_closed: 10,
  nf_conntrack_sctp_timeout_cookie_wait: 3,
  nf_conntrack_sctp_timeout_cookie_echoed: 3,
  nf_conntrack_sctp_timeout_established: 210,
  nf_conntrack_sctp_timeout_shutdown_sent: 3,
  nf_conntrack_sctp_timeout_shutdown_recd: 3,
  nf_conntrack_sctp_timeout_shutdown_ack_sent: 3,
  nf_conntrack_sctp_timeout_heartbeat_sent: 30,
  nf_conntrack_expect_max: 4096,
  nf_conntrack_frag6_timeout: 60,
  nf_conntrack_frag6_high_thresh: 4194304,
  'net.ipv4.ipfrag_time': 30,
  'net.ipv4.ipfrag_high_thresh': 4194304,
  'net.ipv4.ipfrag_max_dist': 64,
  'net.ipv4.ip_forward': 1,
  'net.ipv6.conf.all.forwarding': 1,
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.default.rp_filter': 0,
  'net.ipv4.conf.all.send_redirects': 1,
  'net.ipv4.conf.default.send_redirects': 1,
};

export const DEFAULT_PROFILE: Profile = { backend: 'legacy', kernel: '6.18', hz: 250, prestack: 'kernel', sysctls: {} };

/** Settings that every device has for itself, below net.ipv4.conf. */
export type DeviceSetting = 'rp_filter' | 'send_redirects';

const DEVICE_SYSCTL = /^net\.ipv4\.conf\.(.+)\.(?:rp_filter|send_redirects)$/;

/** The device a sysctl name is about; undefined for names that are about none. A device's own dots are slashes in the notation of sysctl(8). */
export function deviceOfSysctl(name: string): string | undefined {
  const device = DEVICE_SYSCTL.exec(name)?.[1]?.replaceAll('/', '.');
  return device === 'all' || device === 'default' ? undefined : device;
}

/** A name as a profile has it: without the prefix of net.netfilter, dots in device names; undefined for names that nothing depends on. Slashes may part it, as in /proc/sys. */
export function canonicalSysctl(given: string): string | undefined {
  const name = /^[^.]*\//.test(given) ? exchanged(given.replace(/^\/?(proc\/sys\/)?/, '')) : given;
  const short = name.replace(/^net\.netfilter\./, '');
  if (Object.hasOwn(DEFAULT_SYSCTLS, short)) return short;
  return deviceOfSysctl(name) === undefined ? undefined : name.replaceAll('/', '.');
}

/** sysctl takes both spellings: where slashes part a name, a dot stands in it, and the other way round. */
const exchanged = (name: string): string => name.replace(/[./]/g, (mark) => (mark === '.' ? '/' : '.'));

/** A device's own setting; that of `default` for a device nobody gave one. How it goes together with that of `all` is another matter for each of them. */
export function deviceSysctl(profile: Profile, device: string, setting: DeviceSetting): number {
  return profile.sysctls[`net.ipv4.conf.${device}.${setting}`] ?? sysctl(profile, `net.ipv4.conf.default.${setting}`);
}

/** An int. */
export const HIGHEST_SYSCTL = 0x7fff_ffff;
const SWITCHES: ReadonlySet<string> = new Set(
  ['acct', 'checksum', 'tcp_loose', 'tcp_be_liberal', 'tcp_ignore_invalid_rst'].map((name) => `nf_conntrack_${name}`),
);
const BYTES: ReadonlySet<string> = new Set(['nf_conntrack_tcp_max_retrans']);

/** The largest number that the kernel takes for a sysctl (nf_conntrack_standalone.c; proc_dointvec_jiffies for times, which are ints of jiffies). */
export function highestOf(name: string, hz: number): number {
  if (SWITCHES.has(name)) return 1;
  if (BYTES.has(name)) return 255;
  const isTime = /^nf_conntrack_.*_timeout(_|$)/.test(name) || name === 'net.ipv4.ipfrag_time';
  return isTime ? Math.floor(HIGHEST_SYSCTL / hz) : HIGHEST_SYSCTL;
}

/** The value in force of a sysctl (0 for names nobody knows). */
export function sysctl(profile: Profile, name: string): number {
  return profile.sysctls[name] ?? DEFAULT_SYSCTLS[name] ?? 0;
}

/**
 * Jiffies at a capture time: floor(t * HZ), counted from the epoch. The phase of a real machine is unknown; a whole second is taken.
 * Timestamps in nanoseconds.
 */
export function jiffiesAt(time: bigint, hz: number): bigint {
  return (time * BigInt(hz)) / 1_000_000_000n;
}
