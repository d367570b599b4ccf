/** The extensions iptables 1.8.9 comes with, so that a name it does not know either is told from one that wasmtables does not know yet. */
import type { Family } from '../model/ruleset.ts';

const BOTH_MATCHES =
  'addrtype bpf cgroup cluster comment connbytes connlabel connlimit connmark conntrack cpu dccp devgroup dscp ecn esp hashlimit helper ' +
  'ipcomp iprange ipvs length limit mac mark multiport nfacct osf owner physdev pkttype policy quota rateest recent rpfilter sctp set ' +
  'socket state statistic string tcp tcpmss time tos u32 udp ah';
const MATCHES: Record<Family, ReadonlySet<string>> = {
  4: new Set(`${BOTH_MATCHES} icmp realm ttl`.split(' ')),
  6: new Set(`${BOTH_MATCHES} dst eui64 frag hbh hl icmp6 ipv6header mh rt srh`.split(' ')),
};

const BOTH_TARGETS =
  'AUDIT CHECKSUM CLASSIFY CONNMARK CONNSECMARK CT DNAT DSCP HMARK IDLETIMER LED LOG MARK MASQUERADE NETMAP NFLOG NFQUEUE NOTRACK RATEEST ' +
  'REDIRECT REJECT SECMARK SET SNAT SYNPROXY TCPMSS TCPOPTSTRIP TEE TOS TPROXY TRACE';
const TARGETS: Record<Family, ReadonlySet<string>> = {
  4: new Set(`${BOTH_TARGETS} CLUSTERIP ECN TTL ULOG`.split(' ')),
  6: new Set(`${BOTH_TARGETS} DNPT HL SNPT`.split(' ')),
};

/** Names of all matches and targets of ip(6)tables 1.8.9, the common ones first. */
export function knownNames(kind: 'match' | 'target', family: Family): string[] {
  const common =
    kind === 'match'
      ? ['tcp', 'udp', 'state', 'conntrack', 'multiport', 'comment', 'limit']
      : ['ACCEPT', 'DROP', 'REJECT', 'RETURN', 'LOG'];
  return [...common, ...(kind === 'match' ? MATCHES : TARGETS)[family]];
}

/** Whether ip(6)tables 1.8.9 has a match of this name. */
export function knownMatch(name: string, family: Family): boolean {
  return MATCHES[family].has(name);
}

/** Whether ip(6)tables 1.8.9 has a target of this name (the standard verdicts apart). */
export function knownTarget(name: string, family: Family): boolean {
  return TARGETS[family].has(name);
}
