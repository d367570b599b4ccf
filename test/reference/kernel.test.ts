/** The reference held against the running kernel: random packets under fixed seeds; every counter, path and verdict must agree. */
import { expect, test } from 'vitest';
import { describeKernel } from '../kernel/machine.ts';
import { ACK, ping, SYN, tcp, udp } from './build.ts';
import { fragments, mixture, randomFrom, tcpFlow } from './flows.ts';
import { againstKernel, probes } from './replay.ts';

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
-A POSTROUTING -j ACCEPT
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
});
