/**
 * Every extension of iptables 1.8.9, so that a support table can say what is missing and a parser can tell "iptables has it, wasmtables not
 * yet" from "nobody knows it". One entry for each libxt_, libipt_ and libip6t_ object.
 */
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
