/** Rules that look at everything a packet has, for hosts of every kind: what a spoilt packet meets. */
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE, type Profile } from '../../src/model/profile.ts';
import type { Job } from '../../src/model/witness.ts';
import { parseSave } from '../../src/syntax/index.ts';
import type { Random } from './rounds.ts';
import { type Prepared, prepared } from './witnesses.ts';

const BOTH = `-A PREROUTING -p udp -m udp --dport 123 -j NOTRACK
-A PREROUTING -m pkttype --pkt-type broadcast
-A OUTPUT -m addrtype --src-type LOCAL -p udp --sport 53 -j NOTRACK
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -m length --length 0:60 -j MARK --set-xmark 0x1/0xff
-A PREROUTING -p tcp -m tcp --tcp-option 8 -j MARK --or-mark 0x100
-A POSTROUTING -m dscp --dscp 0x10
-A POSTROUTING -m tos --tos 0x10/0x3f
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:common - [0:0]
:tcp - [0:0]
-A INPUT -m mac --mac-source 02:00:00:00:00:01
-A INPUT -j common
-A FORWARD -j common
-A OUTPUT -g common
-A common -m conntrack --ctstate INVALID -m comment --comment invalid
-A common -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A common -m conntrack --ctstatus SEEN_REPLY --ctdir REPLY
-A common -m conntrack --ctproto 17 --ctorigdstport 53 -j ACCEPT
-A common -m mark --mark 0x1/0x1 -j RETURN
-A common -m pkttype --pkt-type multicast -j RETURN
-A common -p tcp -j tcp
-A common -p udp -m multiport --ports 53,67:68,123,5353 -j ACCEPT
-A common -p udp -m udp --sport 0:1023 ! --dport 1024:65535 -j DROP
-A common -m limit --limit 10/sec --limit-burst 3 -j ACCEPT
-A INPUT -i eth+ -m addrtype --dst-type LOCAL
-A tcp -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP
-A tcp -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m tcp --dport 22 -j ACCEPT
-A tcp -p tcp -m tcp ! --tcp-option 2 --tcp-flags SYN SYN -j DROP
-A tcp -p tcp -m tcp --sport 1024:65535 --dport 80 -j ACCEPT
-A tcp -p tcp -m multiport --dports 21,25,443,5201 -j ACCEPT
`;

const RAW = '*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n';
const RULES = {
  4: `${RAW}${BOTH}-A common -f -j DROP
-A common -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A common -m ttl --ttl-lt 3 -j REJECT
-A common -m iprange --src-range 10.0.0.1-10.0.0.200
-A common -m conntrack --ctorigsrc 10.0.0.0/8 --ctexpire 1:100000
-A common ! -s 10.0.0.0/24 -p 47
COMMIT
`,
  6: `${RAW}${BOTH}-A common -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT
-A common -m hl --hl-lt 3 -j REJECT
-A common -m iprange --src-range fd00::1-fd00::ffff
-A common ! -s 2001:db8::/32 -p 44
-A common -p esp
COMMIT
`,
};

const HOSTS = [
  buildHost({ local: ['10.0.0.2', '2001:db8:0:1::2', 'fe80::aff:fe00:2'], in: 'eth0' }),
  buildHost({ local: ['192.168.0.1/24', '10.9.0.1/16', 'fd00::1/64'], in: 'eth0' }),
  buildHost({ forward: true, in: 'eth0', out: 'eth1' }),
];

const PROFILES: readonly Profile[] = [
  DEFAULT_PROFILE,
  { ...DEFAULT_PROFILE, backend: 'nft', hz: 1000 },
  { ...DEFAULT_PROFILE, prestack: 'lenient', hz: 100, sysctls: { nf_conntrack_tcp_loose: 0 } },
  { ...DEFAULT_PROFILE, backend: 'nft', prestack: 'lenient', sysctls: { nf_conntrack_checksum: 0, 'net.ipv4.ip_forward': 0 } },
];

/** A host, a profile, with a tree or without: drawn, and compiled once. */
export function drawJob(random: Random): Prepared {
  const host = random.below(HOSTS.length);
  const profile = random.below(PROFILES.length);
  const tree = random.below(2) === 0;
  const key = `${host} ${profile} ${tree}`;
  const known = drawn.get(key);
  if (known !== undefined) return known;
  const rules = {
    4: parseSave(RULES[4], { file: 'rules.v4', family: 4 }),
    6: parseSave(RULES[6], { file: 'rules.v6', family: 6 }),
  };
  const job: Job = { rules, host: HOSTS[host]!, profile: PROFILES[profile]!, packets: { path: true } };
  const made = prepared(job, { tree, effort: 0.02 });
  drawn.set(key, made);
  return made;
}

const drawn = new Map<string, Prepared>();
