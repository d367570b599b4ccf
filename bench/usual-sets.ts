/** Rule sets as programs and people write them, each as iptables-save tells it; of hosts, which speak themselves, and of routers. */

/** Tables that are there and have no rules: many hosts' iptables-save has them. */
const EMPTY_RAW = '*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';
const EMPTY_MANGLE =
  '*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n';
const EMPTY_SECURITY = '*security\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';
const EMPTY_NAT =
  '*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n';

function table(
  name: string,
  policies: Readonly<Record<string, string>>,
  chains: readonly string[],
  rules: readonly string[],
): string {
  const heads = Object.entries(policies).map(([chain, policy]) => `:${chain} ${policy} [0:0]`);
  return [
    `*${name}`,
    ...heads,
    ...chains.map((chain) => `:${chain} - [0:0]`),
    ...rules.map((rule) => `-A ${rule}`),
    'COMMIT',
    '',
  ].join('\n');
}

const filter = (rules: readonly string[], chains: readonly string[] = [], input = 'DROP'): string =>
  table('filter', { INPUT: input, FORWARD: 'DROP', OUTPUT: 'ACCEPT' }, chains, rules);

const SERVICES = [
  'INPUT -p tcp -m multiport --dports 22,80,443 -m conntrack --ctstate NEW -j ACCEPT',
  'INPUT -p udp -m multiport --dports 53,443,10000 -j ACCEPT',
  'INPUT -p udp -m udp --dport 2049 -j ACCEPT',
];
const ESTABLISHED = 'INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT';
const INVALID = 'INPUT -m conntrack --ctstate INVALID -j DROP';
const LO = 'INPUT -i lo -j ACCEPT';
const PINGS = 'INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT';

/** What many write first. */
const plain = filter([LO, ESTABLISHED, INVALID, PINGS, ...SERVICES]);

const allTables = EMPTY_RAW + EMPTY_MANGLE + EMPTY_NAT + plain + EMPTY_SECURITY;

const UFW_CHAINS = ['input', 'output', 'forward'].flatMap((way) =>
  ['before-logging', 'before', 'after', 'after-logging', 'reject', 'track'].map((name) => `ufw-${name}-${way}`),
);
const ufwJumps = ['INPUT', 'OUTPUT', 'FORWARD'].flatMap((hook) =>
  ['before-logging', 'before', 'after', 'after-logging', 'reject', 'track'].map(
    (name) => `${hook} -j ufw-${name}-${hook.toLowerCase()}`,
  ),
);
const ufw = table(
  'filter',
  { INPUT: 'DROP', FORWARD: 'DROP', OUTPUT: 'ACCEPT' },
  [
    ...UFW_CHAINS,
    ...[
      'logging-allow',
      'logging-deny',
      'not-local',
      'skip-to-policy-input',
      'user-input',
      'user-limit',
      'user-limit-accept',
    ].map((name) => `ufw-${name}`),
    'ufw-user-output',
  ],
  [
    ...ufwJumps,
    'ufw-after-input -p udp -m udp --dport 137 -j ufw-skip-to-policy-input',
    'ufw-after-input -p udp -m udp --dport 138 -j ufw-skip-to-policy-input',
    'ufw-after-input -p tcp -m tcp --dport 139 -j ufw-skip-to-policy-input',
    'ufw-after-input -m addrtype --dst-type BROADCAST -j ufw-skip-to-policy-input',
    'ufw-after-logging-input -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "',
    'ufw-before-input -i lo -j ACCEPT',
    'ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    'ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny',
    'ufw-before-input -m conntrack --ctstate INVALID -j DROP',
    'ufw-before-input -p icmp -m icmp --icmp-type 3 -j ACCEPT',
    'ufw-before-input -p icmp -m icmp --icmp-type 11 -j ACCEPT',
    'ufw-before-input -p icmp -m icmp --icmp-type 12 -j ACCEPT',
    'ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT',
    'ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT',
    'ufw-before-input -j ufw-not-local',
    'ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT',
    'ufw-before-input -d 239.255.255.250/32 -p udp -m udp --dport 1900 -j ACCEPT',
    'ufw-before-input -j ufw-user-input',
    'ufw-before-output -o lo -j ACCEPT',
    'ufw-before-output -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    'ufw-before-output -j ufw-user-output',
    'ufw-logging-allow -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW ALLOW] "',
    'ufw-logging-deny -m conntrack --ctstate INVALID -m limit --limit 3/min --limit-burst 10 -j RETURN',
    'ufw-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "',
    'ufw-not-local -m addrtype --dst-type LOCAL -j RETURN',
    'ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN',
    'ufw-not-local -m addrtype --dst-type BROADCAST -j RETURN',
    'ufw-not-local -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny',
    'ufw-not-local -j DROP',
    'ufw-skip-to-policy-input -j DROP',
    'ufw-track-output -p tcp -m conntrack --ctstate NEW -j ACCEPT',
    'ufw-track-output -p udp -m conntrack --ctstate NEW -j ACCEPT',
    'ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --mask 255.255.255.255 --rsource',
    'ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 --name DEFAULT --mask 255.255.255.255 --rsource -j ufw-user-limit',
    'ufw-user-input -p tcp -m tcp --dport 22 -j ufw-user-limit-accept',
    'ufw-user-input -p tcp -m multiport --dports 80,443 -j ACCEPT',
    'ufw-user-input -p udp -m multiport --dports 53,443,2049,10000 -j ACCEPT',
    'ufw-user-limit -m limit --limit 3/min -j LOG --log-prefix "[UFW LIMIT BLOCK] "',
    'ufw-user-limit -j REJECT --reject-with icmp-port-unreachable',
    'ufw-user-limit-accept -j ACCEPT',
  ],
);

