/** Routes by gateways: which address MASQUERADE takes depends on whom packets are handed to, judged by the running kernel's lists of connections. */
import { describe, expect, test } from 'vitest';
import type { KernelJob } from '../../src/kernel/index.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { frameOf, jobOf } from '../reference/replay.ts';
import { differences } from './differential.ts';
import { describeKernel } from './machine.ts';
import { ping, udp } from './packets.ts';
import { WITNESSES } from './witnesses.ts';

const INSIDE = { ifname: 'eth0', addr_info: [{ family: 'inet', local: '10.0.0.254', prefixlen: 24 }] };
/** Three networks on one link. */
const OUTSIDE = {
  ifname: 'eth1',
  addr_info: [
    { family: 'inet', local: '203.0.113.1', prefixlen: 24 },
    { family: 'inet', local: '198.51.100.1', prefixlen: 24 },
    { family: 'inet', local: '192.0.2.1', prefixlen: 28 },
    { family: 'inet', local: '192.0.2.2', prefixlen: 28 },
  ],
};
const ROUTES = [
  { dst: 'default', gateway: '192.0.2.14', dev: 'eth1' },
  { dst: '100.64.0.0/10', gateway: '198.51.100.9', dev: 'eth1' },
  { dst: '100.64.8.0/24', dev: 'eth1' },
  { dst: '100.64.9.0/24', gateway: '203.0.113.1', dev: 'eth1' },
  { dst: '100.64.16.0/24', gateway: '192.0.2.5', dev: 'eth1', metric: 10 },
  { dst: '100.64.16.0/24', gateway: '198.51.100.5', dev: 'eth1', metric: 5 },
  { dst: '172.16.0.0/12', gateway: '172.31.0.1', dev: 'eth1', flags: ['onlink'] },
  { dst: '10.0.0.0/8', gateway: '10.0.0.1', dev: 'eth0' },
];
/** What a connection to an address comes from then. */
const SOURCES: Readonly<Record<string, string>> = {
  '8.8.8.8': '192.0.2.1',
  '100.64.1.1': '198.51.100.1',
  '100.64.8.1': '203.0.113.1',
  '100.64.9.1': '203.0.113.1',
  '100.64.16.1': '198.51.100.1',
  '172.20.0.1': '203.0.113.1',
  '198.51.100.77': '198.51.100.1',
  '203.0.113.77': '203.0.113.1',
  '192.0.2.9': '192.0.2.1',
};
const LOCAL = [INSIDE, OUTSIDE].flatMap(({ ifname, addr_info }) =>
  addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}%${ifname}`),
);
const RULES = (family: Family): string => `*nat
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
*filter
-A FORWARD -d ${family === 4 ? '8.0.0.0/8' : '2001:db8:f::/48'} -m conntrack --ctstate NEW
COMMIT
`;

const HOSTS: Readonly<Record<string, HostGiven>> = {
  'by routes': { addresses: [INSIDE, OUTSIDE], routes: [ROUTES] },
  'by routes, and what none takes leaves by --out': { addresses: [INSIDE, OUTSIDE], routes: [ROUTES.slice(1)], out: 'eth1' },
  'all that is forwarded': { addresses: [INSIDE, OUTSIDE], routes: [ROUTES], forward: true, in: 'eth0', out: 'eth1' },
};

async function expectAgreement(family: Family, given: HostGiven, packets: readonly Uint8Array[]): Promise<void> {
  const rules = { [family]: RULES(family) };
  const frames = packets.map((bytes, i) => frameOf(bytes, i));
  // The bench gives a router that forwards everything no addresses.
  const alter = (job: KernelJob): KernelJob => (given.forward === true ? { ...job, local: LOCAL } : job);
  for (const backend of ['legacy', 'nft'] as const) {
    const found = await differences(backend, { rules, host: buildHost(given), frames, lists: true, alter }, WITNESSES);
    expect(Object.fromEntries(found), backend).toEqual(Object.fromEntries([...found.keys()].map((name) => [name, []])));
  }
}

describe.each(WITNESSES)('gateways, $name', (witness) => {
  test.each(Object.entries(HOSTS))('%s: what connections come from', async (_, given) => {
    const frames = Object.keys(SOURCES).map((to, i) => frameOf(udp(`10.0.0.5 ${i + 1}`, `${to} 53`), i));
    const { memory } = await witness.replay(jobOf(RULES(4), given), frames);
    const told = memory.connections(frames.at(-1)!.time).map(({ reply }) => [reply.source.address, reply.destination.address]);
    expect(Object.fromEntries(told)).toEqual(
      given.out === undefined || given.forward ? SOURCES : { ...SOURCES, '8.8.8.8': '203.0.113.1' },
    );
  });
});

describeKernel('gateways', () => {
  test.each(Object.entries(HOSTS))('%s', { timeout: 60_000 }, async (_, given) => {
    const packets = Object.keys(SOURCES).flatMap((to, i) => [udp(`10.0.0.5 ${i + 1}`, `${to} 53`), ping(`10.0.0.${6 + i}`, to)]);
    await expectAgreement(4, given, packets);
  });

  test("the host's own packets, broadcasts and groups among them", { timeout: 60_000 }, async () => {
    const to = [...Object.keys(SOURCES), '198.51.100.255', '255.255.255.255', '224.0.0.9', '239.1.2.3'];
    await expectAgreement(
      4,
      HOSTS['by routes']!,
      to.map((address, i) => udp(`10.0.0.254 ${i + 1}`, `${address} 53`)),
    );
  });

  test('IPv6 takes what is like the destination, whatever the gateway', { timeout: 60_000 }, async () => {
    const inet6 = (ifname: string, ...locals: string[]) => ({
      ifname,
      addr_info: locals.map((local) => ({ family: 'inet6', local, prefixlen: 64 })),
    });
    const given = {
      addresses: [inet6('eth0', 'fd00::1'), inet6('eth1', '2001:db8:1::1', '2001:db8:2::1')],
      routes: [
        [
          { dst: 'default', gateway: '2001:db8:1::fe', dev: 'eth1' },
          { dst: '2001:db8:f::/48', gateway: 'fe80::1', dev: 'eth1' },
        ],
      ],
    };
    const to = ['2001:db8:2:1::9', '2001:db8:f::9', '3000::1', '2001:db8:1::9'];
    await expectAgreement(
      6,
      given,
      to.map((address, i) => udp(`fd00::5 ${i + 1}`, `${address} 53`)),
    );
  });
});
