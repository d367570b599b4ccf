/** The source of what arrives, by device: rp_filter and send_redirects of `all`, of the device and of both, judged by the running kernel. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Frame } from '../../src/model/witness.ts';
import { SEED } from '../seed.ts';
import { differences } from './differential.ts';
import { describeKernel } from './machine.ts';
import { WITNESSES } from './witnesses.ts';

/** eth2 has no address. */
const HOST = buildHost({
  addresses: [
    { ifname: 'eth0', addr_info: [{ family: 'inet', local: '192.0.2.1', prefixlen: 24 }] },
    { ifname: 'eth1', addr_info: [{ family: 'inet', local: '198.51.100.1', prefixlen: 24 }] },
    { ifname: 'eth2', addr_info: [] },
  ],
  routes: [
    [
      { dst: '203.0.113.0/24', dev: 'eth1' },
      { dst: '203.0.113.64/26', dev: 'eth2' },
      { dst: '203.0.113.128/26', type: 'unreachable' },
      { dst: '203.0.113.192/26', type: 'blackhole' },
    ],
  ],
});
const ENDS = [
  '192.0.2.1',
  '192.0.2.9',
  '192.0.2.255',
  '198.51.100.1',
  '198.51.100.7',
  '198.51.100.255',
  '203.0.113.9',
  '203.0.113.70',
  '203.0.113.130',
  '203.0.113.200',
  '8.8.8.8',
  '127.0.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
];
const DEVICES = ['eth0', 'eth1', 'eth2'];

function datagram(source: string, destination: string, device: string, index: number): Frame {
  const bytes = usualPacket({ family: 4, source, destination, protocol: 17 }, udpDatagram(1000 + index, 53, 4));
  return { time: BigInt(index), linktype: 101, bytes, wire: bytes.length, interfaceName: device, direction: 'in' };
}

/** Every pair of ends at every device. */
const FRAMES = DEVICES.flatMap((device) =>
  ENDS.flatMap((source) => ENDS.map((destination) => [source, destination, device] as const)),
).map(([source, destination, device], index) => datagram(source, destination, device, index));

const filter = fc.constantFrom(0, 0, 1, 2);
const switches = fc.record({
  'net.ipv4.conf.all.rp_filter': filter,
  'net.ipv4.conf.eth0.rp_filter': filter,
  'net.ipv4.conf.eth1.rp_filter': filter,
  'net.ipv4.conf.eth2.rp_filter': filter,
  'net.ipv4.conf.all.send_redirects': fc.constantFrom(0, 0, 1),
  'net.ipv4.conf.eth0.send_redirects': fc.constantFrom(0, 1),
  'net.ipv4.conf.eth1.send_redirects': fc.constantFrom(0, 1),
  'net.ipv4.conf.eth2.send_redirects': fc.constantFrom(0, 1),
});
const RULES =
  '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n-A INPUT -i eth0\n-A FORWARD -i eth0\n-A FORWARD -o eth2\nCOMMIT\n';

describeKernel('reverse path filters by device', () => {
  for (const [index, sysctls] of fc.sample(switches, { seed: SEED, numRuns: 12 }).entries()) {
    test(`as the kernel (seed ${SEED}, ${index}): ${JSON.stringify(sysctls)}`, { timeout: 60_000 }, async () => {
      const backend = index % 2 === 0 ? 'legacy' : 'nft';
      const found = await differences(backend, { rules: { 4: RULES }, host: HOST, frames: FRAMES, sysctls }, WITNESSES);
      for (const [witness, lines] of found) expect.soft(lines.slice(0, 10), witness).toEqual([]);
    });
  }
});
