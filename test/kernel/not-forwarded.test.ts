/** Errors of the stack about packets that it does not forward, in the capture: RELATED with the connection of that packet, which never comes to be, as the running kernel has it. */
import { expect, it } from 'vitest';
import { fillChecksum, icmpMessage, ipPacket, usualFields } from '../../src/fuzz/build-packet.ts';
import type { HostGiven } from '../../src/model/host-build.ts';
import { ping, SYN, tcp, udp } from '../reference/build.ts';
import { describeKernel } from './machine.ts';
import { agree, counted, FAR, FIREWALL, INVALID, own, PEER, RELATED, rulesOf } from './refused.ts';

const ICMP = { 4: 1, 6: 58 } as const;
const DONT_FRAGMENT = 0x4000;
const MTU = 1300;

type Kind = 'exceeded' | 'unreachable' | 'prohibited' | 'too big';
/** Type, code and what stands behind the checksum. */
const ERRORS: Record<4 | 6, Record<Kind, readonly [number, number, number]>> = {
  4: { exceeded: [11, 0, 0], unreachable: [3, 1, 0], prohibited: [3, 13, 0], 'too big': [3, 4, MTU] },
  6: { exceeded: [3, 0, 0], unreachable: [1, 0, 0], prohibited: [1, 1, 0], 'too big': [2, 0, MTU] },
};

/** Behind eth1 everything, but for networks from which nothing comes back. */
function hostOf(family: 4 | 6): HostGiven {
  const [nets, name, prefixlen] =
    family === 4
      ? [['10.7.1.0/24', '10.7.2.0/24', '10.7.3.0/24', '10.1.0.0/16'], 'inet', 24]
      : [['2001:db8:71::/64', '2001:db8:72::/64', '2001:db8:73::/64', '2001:db8:1::/64'], 'inet6', 64];
  const address = { family: name, local: FIREWALL[family], prefixlen };
  return {
    addresses: [
      { ifname: 'eth0', mtu: 1500, addr_info: [address] },
      { ifname: 'eth1', mtu: MTU, addr_info: [] },
    ],
    routes: [
      [
        { dst: nets[0], type: 'unreachable' },
        { dst: nets[1], type: 'prohibit' },
        { dst: nets[2], type: 'blackhole' },
        { dst: nets[3], dev: 'eth1' },
        { dst: 'default', dev: 'eth0' },
      ],
    ],
    in: 'eth0',
  };
}

function errorAbout(refused: Uint8Array, family: 4 | 6, kind: Kind): Uint8Array {
  const most = family === 4 ? 576 - 28 : 1280 - 48;
  const message = icmpMessage(...ERRORS[family][kind], refused.subarray(0, most));
  const [source, destination] = [FIREWALL[family], PEER[family]];
  const tos = family === 4 ? 0xc0 : 0;
  const fields = { ...usualFields({ family, source, destination, protocol: ICMP[family] }), tos, id: 0 };
  fillChecksum(message, 2, fields);
  return ipPacket(fields, message);
}

describeKernel('what the stack does not forward', () => {
  for (const family of [4, 6] as const) {
    const [peer, far] = [PEER[family], FAR[family]];

    it(`IPv${family}: the time of a packet is exceeded`, async () => {
      const ttl = 1;
      const lost = [
        tcp(`${peer} 5000`, `${far} 80`, SYN, { ttl }),
        udp(`${peer} 5000`, `${far} 53`, { ttl }),
        ping(peer, far, { ttl }),
        // Nobody sums up what is only reported by the stack.
        udp(`${peer} 5001`, `${far} 53`, { ttl, badChecksum: true }),
      ];
      const packets = lost.flatMap((one) => [one, errorAbout(one, family, 'exceeded')]);
      const outcomes = await agree(rulesOf(['-A FORWARD -j DROP']), packets, { family, sysctls: { nf_conntrack_checksum: 0 } });
      expect(own(outcomes)).toEqual([
        [2, 4, 6, 8],
        [2, 4, 6, 8],
      ]);
      expect(counted(outcomes, RELATED)).toEqual([4, 4]);
      expect(counted(outcomes, INVALID)).toEqual([0, 0]);
    });

    it(`IPv${family}: no way leads there, or none for what is so big; a blackhole tells nobody`, async () => {
      const to = (net: number): string => (family === 4 ? `10.7.${net}.9` : `2001:db8:7${net}::9`);
      const lost: [Uint8Array, Kind][] = [
        [udp(`${peer} 5000`, `${to(1)} 53`), 'unreachable'],
        [udp(`${peer} 5000`, `${to(2)} 53`), 'prohibited'],
        [udp(`${peer} 5000`, `${far} 53`, { data: 1400, fragment: DONT_FRAGMENT }), 'too big'],
        [udp(`${peer} 5000`, `${to(3)} 53`), 'unreachable'],
      ];
      const packets = lost.flatMap(([one, kind]) => [one, errorAbout(one, family, kind)]);
      const outcomes = await agree(rulesOf(['-A FORWARD -j DROP']), packets, { family, host: hostOf(family) });
      expect(own(outcomes)).toEqual([
        [2, 4, 6],
        [2, 4, 6],
      ]);
      expect(counted(outcomes, RELATED)).toEqual([3, 3]);
      expect(counted(outcomes, INVALID)).toEqual([1, 1]);
    });
  }
});
