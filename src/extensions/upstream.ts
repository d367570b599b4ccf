/**
 * Every extension of iptables 1.8.9, so that a support table can say what is missing and a parser can tell "iptables has it, wasmtables not
 * yet" from "nobody knows it". One entry for each libxt_, libipt_ and libip6t_ object.
 */
import type { Kernel } from '../model/profile.ts';
import type { Family } from '../model/ruleset.ts';

export interface UpstreamExtension {
  name: string;
  kind: 'match' | 'target';
  families: readonly Family[];
}

/** libxt_: IPv4 and IPv6. `standard` (verdicts, jumps) and `NAT` (behind DNAT, SNAT...) are objects of their own that nobody names. */
const MATCHES =
  'addrtype bpf cgroup cluster comment connbytes connlabel connlimit connmark conntrack cpu dccp devgroup dscp ecn esp hashlimit helper ' +
  'ipcomp iprange ipvs length limit mac mark multiport nfacct osf owner physdev pkttype policy quota rateest recent rpfilter sctp set ' +
  'socket state statistic string tcp tcpmss time tos u32 udp';
const TARGETS =
  'AUDIT CHECKSUM CLASSIFY CONNMARK CONNSECMARK CT DNAT DSCP HMARK IDLETIMER LED LOG MARK MASQUERADE NAT NFLOG NFQUEUE NOTRACK RATEEST ' +
  'REDIRECT SECMARK SET SNAT SYNPROXY TCPMSS TCPOPTSTRIP TEE TOS TPROXY TRACE standard';

/** libipt_ and libip6t_: one family each. */
const MATCHES4 = 'ah icmp realm ttl';
const TARGETS4 = 'CLUSTERIP ECN NETMAP REJECT TTL ULOG';
const MATCHES6 = 'ah dst eui64 frag hbh hl icmp6 ipv6header mh rt srh';
const TARGETS6 = 'DNPT HL NETMAP REJECT SNPT';

function list(names: string, kind: 'match' | 'target', families: readonly Family[]): UpstreamExtension[] {
  return names.split(' ').map((name) => ({ name, kind, families }));
}

/** An entry an object; REJECT, NETMAP and ah stand twice, once a family. */
export const upstream: readonly UpstreamExtension[] = [
  ...list(MATCHES, 'match', [4, 6]),
  ...list(MATCHES4, 'match', [4]),
  ...list(MATCHES6, 'match', [6]),
  ...list(TARGETS, 'target', [4, 6]),
  ...list(TARGETS4, 'target', [4]),
  ...list(TARGETS6, 'target', [6]),
];

/** Whether iptables 1.8.9 has a match or target of this name in this family. */
export function isUpstream(name: string, kind: 'match' | 'target', family: Family): boolean {
  return upstream.some((each) => each.name === name && each.kind === kind && each.families.includes(family));
}

/** What iptables 1.8.9 reads and kernels have no more: which of ours, and what does its work now. */
const GONE: Readonly<Record<string, { from: readonly Kernel[]; instead: string }>> = {
  ULOG: { from: ['6.1', '6.12', '6.18'], instead: 'write -j NFLOG' },
  CLUSTERIP: { from: ['6.12', '6.18'], instead: '-m cluster does what it did' },
};

/** What iptables had once and knows no more. */
const OLD: Readonly<Record<string, string>> = {
  SAME: 'Linux had it up to 2.6.24; SNAT with --persistent does what it did',
  MIRROR: 'Linux had it up to 2.4',
  BALANCE: 'Linux had it up to 2.6.0; DNAT with a range of addresses does what it did',
  unclean: 'Linux had it up to 2.4; -m conntrack --ctstate INVALID comes close',
};

/** Why a kernel refuses an extension that iptables reads; undefined: it does not, or that is not known. */
export function goneFrom(kernel: Kernel, name: string): { message: string; hint: string } | undefined {
  // Asked of 6.18 without a security module: "No such file or directory", under both backends, whatever the context.
  if (name === 'SECMARK') {
    return {
      message: `Linux ${kernel} takes "SECMARK" only with a security module such as SELinux, which this profile has not`,
      hint: 'no match of iptables sees the mark it sets',
    };
  }
  const gone = Object.hasOwn(GONE, name) ? GONE[name] : undefined;
  if (gone === undefined || !gone.from.includes(kernel)) return undefined;
  return {
    message: `Linux ${kernel} has no "${name}" any more (iptables: No chain/target/match by that name)`,
    hint: gone.instead,
  };
}

/** What to say of a name of old. */
export function formerly(name: string): string | undefined {
  return Object.hasOwn(OLD, name) ? OLD[name] : undefined;
}

/** Whose kernel modules register conntrack when a rule with them is loaded (CT does unless it says --notrack): for extensions that are only assumed. */
const CONNTRACK_USERS: ReadonlySet<string> = new Set(
  'conntrack state connmark connbytes connlimit connlabel helper cluster CONNMARK CONNSECMARK CT DNAT SNAT MASQUERADE REDIRECT NETMAP SYNPROXY'.split(
    ' ',
  ),
);

/** True when loading a rule with this extension, not understood in detail, makes the kernel track connections. */
export function registersConntrack(name: string): boolean {
  return CONNTRACK_USERS.has(name);
}
