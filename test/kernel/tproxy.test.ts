/** TPROXY with sockets that listen: the running kernel has them, the witnesses are told of them by the host model. */
import { expect, test } from 'vitest';
import { tcpSegment, udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Frame } from '../../src/model/witness.ts';
import { judge } from './differential.ts';
import { describeKernel } from './machine.ts';
import { WITNESSES } from './witnesses.ts';

interface Place {
  /** First and second address of the device where packets come in. */
  own: readonly [string, string];
  prefix: number;
  client: string;
  server: string;
  /** With brackets where ports follow. */
  quoted(address: string): string;
}
const PLACES: Record<Family, Place> = {
  4: { own: ['10.9.0.1', '10.9.1.1'], prefix: 24, client: '10.9.0.2', server: '198.51.100.7', quoted: (address) => address },
  6: {
    own: ['2001:db8:9::1', '2001:db8:9:1::1'],
    prefix: 64,
    client: '2001:db8:9::2',
    server: '2001:db8:77::7',
    quoted: (address) => `[${address}]`,
  },
};

const TCP = 6;
const UDP = 17;
/** A port for each thing that is tried. */
const PORTS = [80, 81, 82, 83, 84, 85, 86, 87, 88, 3129, 4000] as const;

const segment = (sourcePort: number, destinationPort: number, flags: number): Uint8Array =>
  tcpSegment({
    sourcePort,
    destinationPort,
    sequence: 1,
    acknowledged: 0,
    flags,
    window: 1000,
    options: new Uint8Array(0),
    data: 0,
  });

/** Of each port a SYN, an ACK to nobody, and a datagram; and headers that are cut. */
function framesOf(family: Family): Frame[] {
  const { client, server, own } = PLACES[family];
  const to = (destination: string, protocol: number, bytes: Uint8Array): Uint8Array =>
    usualPacket({ family, source: client, destination, protocol }, bytes);
  const packets = [server, own[0]].flatMap((destination) =>
    PORTS.flatMap((port, index) => [
      to(destination, TCP, segment(40_000 + index, port, 0x02)),
      to(destination, TCP, segment(41_000 + index, port, 0x10)),
      to(destination, UDP, udpDatagram(42_000 + index, port, 4)),
    ]),
  );
  packets.push(
    to(server, TCP, segment(43_000, 80, 2).subarray(0, 19)),
    to(server, UDP, udpDatagram(43_001, 80, 0).subarray(0, 7)),
  );
  return packets.map((bytes, index) => ({ time: BigInt(index), linktype: 101, bytes, wire: bytes.length, direction: 'in' }));
}

function rulesOf(family: Family): string {
  const { own, server } = PLACES[family];
  const targets = [
    '--on-port 3129 --tproxy-mark 1',
    '--on-port 3129 --tproxy-mark 0x1/0x1',
    // No mark: it goes where it would have gone.
    '--on-port 3129',
    '--on-port 3128 --tproxy-mark 1',
    `--on-port 3130 --tproxy-mark 1`,
    `--on-port 3130 --on-ip ${own[1]} --tproxy-mark 1`,
    `--on-port 3131 --on-ip ${own[0]} --tproxy-mark 1`,
    `--on-port 3131 --tproxy-mark 1`,
    `--on-port 0 --on-ip ${server} --tproxy-mark 0x11/0x10`,
    '--on-port 0 --tproxy-mark 1',
  ];
  const lines = targets.flatMap((target, index) =>
    ['tcp', 'udp'].map((protocol) => `-A PREROUTING -p ${protocol} --dport ${PORTS[index]} -j TPROXY ${target}`),
  );
  return `*mangle
:PREROUTING ACCEPT
${lines.join('\n')}
-A PREROUTING -p udp --dport 4000 -j MARK --set-mark 1
COMMIT
*filter
:INPUT ACCEPT
:FORWARD ACCEPT
-A INPUT -m mark --mark 1
-A INPUT -m mark --mark 0
-A FORWARD -m mark --mark 1
-A FORWARD
COMMIT
`;
}

/** A later fragment of 11 bytes with more behind it, which defragmentation lets by as it is (RFC 8200: only the last may be odd). */
function oddFragment(destination: string, protocol: number, flowLabel: number): Uint8Array {
  const payload = Uint8Array.from([protocol, 0, 0x03, 0x21, 0, 0, 0, flowLabel & 255, ...new Array(11).fill(7)]);
  const bytes = usualPacket({ family: 6, source: PLACES[6].client, destination, protocol: 44 }, payload);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, 0x60000000 | flowLabel);
  return bytes;
}

