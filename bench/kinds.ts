/** What is not the usual case, beside it: other rules, protocols, links, files, and the ways of a router. */
import { buildHost, type HostGiven } from '../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../src/model/profile.ts';
import type { Family } from '../src/model/ruleset.ts';
import { parseSave } from '../src/syntax/index.ts';
import { asPcapng, cooked, datagrams, echoes, masqueraded, redirected, SERVER6, six, tagged } from './recast.ts';
import { forwardFirewall, hostFirewall, hostFirewall6, portFirewall } from './rules.ts';
import type { Workload } from './suite.ts';
import { type Ends, random, SERVER, tcpTraffic, usualEnds } from './traffic.ts';

/** The device that captures of "any" name. */
const DEVICE = 2;
const ROUTER = '10.9.9.9';
const ROUTER_WORD = 0x0a090909;

const EMPTY = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';
const NAT = '*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n';

/** Rules of INPUT that stand in front of the one that lets connections through. */
const IN_FRONT: readonly (readonly [name: string, rules: readonly string[]])[] = [
  ['limit', ['-A INPUT -p tcp -m limit --limit 100/sec']],
  [
    'hashlimit',
    [
      '-A INPUT -p tcp -m hashlimit --hashlimit-above 1000000/sec --hashlimit-burst 1000000 --hashlimit-mode srcip --hashlimit-name a -j DROP',
    ],
  ],
  ['recent', ['-A INPUT -m recent --name bad --rcheck --seconds 60 -j DROP']],
  ['connlimit', ['-A INPUT -p tcp --syn -m connlimit --connlimit-above 200000 --connlimit-mask 0 -j DROP']],
  ['length, TTL', ['-A INPUT -m length --length 1400:1500', '-A INPUT -m ttl --ttl-lt 5 -j DROP']],
  ['owner', ['-A OUTPUT -m owner --uid-owner 0 -j ACCEPT']],
  ['MARK', ['-A INPUT -p tcp -j MARK --set-xmark 0x1/0x1']],
  ['LOG', ['-A INPUT -p tcp -j LOG --log-prefix "in "']],
];

/** Each port and service once: no connection has to be given another port. */
const endsApart = (flows: number): Ends[] =>
  usualEnds(flows, random(1)).map((each, index) => ({
    ...each,
    port: 1024 + (index % 60_000),
    service: [80, 443, 22, 25][Math.floor(index / 60_000) % 4]!,
  }));

/** What the host is told of itself. */
const HOST: HostGiven = { local: [SERVER, SERVER6], in: 'eth0' };
/** The same as `ip -j addr` tells it: the MAC of the traffic's host, too. */
const TOLD: HostGiven = {
  addresses: [
    {
      ifindex: 2,
      ifname: 'eth0',
      address: '02:00:00:00:00:02',
      addr_info: [{ family: 'inet', local: SERVER, prefixlen: 24 }],
    },
  ],
  routes: [[{ dst: 'default', dev: 'eth0' }]],
};
const FORWARDS: HostGiven = { forward: true, in: 'eth0', out: 'eth1' };
const ROUTED: HostGiven = {
  local: [`${ROUTER}/32@eth1`, '192.0.2.1/32@eth0'],
  routes: [
    [
      { dst: 'default', dev: 'eth0' },
      { dst: '10.1.0.0/16', dev: 'eth1' },
    ],
  ],
};

/** Workloads, each made when its turn comes (their captures are large); the first is the usual case. */
export function kinds(packets: number, flows: number): (() => Workload)[] {
  const usual = tcpTraffic(packets, flows);
  const one =
    (name: string, rules: string, cast?: (capture: Uint8Array) => Uint8Array, given = HOST, family: Family = 4) =>
    (): Workload => ({
      name,
      capture: cast?.(usual) ?? usual,
      packets,
      job: { rules: { [family]: parseSave(rules, { file: 'rules', family }) }, host: buildHost(given), profile: DEFAULT_PROFILE },
    });
  const apart = (): Uint8Array => tcpTraffic(packets, endsApart(flows));
  const nat = (rule: string): string => `${NAT}${rule}\nCOMMIT\n${forwardFirewall()}`;
  const anyDatagram = hostFirewall().replaceAll('-p udp -m udp --dport 53 -j', '-p udp -j');
  return [
    one('usual: 20 rules, connections, TCP', hostFirewall()),
    one('no rules', EMPTY),
    one('20 rules of ports, no connections', portFirewall()),
    one('MACs told (--addr)', hostFirewall(), undefined, TOLD),
    one('TCP over IPv6', hostFirewall6(), six, HOST, 6),
    one('UDP, many each (QUIC)', anyDatagram, datagrams),
    one('UDP, two each (DNS)', anyDatagram, () => datagrams(tcpTraffic(packets, packets >>> 1))),
    one('ICMP echo', hostFirewall(), echoes),
    one('VLAN tags', hostFirewall(), tagged),
    one('-i any (SLL2)', hostFirewall(), (capture) => cooked(capture, DEVICE)),
    one('pcapng', hostFirewall(), asPcapng),
    one('router (--forward)', forwardFirewall(), undefined, FORWARDS),
    one('router (routes)', forwardFirewall(), undefined, ROUTED),
    one('router, no rules', EMPTY, undefined, FORWARDS),
    one('router, MASQUERADE', nat('-A POSTROUTING -o eth1 -j MASQUERADE'), () => masqueraded(apart(), ROUTER_WORD), ROUTED),
    one('router, DNAT', nat(`-A PREROUTING -d ${ROUTER} -j DNAT --to ${SERVER}`), () => redirected(apart(), ROUTER_WORD), ROUTED),
    ...IN_FRONT.map(([name, rules]) =>
      one(`${name} in front`, hostFirewall().replace('-A INPUT', `${rules.join('\n')}\n-A INPUT`)),
    ),
  ];
}
