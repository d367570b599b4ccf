/** What arrives for a group that one device has joined (`ip -j maddr`), and another has not: judged by the running kernel. */
import { expect, test } from 'vitest';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { parseAddress } from '../../src/model/address.ts';
import type { Host } from '../../src/model/host.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Frame } from '../../src/model/witness.ts';
import { differences } from './differential.ts';
import { describeKernel } from './machine.ts';
import { WITNESSES } from './witnesses.ts';

const HOST = buildHost({
  addresses: [
    {
      ifname: 'eth0',
      addr_info: [
        { family: 'inet', local: '192.0.2.1', prefixlen: 24 },
        { family: 'inet6', local: '2001:db8:1::1', prefixlen: 64 },
      ],
    },
    {
      ifname: 'eth1',
      addr_info: [
        { family: 'inet', local: '198.51.100.1', prefixlen: 24 },
        { family: 'inet6', local: '2001:db8:2::1', prefixlen: 64 },
      ],
    },
  ],
  groups: [
    {
      ifname: 'eth0',
      maddr: [
        { link: '01:00:5e:00:00:fb' },
        { family: 'inet', address: '224.0.0.251' },
        { family: 'inet', address: '239.1.2.3' },
        { family: 'inet6', address: 'ff02::fb' },
        { family: 'inet6', address: 'ff15::7' },
      ],
    },
    { ifname: 'eth1', maddr: [{ family: 'inet', address: '239.4.5.6' }] },
  ],
});

const UDP = 17;
const IGMP = 2;
const TO = {
  4: ['224.0.0.1', '224.0.0.251', '239.1.2.3', '239.4.5.6', '239.9.9.9'],
  6: ['ff02::1', 'ff02::fb', 'ff15::7', 'ff02::6'],
};
const FROM = {
  4: ['192.0.2.7', '198.51.100.7', '203.0.113.9', '0.0.0.0', '192.0.2.1', '127.0.0.1'],
  6: ['2001:db8:1::7', 'fe80::9', '::'],
};

const FRAMES: Frame[] = ([4, 6] as const).flatMap((family) =>
  ['eth0', 'eth1'].flatMap((device) =>
    FROM[family].flatMap((source) =>
      TO[family].flatMap((destination, at) =>
        (family === 4 ? [UDP, IGMP] : [UDP]).map((protocol) => arriving({ family, source, destination, protocol }, device, at)),
      ),
    ),
  ),
);

const ROUTERS = ['ff02::2', 'ff05::2', 'ff01::2'];
/** What "ip -j maddr" prints of a device with IPv6 has ff02::1, and is whole. */
const LISTENER: Host = {
  ...HOST,
  groups: ['ff02::1', 'ff02::2', 'ff05::2'].flatMap((name) =>
    ['eth0', ...(name === 'ff02::1' ? ['eth1'] : [])].map((device) => ({ family: 6, address: parseAddress(name, 6)!, device })),
  ),
};
const TO_ROUTERS: Frame[] = ['eth0', 'eth1'].flatMap((device) =>
  ROUTERS.flatMap((destination, at) =>
    FROM[6].slice(0, 2).map((source) => arriving({ family: 6, source, destination, protocol: UDP }, device, at)),
  ),
);

function arriving(
  ends: { family: 4 | 6; source: string; destination: string; protocol: number },
  device: string,
  at: number,
): Frame {
  const bytes = usualPacket(ends, ends.protocol === UDP ? udpDatagram(1000 + at, 5353, 4) : new Uint8Array(8));
  return { time: 0n, linktype: 101, bytes, wire: bytes.length, interfaceName: device, direction: 'in' };
}

const CHAINS = ['PREROUTING', 'INPUT', 'FORWARD'] as const;
const STATES = ['NEW', 'ESTABLISHED', 'INVALID', 'UNTRACKED'];
const rulesOf = (groups: readonly string[]): string => {
  const asked = CHAINS.flatMap((chain) => [
    ...groups.map((group) => `-A ${chain} -d ${group}`),
    ...STATES.map((state) => `-A ${chain} -m conntrack --ctstate ${state}`),
    `-A ${chain} -m conntrack --ctstatus CONFIRMED`,
  ]);
  return ['*mangle', ...CHAINS.map((chain) => `:${chain} ACCEPT [0:0]`), ...asked, 'COMMIT', ''].join('\n');
};

describeKernel('groups that devices have joined', () => {
  for (const backend of ['legacy', 'nft'] as const) {
    test(`as the kernel (${backend})`, { timeout: 60_000 }, async () => {
      const rules = { 4: rulesOf(TO[4]), 6: rulesOf(TO[6]) };
      const found = await differences(backend, { rules, host: HOST, frames: FRAMES, lists: true }, WITNESSES);
      for (const [witness, lines] of found) expect.soft(lines.slice(0, 8), witness).toEqual([]);
    });

    test(`all routers, of a host that is none: one device's program has joined (${backend})`, { timeout: 60_000 }, async () => {
      const sysctls = { 'net.ipv6.conf.all.forwarding': 0 };
      const found = await differences(
        backend,
        { rules: { 6: rulesOf(ROUTERS) }, host: LISTENER, frames: TO_ROUTERS, sysctls },
        WITNESSES,
      );
      for (const [witness, lines] of found) expect.soft(lines.slice(0, 8), witness).toEqual([]);
    });
  }
});