const ZONES = ['', '_log', '_deny', '_allow'];
const firewalld =
  table(
    'raw',
    { PREROUTING: 'ACCEPT', OUTPUT: 'ACCEPT' },
    ['PREROUTING_direct', 'PREROUTING_ZONES', 'PRE_public'],
    [
      'PREROUTING -j PREROUTING_direct',
      'PREROUTING -j PREROUTING_ZONES',
      'PREROUTING_ZONES -i eth0 -g PRE_public',
      'PREROUTING_ZONES -g PRE_public',
    ],
  ) +
  table(
    'mangle',
    { PREROUTING: 'ACCEPT', INPUT: 'ACCEPT', FORWARD: 'ACCEPT', OUTPUT: 'ACCEPT', POSTROUTING: 'ACCEPT' },
    ['PREROUTING_direct', 'INPUT_direct', 'OUTPUT_direct'],
    ['PREROUTING -j PREROUTING_direct', 'INPUT -j INPUT_direct', 'OUTPUT -j OUTPUT_direct'],
  ) +
  EMPTY_NAT +
  table(
    'filter',
    { INPUT: 'ACCEPT', FORWARD: 'ACCEPT', OUTPUT: 'ACCEPT' },
    ['INPUT_direct', 'INPUT_ZONES', 'OUTPUT_direct', ...ZONES.map((name) => `IN_public${name}`)],
    [
      'INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT',
      'INPUT -i lo -j ACCEPT',
      'INPUT -j INPUT_direct',
      'INPUT -j INPUT_ZONES',
      'INPUT -m conntrack --ctstate INVALID -j DROP',
      'INPUT -j REJECT --reject-with icmp-host-prohibited',
      'OUTPUT -o lo -j ACCEPT',
      'OUTPUT -j OUTPUT_direct',
      'INPUT_ZONES -i eth0 -g IN_public',
      'INPUT_ZONES -g IN_public',
      ...ZONES.slice(1).map((name) => `IN_public -j IN_public${name}`),
      'IN_public -p icmp -j ACCEPT',
      'IN_public_allow -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT',
      'IN_public_allow -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT',
      'IN_public_allow -p tcp -m tcp --dport 443 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT',
      ...[53, 443, 2049, 10_000].map(
        (port) => `IN_public_allow -p udp -m udp --dport ${port} -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT`,
      ),
    ],
  );

