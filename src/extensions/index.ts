/** The registry: every match and target wasmtables knows, apart from the built-in options and verdicts. */
import type { Family } from '../model/ruleset.ts';
import { addrtype } from './addrtype.ts';
import { ah } from './ah.ts';
import { ah6 } from './ah6.ts';
import { AUDIT } from './audit.ts';
import { bpf } from './bpf.ts';
import { cgroup } from './cgroup.ts';
import { CHECKSUM } from './checksum-target.ts';
import { CLASSIFY } from './classify.ts';
import { cluster } from './cluster.ts';
import { comment } from './comment.ts';
import { connbytes } from './connbytes.ts';
import { connlabel } from './connlabel.ts';
import { connlimit } from './connlimit.ts';
import { connmark } from './connmark.ts';
import { CONNMARK } from './connmark-target.ts';
import { CONNSECMARK } from './connsecmark.ts';
import { conntrack } from './conntrack.ts';
import { cpu } from './cpu.ts';
import { CT } from './ct-target.ts';
import { dccp } from './dccp.ts';
import { DNAT } from './dnat.ts';
import { DNPT } from './dnpt.ts';
import { dscp } from './dscp.ts';
import { DSCP } from './dscp-target.ts';
import { ecn } from './ecn.ts';
import { ECN } from './ecn-target.ts';
import { esp } from './esp.ts';
import { eui64 } from './eui64.ts';
import type { Extension, MatchExtension, TargetExtension } from './extension.ts';
import { frag } from './frag.ts';
import { hashlimit } from './hashlimit.ts';
import { dst, hbh } from './header-options.ts';
import { helper } from './helper.ts';
import { hl } from './hl.ts';
import { HL } from './hl-target.ts';
import { HMARK } from './hmark-target.ts';
import { icmp } from './icmp.ts';
import { icmp6 } from './icmp6.ts';
import { IDLETIMER } from './idletimer.ts';
import { ipcomp } from './ipcomp.ts';
import { iprange } from './iprange.ts';
import { ipv6header } from './ipv6header.ts';
import { ipvs } from './ipvs.ts';
import { LED } from './led.ts';
import { length } from './length.ts';
import { limit } from './limit.ts';
import { LOG } from './log.ts';
import { mac } from './mac.ts';
import { mark } from './mark.ts';
import { MARK } from './mark-target.ts';
import { MASQUERADE } from './masquerade.ts';
import { mh } from './mh.ts';
import { multiport } from './multiport.ts';
import { NETMAP } from './netmap.ts';
import { nfacct } from './nfacct.ts';
import { NFLOG } from './nflog.ts';
import { NFQUEUE } from './nfqueue.ts';
import { NOTRACK } from './notrack.ts';
import { osf } from './osf.ts';
import { owner } from './owner.ts';
import { physdev } from './physdev.ts';
import { pkttype } from './pkttype.ts';
import { policy } from './policy.ts';
import { quota } from './quota.ts';
import { rateest } from './rateest.ts';
import { RATEEST } from './rateest-target.ts';
import { devgroup, realm } from './realm.ts';
import { recent } from './recent.ts';
import { REDIRECT } from './redirect.ts';
import { REJECT } from './reject.ts';
import { rpfilter } from './rpfilter.ts';
import { rt } from './rt.ts';
import { sctp } from './sctp.ts';
import { set } from './set.ts';
import { SET } from './set-target.ts';
import { SNAT } from './snat.ts';
import { SNPT } from './snpt.ts';
import { socket } from './socket.ts';
import { srh } from './srh.ts';
import { state } from './state.ts';
import { statistic } from './statistic.ts';
import { string } from './string.ts';
import { SYNPROXY } from './synproxy.ts';
import { tcp } from './tcp.ts';
import { tcpmss } from './tcpmss.ts';
import { TCPMSS } from './tcpmss-target.ts';
import { TCPOPTSTRIP } from './tcpoptstrip.ts';
import { TEE } from './tee.ts';
import { time } from './time.ts';
import { tos } from './tos.ts';
import { TOS } from './tos-target.ts';
import { TPROXY } from './tproxy.ts';
import { TRACE } from './trace-target.ts';
import { ttl } from './ttl.ts';
import { TTL } from './ttl-target.ts';
import { u32 } from './u32.ts';
import { udp } from './udp.ts';

const matches = [
  tcp,
  udp,
  sctp,
  set,
  icmp,
  icmp6,
  multiport,
  conntrack,
  state,
  connmark,
  connbytes,
  connlabel,
  connlimit,
  cluster,
  helper,
  comment,
  mark,
  limit,
  mac,
  length,
  addrtype,
  pkttype,
  iprange,
  ttl,
  hl,
  tos,
  dscp,
  recent,
  hashlimit,
  statistic,
  quota,
  rateest,
  string,
  u32,
  ecn,
  tcpmss,
  esp,
  ah,
  ah6,
  frag,
  rt,
  hbh,
  dst,
  ipv6header,
  mh,
  eui64,
  srh,
  dccp,
  time,
  owner,
  physdev,
  policy,
  realm,
  devgroup,
  cpu,
  bpf,
  ipcomp,
  cgroup,
  socket,
  nfacct,
  ipvs,
  osf,
  rpfilter,
];
const targets = [
  DNAT,
  SNAT,
  MASQUERADE,
  REDIRECT,
  NETMAP,
  REJECT,
  LOG,
  NFLOG,
  MARK,
  CONNMARK,
  CONNSECMARK,
  CT,
  NOTRACK,
  CLASSIFY,
  AUDIT,
  CHECKSUM,
  TRACE,
  TEE,
  NFQUEUE,
  IDLETIMER,
  TTL,
  HL,
  TOS,
  DSCP,
  ECN,
  TCPMSS,
  TCPOPTSTRIP,
  LED,
  HMARK,
  DNPT,
  SNPT,
  TPROXY,
  SYNPROXY,
  SET,
  RATEEST,
];

export const extensions: readonly Extension[] = [...matches, ...targets];

/** Other names that iptables takes for a match. */
const ALIASES: Readonly<Record<string, string>> = { icmpv6: 'icmp6', 'ipv6-icmp': 'icmp6' };

/** Those of a family by name: each rule asks for some. The first of a name counts. */
const named = <E extends Extension>(list: readonly E[], family: Family): ReadonlyMap<string, E> =>
  new Map(list.flatMap((each) => (each.families.includes(family) ? [[each.name, each] as const] : [])).reverse());

const matchesOf = { 4: named(matches, 4), 6: named(matches, 6) };
const targetsOf = { 4: named(targets, 4), 6: named(targets, 6) };

// biome-ignore lint/suspicious/noExplicitAny: the registry holds modules of every option type.
export function findMatch(name: string, family: Family): MatchExtension<any> | undefined {
  return matchesOf[family].get(Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name);
}

// biome-ignore lint/suspicious/noExplicitAny: as above.
export function findTarget(name: string, family: Family): TargetExtension<any> | undefined {
  return targetsOf[family].get(name);
}