describeKernel('TPROXY to sockets that listen', () => {
  // ipv6_find_hdr says nothing of where the header of a later fragment is: the IPv6 header is taken for it, and the flow label for the port.
  test('IPv6, later fragments', { timeout: 60_000 }, async () => {
    const { own, server } = PLACES[6];
    const labels = [0, 3129, 3130, 0x50c39];
    const frames = [server, own[0]].flatMap((destination) =>
      [TCP, UDP].flatMap((protocol) => labels.map((label) => oddFragment(destination, protocol, label))),
    );
    const rules = `*mangle
:PREROUTING ACCEPT
-A PREROUTING -p tcp -d ${server} -j TPROXY --on-port 3129 --tproxy-mark 1
-A PREROUTING -p tcp -j TPROXY --on-port 0 --tproxy-mark 1
-A PREROUTING -p udp -d ${server} -j TPROXY --on-port 0 --tproxy-mark 1
-A PREROUTING -p udp -j TPROXY --on-port 3129 --tproxy-mark 1
-A INPUT -m mark --mark 1
COMMIT
`;
    const host = buildHost({ local: [`${own[0]}/64@eth0`], out: 'eth1', proxies: ['tcp:3129', 'udp:3129'], localMark: '1/1' });
    const given = frames.map((bytes, index) => ({
      time: BigInt(index),
      linktype: 101,
      bytes,
      wire: bytes.length,
      direction: 'in' as const,
    }));
    const { found, outcome } = await judge('legacy', { rules: { 6: rules }, host, frames: given }, WITNESSES);
    for (const [witness, lines] of found) expect.soft(lines.slice(0, 10), witness).toEqual([]);
    const { PREROUTING, INPUT } = outcome.counters.mangle!;
    expect(PREROUTING!.rules.map(({ packets }) => packets)).toEqual([4, 4, 4, 4]);
    expect(INPUT!.rules[0]!.packets).toBeGreaterThan(0);
  });

  // Devices without addresses: the packet's own is the one that is wanted.
  for (const family of [4, 6] as const)
    test(`IPv${family}, a router`, { timeout: 60_000 }, async () => {
      const proxies = ['tcp:3129', 'udp:3129', `tcp:${PLACES[family].quoted(PLACES[family].server)}:3128`];
      const host = buildHost({ forward: true, in: 'eth0', out: 'eth1', proxies, localMark: '0x1' });
      const given = { rules: { [family]: rulesOf(family) }, host, frames: framesOf(family) };
      const { found, outcome } = await judge('legacy', given, WITNESSES);
      for (const [witness, lines] of found) expect.soft(lines.slice(0, 10), witness).toEqual([]);
      const { INPUT, FORWARD } = outcome.counters.filter!;
      expect(INPUT!.rules.map(({ packets }) => packets > 0)).toEqual([true, false]);
      expect(FORWARD!.rules.map(({ packets }) => packets > 0)).toEqual([false, true]);
    });

  for (const backend of ['legacy', 'nft'] as const)
    for (const family of [4, 6] as const)
      test(`IPv${family}, ${backend}`, { timeout: 60_000 }, async () => {
        const { own, prefix, server, quoted } = PLACES[family];
        const local = own.map((address) => `${address}/${prefix}@eth0`);
        const proxies = [
          'tcp:3129',
          'udp:3129',
          `tcp:${quoted(own[0])}:3130`,
          `udp:${quoted(own[1])}:3130`,
          `tcp:${quoted(own[1])}:3131`,
          `udp:${quoted(own[0])}:3131`,
          `tcp:${quoted(server)}:88`,
        ];
        const host = buildHost({ local, out: 'eth1', proxies, localMark: '1/1' });
        const { found, outcome } = await judge(
          backend,
          { rules: { [family]: rulesOf(family) }, host, frames: framesOf(family) },
          WITNESSES,
        );
        for (const [witness, lines] of found) expect.soft(lines.slice(0, 10), witness).toEqual([]);
        const { INPUT, FORWARD } = outcome.counters.filter!;
        for (const { packets } of [INPUT!.rules[0]!, INPUT!.rules[1]!, FORWARD!.rules[1]!]) expect(packets).toBeGreaterThan(0);
        expect(FORWARD!.rules[0]!.packets).toBe(0);
        // Given to a proxy without a mark, and not for this host: neither of them.
        expect(outcome.packets.filter(({ entered, hook }) => entered === true && hook === null).length).toBeGreaterThan(10);
      });
});