const fail2ban = filter(
  [
    'INPUT -p tcp -m multiport --dports 22 -j f2b-sshd',
    'INPUT -p tcp -m multiport --dports 80,443 -j f2b-nginx',
    LO,
    ESTABLISHED,
    INVALID,
    PINGS,
    ...SERVICES,
    ...Array.from(
      { length: 40 },
      (_, index) => `f2b-sshd -s 198.51.100.${index}/32 -j REJECT --reject-with icmp-port-unreachable`,
    ),
    'f2b-sshd -j RETURN',
    ...Array.from(
      { length: 10 },
      (_, index) => `f2b-nginx -s 203.0.113.${index}/32 -j REJECT --reject-with icmp-port-unreachable`,
    ),
    'f2b-nginx -j RETURN',
  ],
  ['f2b-sshd', 'f2b-nginx'],
);

/** As pages with advice have it: limits of floods before anything else. */
const folklore = filter(
  [
    LO,
    'INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP',
    'INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,SYN,RST,PSH,ACK,URG -j DROP',
    'INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP',
    'INPUT -f -j DROP',
    'INPUT -p icmp -m limit --limit 10000/sec --limit-burst 10000 -j ACCEPT',
    'INPUT -p icmp -j DROP',
    'INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j synflood',
    'INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST RST -m limit --limit 2/sec --limit-burst 2 -j ACCEPT',
    'INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST RST -j DROP',
    ESTABLISHED,
    ...SERVICES,
    'INPUT -m limit --limit 5/min -j LOG --log-prefix "dropped: "',
    'synflood -m limit --limit 10000/sec --limit-burst 10000 -j RETURN',
    'synflood -j DROP',
  ],
  ['synflood'],
);

const sshGuards = filter([
  LO,
  'INPUT -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -m connlimit --connlimit-above 200000 --connlimit-mask 0 --connlimit-saddr -j REJECT --reject-with tcp-reset',
  'INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 60 --hitcount 20 --name SSH --mask 255.255.255.255 --rsource -j DROP',
  'INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name SSH --mask 255.255.255.255 --rsource',
  'INPUT -p tcp -m tcp --dport 443 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 100000/sec --hashlimit-burst 100000 --hashlimit-mode srcip --hashlimit-name web -j DROP',
  ESTABLISHED,
  INVALID,
  PINGS,
  ...SERVICES,
]);

const rawRules =
  table(
    'raw',
    { PREROUTING: 'ACCEPT', OUTPUT: 'ACCEPT' },
    [],
    [
      'PREROUTING -m rpfilter --invert -j DROP',
      'PREROUTING -p udp -m udp --dport 53 -j CT --notrack',
      'OUTPUT -p udp -m udp --sport 53 -j CT --notrack',
    ],
  ) + plain;

const EMPTY_FORWARD = { PREROUTING: 'ACCEPT', INPUT: 'ACCEPT', OUTPUT: 'ACCEPT', POSTROUTING: 'ACCEPT' };
const routed = (front: readonly string[] = []): string =>
  table(
    'filter',
    { INPUT: 'DROP', FORWARD: 'DROP', OUTPUT: 'ACCEPT' },
    [],
    [
      ...front,
      LO,
      ESTABLISHED,
      'FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      'FORWARD -m conntrack --ctstate INVALID -j DROP',
      'FORWARD -i eth1 -o eth0 -j ACCEPT',
      'FORWARD -i eth0 -o eth1 -m conntrack --ctstate DNAT -j ACCEPT',
    ],
  );
