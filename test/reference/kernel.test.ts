/** The reference held against the running kernel: random packets under fixed seeds; every counter, path and verdict must agree. */
import { expect, test } from 'vitest';
import { jobFromHost } from '../../src/kernel/from-host.ts';
import { comparedKernel, comparedWitness, compareOutcomes, type KernelJob, runKernel } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Frame } from '../../src/model/witness.ts';
import { describeKernel } from '../kernel/machine.ts';
import { ACK, ping, SYN, tcp, udp } from './build.ts';
import { fragments, mixture, randomFrom, tcpFlow } from './flows.ts';
import { againstKernel, frameOf, jobOf, probes, replay } from './replay.ts';

const filter4 = (icmp: string): string => `*filter
:w - [0:0]
:x - [0:0]
-A FORWARD -p udp -m udp --dport 53 -j w
-A FORWARD -p ${icmp}
-A FORWARD -p tcp -m tcp --tcp-flags RST RST -j DROP
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A w -p udp -m length --length 0:40 -j RETURN
-A w -g x
COMMIT
*nat
-A PREROUTING -p udp
-A POSTROUTING -m comment --comment bound -j ACCEPT
COMMIT`;

const STATELESS = (icmp: string): string => `*filter
:p - [0:0]
-A FORWARD -p ${icmp} -m ${icmp === 'icmp' ? 'icmp --icmp-type 0' : 'icmp6 --icmpv6-type 0'}
-A FORWARD -p udp -m udp --dport 53 -j p
-A FORWARD -p tcp -j p
-A FORWARD -j p
-A p -p tcp -m tcp --dport 53 -j RETURN
-A p -p tcp -m tcp --tcp-flags SYN,ACK SYN -j ACCEPT
-A p -j RETURN
COMMIT
`;

describeKernel('the reference and the running kernel', () => {
  test.each([11, 12, 13])('TCP connections, in and out of window (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const packets = Array.from({ length: 120 }, () => tcpFlow(random, 12)).flat();
    expect(await againstKernel(probes(), packets)).toEqual([]);
  });

  test('TCP without window checks and without pick-up', async () => {
    const random = randomFrom(21);
    const packets = Array.from({ length: 100 }, () => tcpFlow(random, 10)).flat();
    const sysctls = { nf_conntrack_tcp_be_liberal: 1, nf_conntrack_tcp_loose: 0 };
    const kernel = Object.fromEntries(Object.entries(sysctls).map(([name, value]) => [`net.netfilter.${name}`, String(value)]));
    expect(await againstKernel(probes(), packets, { sysctls: kernel, profile: { sysctls } })).toEqual([]);
  });

  test.each([
    [31, 4],
    [32, 4],
    [33, 6],
    [34, 6],
  ] as const)('everything mixed (seed %i, IPv%i)', async (seed, family) => {
    const packets = mixture(randomFrom(seed), 500, family === 6);
    const rules = probes(filter4(family === 6 ? 'ipv6-icmp' : 'icmp'));
    expect(await againstKernel(rules, packets, { family })).toEqual([]);
  });

  test.each([
    [41, 4],
    [42, 6],
  ] as const)('fragments and short headers without conntrack (seed %i, IPv%i)', async (seed, family) => {
    const packets = fragments(randomFrom(seed), 300, family === 6);
    expect(await againstKernel(STATELESS(family === 6 ? 'ipv6-icmp' : 'icmp'), packets, { family })).toEqual([]);
  });

  test('UDP streams and expiry on the real clock', async () => {
    const [a, b] = ['10.0.0.1 1000', '10.1.0.2 53'];
    const quiet = udp('10.0.0.9 9', '10.1.0.9 9');
    const packets = [udp(a, b), udp(b, a), udp(a, b), quiet, quiet, quiet, quiet, udp(a, b), udp(b, a)];
    const sysctls = { nf_conntrack_udp_timeout: 1 };
    const kernel = { 'net.netfilter.nf_conntrack_udp_timeout': '1' };
    expect(await againstKernel(probes(), packets, { sysctls: kernel, profile: { sysctls }, milliseconds: 350 })).toEqual([]);
  });

  test('a dropped first packet leaves nothing; a reset by REJECT closes', async () => {
    const [a, b] = ['10.0.0.1 1000', '10.1.0.2 80'];
    const rules = `*filter
-A FORWARD -p icmp -j DROP
-A FORWARD -p tcp -m tcp --dport 80 -m conntrack --ctstate ESTABLISHED -j REJECT --reject-with tcp-reset
COMMIT
`;
    const packets = [
      ping('10.0.0.1', '10.1.0.2'),
      ping('10.0.0.1', '10.1.0.2'),
      ping('10.1.0.2', '10.0.0.1', { reply: true }),
      tcp(a, b, SYN, { seq: 1000 }),
      tcp(b, a, SYN | ACK, { seq: 5000, ack: 1001 }),
      tcp(a, b, ACK, { seq: 1001, ack: 5001 }),
      tcp(b, a, SYN | ACK, { seq: 5000, ack: 1001 }),
      tcp(a, b, SYN, { seq: 1000 }),
    ];
    const lines = await againstKernel(probes(rules), packets);
    // The RST the kernel sends meets OUTPUT and POSTROUTING; it is in no capture.
    expect(lines.filter((line) => !/^(filter|mangle) (OUTPUT|POSTROUTING) policy/.test(line))).toEqual([]);
  });

  test.each([
    [51, 4],
    [52, 6],
  ] as const)('nft (seed %i, IPv%i)', async (seed, family) => {
    const profile = { backend: 'nft' } as const;
    const icmp = family === 6 ? 'ipv6-icmp' : 'icmp';
    expect(await againstKernel(probes(filter4(icmp)), mixture(randomFrom(seed), 300, family === 6), { family, profile })).toEqual(
      [],
    );
    const packets = fragments(randomFrom(seed), 200, family === 6);
    expect(await againstKernel(STATELESS(icmp), packets, { family, profile })).toEqual([]);
  });

  test('a host with two networks: ways, devices, address types', async () => {
    const lines = await hostAgainstKernel(61);
    // For packets of the host to itself the oracle names the first hook, the model the last.
    expect(lines.filter((line) => !/ hook: legacy OUTPUT, reference INPUT$/.test(line))).toEqual([]);
  });
});

