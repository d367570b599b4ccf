/** The rpfilter match, IPv4 and IPv6, with all its options, by every pair of source, destination and device, judged by the running kernel. */
import { expect, test } from 'vitest';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Frame } from '../../src/model/witness.ts';
import { differences } from './differential.ts';
import { describeKernel } from './machine.ts';
import { WITNESSES } from './witnesses.ts';

/** eth2 has no address; the kernel's own link-local addresses are not in the model, so nothing is sent from their network but from where a route leads there. */
const HOST = buildHost({
  addresses: [
    {
      ifname: 'eth0',
      addr_info: [
        { family: 'inet', local: '192.0.2.1', prefixlen: 24 },
        { family: 'inet6', local: '2001:db8:0:1::1', prefixlen: 64 },
      ],
    },
    {
      ifname: 'eth1',
      addr_info: [
        { family: 'inet', local: '198.51.100.1', prefixlen: 24 },
        { family: 'inet6', local: '2001:db8:0:2::1', prefixlen: 64 },
      ],
    },
    { ifname: 'eth2', addr_info: [] },
  ],
  routes: [
    [
      { dst: '203.0.113.0/24', dev: 'eth1' },
      { dst: '203.0.113.64/26', dev: 'eth2' },
      { dst: '203.0.113.128/26', type: 'unreachable' },
      { dst: '203.0.113.192/26', type: 'throw' },
      { dst: '198.18.0.0/15', dev: 'eth0', metric: 20 },
      { dst: '198.18.0.0/15', dev: 'eth1', metric: 10 },
    ],
    [
      { dst: '2001:db8:1::/48', dev: 'eth1' },
      { dst: '2001:db8:1:1::/64', dev: 'eth2' },
      { dst: '2001:db8:1:2::/64', type: 'unreachable' },
      { dst: '2001:db8:1:3::/64', type: 'blackhole' },
      { dst: '2001:db8:2::/48', dev: 'eth0', metric: 2000 },
      { dst: '2001:db8:2::/48', dev: 'eth1', metric: 1000 },
    ],
  ],
});
const ENDS: Record<Family, readonly string[]> = {
  4: [
    '192.0.2.1',
    '192.0.2.9',
    '192.0.2.255',
    '198.51.100.1',
    '198.51.100.7',
    '203.0.113.9',
    '203.0.113.70',
    '203.0.113.130',
    '203.0.113.200',
    '198.18.5.5',
    '8.8.8.8',
    '127.0.0.1',
    '0.0.0.0',
    '0.0.0.9',
    '224.0.0.1',
    '239.1.1.1',
    '255.255.255.255',
  ],
  6: [
    '2001:db8:0:1::1',
    '2001:db8:0:1::9',
    '2001:db8:0:2::1',
    '2001:db8:0:2::9',
    '2001:db8:1::9',
    '2001:db8:1:1::9',
    '2001:db8:1:2::9',
    '2001:db8:1:3::9',
    '2001:db8:2::9',
    '2001:db8:ffff::9',
    '::',
    'ff02::1',
  ],
};
const DEVICES = ['eth0', 'eth1', 'eth2'];
const OPTIONS = [
  '',
  '--loose',
  '--accept-local',
  '--validmark',
  '--loose --accept-local',
  '--invert',
  '--loose --invert --accept-local',
];

function datagram(family: Family, source: string, destination: string, device: string, index: number): Frame {
  const bytes = usualPacket({ family, source, destination, protocol: 17 }, udpDatagram(1000 + (index % 60000), 53, 4));
  return { time: BigInt(index), linktype: 101, bytes, wire: bytes.length, interfaceName: device, direction: 'in' };
}

const framesOf = (family: Family): Frame[] =>
  DEVICES.flatMap((device) =>
    ENDS[family].flatMap((source) =>
      // Of destinations only their kind matters.
      ENDS[family]
        .filter((_, index) => family === 4 || index % 4 === 0)
        .map((destination) => [source, destination, device] as const),
    ),
  ).map(([source, destination, device], index) => datagram(family, source, destination, device, index));

const RULES = `*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${OPTIONS.flatMap((options) =>
  DEVICES.map((device) => `-A PREROUTING -i ${device} -m rpfilter ${options}`.trim()),
).join('\n')}\nCOMMIT\n*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m rpfilter --invert -j DROP\nCOMMIT\n`;

describeKernel('rpfilter', () => {
  for (const backend of ['legacy', 'nft'] as const)
    for (const family of [4, 6] as const)
      test(`IPv${family}, ${backend}`, { timeout: 120_000 }, async () => {
        const given = { rules: { [family]: RULES }, host: HOST, frames: framesOf(family) };
        const found = await differences(backend, given, WITNESSES);
        for (const [witness, lines] of found) expect.soft(lines.slice(0, 10), witness).toEqual([]);
      });
});