const masquerade = table('nat', EMPTY_FORWARD, [], ['POSTROUTING -o eth0 -j MASQUERADE']) + routed();
const clamp =
  table(
    'mangle',
    { PREROUTING: 'ACCEPT', INPUT: 'ACCEPT', FORWARD: 'ACCEPT', OUTPUT: 'ACCEPT', POSTROUTING: 'ACCEPT' },
    [],
    ['FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu'],
  ) + masquerade;
const docker =
  table('raw', { PREROUTING: 'ACCEPT', OUTPUT: 'ACCEPT' }, [], ['PREROUTING -d 172.17.0.2/32 ! -i eth1 -j DROP']) +
  table(
    'nat',
    EMPTY_FORWARD,
    ['DOCKER'],
    [
      'PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
      'OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER',
      'POSTROUTING -s 172.17.0.0/16 ! -o eth1 -j MASQUERADE',
      'DOCKER -i eth1 -j RETURN',
      'DOCKER ! -i eth1 -p tcp -j DNAT --to-destination 172.17.0.2',
      'DOCKER ! -i eth1 -p udp -j DNAT --to-destination 172.17.0.2',
    ],
  ) +
  table(
    'filter',
    { INPUT: 'ACCEPT', FORWARD: 'DROP', OUTPUT: 'ACCEPT' },
    ['DOCKER', 'DOCKER-ISO-1', 'DOCKER-ISO-2', 'DOCKER-USER'],
    [
      'FORWARD -j DOCKER-USER',
      'FORWARD -j DOCKER-ISO-1',
      'FORWARD -o eth1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      'FORWARD -o eth1 -j DOCKER',
      'FORWARD -i eth1 ! -o eth1 -j ACCEPT',
      'FORWARD -i eth1 -o eth1 -j ACCEPT',
      'DOCKER -d 172.17.0.2/32 ! -i eth1 -o eth1 -j ACCEPT',
      'DOCKER-ISO-1 -i eth1 ! -o eth1 -j DOCKER-ISO-2',
      'DOCKER-ISO-1 -j RETURN',
      'DOCKER-ISO-2 -o eth1 -j DROP',
      'DOCKER-ISO-2 -j RETURN',
      'DOCKER-USER -j RETURN',
    ],
  );
const marked =
  table(
    'mangle',
    { PREROUTING: 'ACCEPT', INPUT: 'ACCEPT', FORWARD: 'ACCEPT', OUTPUT: 'ACCEPT', POSTROUTING: 'ACCEPT' },
    [],
    [
      'PREROUTING -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff',
      'PREROUTING -m mark ! --mark 0x0/0xffffffff -j ACCEPT',
      'PREROUTING -i eth1 -p tcp -m tcp --dport 443 -j MARK --set-xmark 0x1/0xffffffff',
      'PREROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff',
    ],
  ) + routed();

export interface NamedSet {
  name: string;
  rules: string;
}

export const hostSets: readonly NamedSet[] = [
  { name: 'states first', rules: plain },
  { name: 'all tables', rules: allTables },
  { name: 'ufw', rules: ufw },
  { name: 'firewalld', rules: firewalld },
  { name: 'fail2ban', rules: fail2ban },
  { name: 'limits first', rules: folklore },
  { name: 'guards of ssh', rules: sshGuards },
  { name: 'rpfilter, NOTRACK', rules: rawRules },
];

/** `seen`: translated or not, and whose packets arrive at it. */
export const routerSets: readonly (NamedSet & { seen: 'routed' | 'hidden' | 'contained' })[] = [
  { name: 'a router', rules: routed(), seen: 'routed' },
  { name: 'MASQUERADE', rules: masquerade, seen: 'hidden' },
  { name: 'MASQUERADE, MSS clamp', rules: clamp, seen: 'hidden' },
  { name: 'Docker', rules: docker, seen: 'contained' },
  { name: 'marks of connections', rules: marked, seen: 'routed' },
];
