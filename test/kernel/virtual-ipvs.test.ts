/** -m ipvs of packets that the load balancer sends on: a kernel that has IPVS (6.1) against what annotations tell. */
import { expect, test } from 'vitest';
import { tcpSegment, udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import type { Annotation, Balanced } from '../../src/model/annotations.ts';
import { describeVirtual } from './machine.ts';
import { differencesOf, judgeVirtual, type VirtualCase } from './virtual-differential.ts';

const FIRST = 1_700_000_000_000_000_000n;
const [HOST, SERVICE, SERVER, OTHER] = ['10.9.0.1', '192.0.2.50', '192.0.2.60', '192.0.2.70'];
const [TCP, UDP] = [6, 17];

/** What each service is, and what a packet to it is told to be. */
const SERVICES: readonly { words: readonly string[][]; told: Balanced }[] = [
  {
    words: [
      ['-A', '-t', `${SERVICE}:80`, '-s', 'rr'],
      ['-a', '-t', `${SERVICE}:80`, '-r', `${SERVER}:8080`, '-m'],
    ],
    told: { vaddr: [0xc0000232], vport: 80, vmethod: 'MASQ' },
  },
  {
    words: [
      ['-A', '-u', `${SERVICE}:53`, '-s', 'rr'],
      ['-a', '-u', `${SERVICE}:53`, '-r', `${SERVER}:53`, '-g'],
    ],
    told: { vaddr: [0xc0000232], vport: 53, vmethod: 'GATE' },
  },
  {
    // Persistent: a template controls its connections.
    words: [
      ['-A', '-t', `${SERVICE}:81`, '-s', 'rr', '-p', '300'],
      ['-a', '-t', `${SERVICE}:81`, '-r', `${SERVER}:8081`, '-m'],
    ],
    told: { vaddr: [0xc0000232], vport: 81, vmethod: 'MASQ', vportctl: 81 },
  },
];

const both = (options: readonly string[]): string[] => options.flatMap((one) => [`--${one}`, `! --${one}`]);
const ASKED = [
  ...both(['ipvs', 'vproto tcp', 'vproto udp', 'vproto icmp', `vaddr ${SERVICE}`, 'vaddr 192.0.2.0/24', `vaddr ${SERVER}`]),
  ...both(['vport 80', 'vport 8080', 'vport 81', 'vmethod MASQ', 'vmethod GATE', 'vmethod IPIP', 'vportctl 81', 'vportctl 80']),
  ...['--vdir ORIGINAL', '--vdir REPLY', '--ipvs --vproto tcp --vport 80', '--vproto udp ! --vmethod MASQ'],
  `--vaddr ${SERVICE} ! --vport 80 --vmethod MASQ --vportctl 81`,
];

const segment = (destinationPort: number): Uint8Array =>
  tcpSegment({
    sourcePort: 4000,
    destinationPort,
    sequence: 1,
    acknowledged: 0,
    flags: 2,
    window: 1000,
    options: new Uint8Array(0),
    data: 0,
  });
/** The last two are nobody's: another port, another address. */
const PACKETS: readonly [destination: string, protocol: number, transport: Uint8Array, told: Annotation][] = [
  [SERVICE, TCP, segment(80), { ipvs: SERVICES[0]!.told }],
  [SERVICE, UDP, udpDatagram(4000, 53, 4), { ipvs: SERVICES[1]!.told }],
  [SERVICE, TCP, segment(81), { ipvs: SERVICES[2]!.told }],
  [SERVICE, TCP, segment(82), {}],
  [OTHER, TCP, segment(80), {}],
];
const GIVEN: VirtualCase = {
  name: 'ipvs',
  local: HOST,
  rules: `*mangle\n:POSTROUTING ACCEPT\n${ASKED.map((asked) => `-A POSTROUTING -m ipvs ${asked}`).join('\n')}\nCOMMIT\n`,
  packets: PACKETS.map(([destination, protocol, transport], index) => ({
    time: FIRST + BigInt(index) * 1_000_000_000n,
    bytes: usualPacket({ family: 4, source: HOST, destination, protocol }, transport),
  })),
  beforehand: SERVICES.flatMap(({ words }) => words.map((argv) => ({ argv: ['ipvsadm', ...argv] }))),
  annotations: new Map(PACKETS.map(([, , , told], index) => [index + 1, told])),
};

describeVirtual(
  '6.1',
  'ipvs',
  () => {
    test('what is sent on to a server', { timeout: 120_000 }, async () => {
      const judged = await judgeVirtual('6.1', [GIVEN]);
      // The balancer sends a packet anew: it meets OUTPUT a second time.
      const again =
        /mangle OUTPUT policy:|path after mangle:OUTPUT:policy:1 \(1\): legacy mangle:OUTPUT:policy:1 mangle:POSTROUTING/;
      const all = judged.map((one) => ({ ...one, differences: one.differences.filter((line) => !again.test(line)) }));
      expect(differencesOf(all)).toEqual([]);
      const { rules } = judged[0]!.outcome.counters.mangle!.POSTROUTING!;
      expect(rules.slice(0, 2).map(({ packets }) => packets)).toEqual([3, 2]);
      expect(rules.filter(({ packets }) => packets === 0).length).toBeGreaterThan(5);
    });
  },
  'ipvsadm',
);
