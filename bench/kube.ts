/** What kube-proxy makes of a cluster in its mode iptables: a chain of jumps, one a service, to chains that choose an endpoint and translate to it; and datagrams to the services. */
import { buildHost } from '../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../src/model/profile.ts';
import { parseSave } from '../src/syntax/index.ts';
import type { Workload } from './suite.ts';
import { type Datagram, random, udpTraffic } from './traffic.ts';

const SERVICES = 0xac1e0000;
const PODS = 0x0ab40000;
const CLIENTS = 0x0b000000;
const PORT = 53;

const dotted = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');

const protocolOf = (service: number): string => (service % 4 === 3 ? 'tcp' : 'udp');

/** One service has two endpoints, the next two have one: five rules a service in the mean. */
const endpointsOf = (service: number): number => (service % 3 === 0 ? 2 : 1);

/** iptables-save text of the table nat: about five rules a service. */
export function kubeRules(services: number): string {
  const chains: string[] = [];
  const jumps: string[] = [];
  const choices: string[] = [];
  let pods = 0;
  for (let service = 0; service < services; service++) {
    const protocol = protocolOf(service);
    const endpoints = endpointsOf(service);
    const to = `KUBE-SVC-${service}`;
    chains.push(to);
    jumps.push(`-A KUBE-SERVICES -d ${dotted(SERVICES + service)}/32 -p ${protocol} -m ${protocol} --dport ${PORT} -j ${to}`);
    for (let left = endpoints; left > 0; left--) {
      const pod = dotted(PODS + pods);
      const endpoint = `KUBE-SEP-${pods++}`;
      const share = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(11)}`;
      chains.push(endpoint);
      choices.push(`-A ${to}${share} -j ${endpoint}`);
      choices.push(`-A ${endpoint} -s ${pod}/32 -j KUBE-MARK-MASQ`);
      choices.push(`-A ${endpoint} -p ${protocol} -m ${protocol} -j DNAT --to-destination ${pod}:${PORT}`);
    }
  }
  return [
    '*nat',
    ...['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'].map((name) => `:${name} ACCEPT [0:0]`),
    ...['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ', ...chains].map((name) => `:${name} - [0:0]`),
    '-A PREROUTING -j KUBE-SERVICES',
    '-A OUTPUT -j KUBE-SERVICES',
    '-A POSTROUTING -j KUBE-POSTROUTING',
    '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
    '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    ...jumps,
    ...choices,
    'COMMIT',
    '',
  ].join('\n');
}

/** Every packet is the first of its connection, and walks the chains. */
export const kubeFlood = (packets: number, services: number): Workload => kubeWorkload(packets, packets, services);

/** `flows` clients ask a service each, in turns; the first datagram of each walks the chains. */
export function kubeWorkload(packets: number, flows: number, services: number): Workload {
  const next = random(services);
  const ends: Datagram[] = Array.from({ length: flows }, (_, index) => {
    let service = next() % services;
    while (protocolOf(service) !== 'udp') service = (service + 1) % services;
    return { source: CLIENTS + index, destination: SERVICES + service, sport: 1024 + (next() % 60_000), dport: PORT };
  });
  const text = kubeRules(services);
  const rules = text.split('\n').filter((line) => line.startsWith('-A')).length;
  return {
    name: `${services.toLocaleString('en-US')} services, ${rules.toLocaleString('en-US')} rules, ${flows.toLocaleString('en-US')} flows`,
    capture: udpTraffic(packets, ends),
    packets,
    job: {
      rules: { 4: parseSave(text, { file: 'kube.v4', family: 4 }) },
      host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }),
      profile: DEFAULT_PROFILE,
    },
  };
}