const HOST = {
  addresses: [
    {
      ifname: 'eth0',
      address: '02:00:00:00:00:01',
      addr_info: [{ family: 'inet', local: '192.0.2.1', prefixlen: 24 }],
    },
    {
      ifname: 'eth1',
      address: '02:00:00:00:00:02',
      addr_info: [{ family: 'inet', local: '198.51.100.1', prefixlen: 24 }],
    },
  ],
  routes: [
    [
      { dst: '203.0.113.0/24', dev: 'eth1' },
      { dst: '203.0.113.128/25', type: 'unreachable' },
      { dst: '203.0.113.192/26', type: 'blackhole' },
    ],
  ],
};
const OWN = ['192.0.2.1', '198.51.100.1', '127.0.0.1'];
const BROADCAST = ['192.0.2.255', '198.51.100.255', '255.255.255.255', '224.0.0.1'];
const OTHER = [
  '192.0.2.9',
  '198.51.100.7',
  '203.0.113.9',
  '203.0.113.130',
  '203.0.113.200',
  '8.8.8.8',
  '224.0.0.5',
  '0.0.0.0',
  '192.0.2.0',
];
const HOST_RULES = `*raw
-A PREROUTING -m addrtype --dst-type BROADCAST
-A PREROUTING -m addrtype --dst-type LOCAL
-A PREROUTING -m addrtype --src-type LOCAL
-A PREROUTING -m addrtype --dst-type MULTICAST
-A PREROUTING -i eth1
-A OUTPUT -o eth1
COMMIT
*filter
-A INPUT -j DROP
-A FORWARD -m addrtype --src-type LOCAL
-A FORWARD -m addrtype --dst-type UNICAST
-A FORWARD -o eth1
COMMIT
`;

/** Random ends among the host's own addresses, its networks and beyond. */
async function hostAgainstKernel(seed: number): Promise<string[]> {
  const random = randomFrom(seed);
  const addresses = [...OWN, ...BROADCAST, ...OTHER];
  const pick = (): string => addresses[Math.floor(random() * addresses.length)]!;
  const frames: Frame[] = [];
  while (frames.length < 250) {
    const [source, destination] = [pick(), pick()];
    const direction = random() < 0.7 ? ({ direction: 'in' } as const) : {};
    // What is sent to nobody the kernel sends to its sender.
    if (OWN.includes(source) && destination === '0.0.0.0' && direction.direction === undefined) continue;
    const ttl = random() < 0.1 ? 1 : 64;
    const ends = [`${source} ${1000 + frames.length}`, `${destination} 7000`] as const;
    frames.push(frameOf(random() < 0.5 ? udp(...ends, { ttl }) : tcp(...ends, SYN, { ttl }), frames.length, direction));
  }
  const host = buildHost(HOST);
  const { numbers, skipped, ...hosted } = jobFromHost(host, frames, [4]);
  expect(skipped).toEqual([]);
  const job: KernelJob = { backend: 'legacy', family: 4, rules: probes(HOST_RULES), trace: true, ...hosted };
  const kernel = await runKernel(job);
  expect(kernel.refused).toBeUndefined();
  // The oracle's devices send no redirects.
  const sysctls = { 'net.ipv4.conf.all.send_redirects': 0, 'net.ipv4.conf.default.send_redirects': 0 };
  const { result, outcomes } = replay(jobOf(probes(HOST_RULES), host, { sysctls }), frames);
  return compareOutcomes(comparedKernel(job, kernel), comparedWitness('reference', result.counters[4]!, outcomes), numbers);
}
