/** Every field of `-m conntrack`, plain and inverted, seen true and seen false: by the running kernel under both backends, the reference and the engine. */
import { expect, test } from 'vitest';
import { icmpMessage, tcpSegment, udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { describeKernel } from './machine.ts';
import { differencesOf, judgeVirtual, type SentPacket, type VirtualCase } from './virtual-differential.ts';

const MILLISECOND = 1_000_000n;
const NOW = 1_700_000_000_000n * MILLISECOND;
const [FIN, SYN, ACK] = [1, 2, 16];

const ADDRESSES = {
  4: { client: '10.1.0.1', server: '192.0.2.1', other: '192.0.2.77' },
  6: { client: '2001:db8:1::1', server: '2001:db8:2::1', other: '2001:db8:2::77' },
} as const;
type End = keyof (typeof ADDRESSES)[4];

function packet(family: Family, from: End, to: End, protocol: number, transport: Uint8Array): Uint8Array {
  const [source, destination] = [ADDRESSES[family][from], ADDRESSES[family][to]];
  return usualPacket({ family, source, destination, protocol }, transport);
}

type Ports = [source: number, destination: number];

const tcp = (
  family: Family,
  from: End,
  to: End,
  [sourcePort, destinationPort]: Ports,
  flags: number,
  [sequence, acknowledged]: [number, number],
) => {
  const segment = {
    sourcePort,
    destinationPort,
    sequence,
    acknowledged,
    flags,
    window: 8192,
    options: new Uint8Array(0),
    data: 0,
  };
  return packet(family, from, to, 6, tcpSegment(segment));
};

const udp = (family: Family, from: End, to: End, ports: Ports, data = new Uint8Array(8)) => {
  const datagram = udpDatagram(...ports, data.length);
  datagram.set(data, 8);
  return packet(family, from, to, 17, datagram);
};

/** A connection that becomes ASSURED, one without answer, two that are translated, one that is expected, an error, and what is INVALID or not tracked. */
function traffic(family: Family): SentPacket[] {
  const asked = udp(family, 'client', 'server', [1053, 53]);
  const error = icmpMessage(family === 4 ? 3 : 1, family === 4 ? 1 : 0, 0, asked);
  const read = Uint8Array.of(0, 1, ...Buffer.from('file\0octet\0'));
  const all = [
    tcp(family, 'client', 'server', [1080, 80], SYN, [100, 0]),
    tcp(family, 'server', 'client', [80, 1080], SYN | ACK, [500, 101]),
    tcp(family, 'client', 'server', [1080, 80], ACK, [101, 501]),
    tcp(family, 'server', 'client', [80, 1080], ACK, [501, 101]),
    tcp(family, 'client', 'server', [1080, 80], ACK, [101, 501]),
    asked,
    packet(family, 'server', 'client', family === 4 ? 1 : 58, error),
    udp(family, 'client', 'server', [1088, 8080]),
    udp(family, 'other', 'client', [8080, 1088]),
    udp(family, 'client', 'server', [1089, 8081]),
    udp(family, 'client', 'server', [1069, 69], read),
    udp(family, 'server', 'client', [4000, 1069]),
    tcp(family, 'client', 'server', [1081, 80], SYN | FIN, [100, 0]),
    udp(family, 'client', 'server', [1099, 9999]),
  ];
  return all.map((bytes, i) => ({ time: NOW + BigInt(i) * 10n * MILLISECOND, bytes }));
}

/** Each is true for some of the packets and false for others; so is its inversion. */
function fields(family: Family): string[] {
  const { client, server } = ADDRESSES[family];
  return [
    ...['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED', 'SNAT', 'DNAT', 'NEW,RELATED'].map(
      (state) => `--ctstate ${state}`,
    ),
    '--ctproto 6',
    `--ctorigsrc ${client}`,
    `--ctorigdst ${server}`,
    `--ctreplsrc ${server}`,
    `--ctrepldst ${client}`,
    '--ctorigsrcport 1080',
    '--ctorigdstport 50:80',
    '--ctreplsrcport 53',
    '--ctrepldstport 1050:1080',
    ...['EXPECTED', 'SEEN_REPLY', 'ASSURED', 'CONFIRMED', 'SEEN_REPLY,EXPECTED'].map((status) => `--ctstatus ${status}`),
    '--ctexpire 20:40',
    '--ctdir ORIGINAL',
    '--ctdir REPLY',
  ];
}

/** The inversion of a direction is the other one: iptables has no `! --ctdir`. */
const rulesFor = (family: Family): string[] =>
  fields(family).flatMap((field) => (field.startsWith('--ctdir') ? [field] : [field, `! ${field}`]));

/** Never true, and true for whatever has a connection. */
const NONE = ['--ctstatus NONE', '! --ctstatus NONE'] as const;

function caseOf(family: Family, backend: 'legacy' | 'nft'): VirtualCase {
  const { other } = ADDRESSES[family];
  const far = family === 4 ? '198.51.100.9' : '2001:db8:9::9';
  const rules = [
    '*raw',
    ':PREROUTING ACCEPT [0:0]',
    '-A PREROUTING -p udp --dport 9999 -j CT --notrack',
    '-A PREROUTING -p udp --dport 69 -j CT --helper tftp',
    'COMMIT',
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    `-A PREROUTING -p udp --dport 8080 -j DNAT --to-destination ${other}`,
    `-A POSTROUTING -p udp --dport 8081 -j SNAT --to-source ${far}`,
    'COMMIT',
    '*mangle',
    ':FORWARD ACCEPT [0:0]',
    ...[...rulesFor(family), ...NONE].map((field) => `-A FORWARD -m conntrack ${field}`),
    'COMMIT\n',
  ].join('\n');
  const packets = traffic(family);
  // FORWARD sees the source translated when the connection's second packet comes.
  const again = { time: packets.at(-1)!.time + 10n * MILLISECOND, bytes: udp(family, 'client', 'server', [1089, 8081]) };
  return { name: `IPv${family} ${backend}`, family, backend, rules, packets: [...packets, again] };
}

describeKernel('conntrack', () => {
  test('has every field true and false, plain and inverted', { timeout: 120_000 }, async () => {
    const cases = ([4, 6] as const).flatMap((family) => (['legacy', 'nft'] as const).map((backend) => caseOf(family, backend)));
    const judged = await judgeVirtual('6.18', cases);
    expect(differencesOf(judged)).toEqual([]);
    for (const { case: given, outcome } of judged) {
      const counters = outcome.counters.mangle!.FORWARD!.rules.map(({ packets }) => packets);
      const asked = rulesFor(given.family!);
      const oneSided = asked.filter((_, i) => counters[i] === 0 || counters[i] === given.packets.length);
      expect(oneSided, given.name).toEqual([]);
      expect(counters[asked.length], NONE[0]).toBe(0);
      expect(counters[asked.length + 1], NONE[1]).toBeGreaterThan(0);
    }
  });
});
