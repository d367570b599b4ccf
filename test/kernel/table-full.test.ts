/** nf_conntrack_max on kernels that are alone in their machine: who is dropped when the table is full, and who is not. */
import { expect, test } from 'vitest';
import { icmpMessage, tcpSegment, udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { describeVirtual } from './machine.ts';
import { CHUNK, sctpPacket } from './sctp.ts';
import {
  differencesOf,
  type Judged,
  judgeLasting,
  judgeVirtual,
  type SentPacket,
  STATE_RULES,
  stateIn,
  type VirtualCase,
} from './virtual-differential.ts';

const MILLISECOND = 1_000_000n;
const SECOND = 1000n * MILLISECOND;
const NOW = 1_700_000_000n * SECOND;
const [SYN, RST, ACK] = [2, 4, 16];
/** Of buckets: so many that eight of them are empty, and the fewest there can be. */
const [MANY, FEW] = [262_144, 512];

/** From the client of that number, or to it. */
function packet(family: Family, client: number, protocol: number, transport: Uint8Array, answer = false): Uint8Array {
  const [inside, outside] =
    family === 4
      ? [`10.1.${client >> 8}.${client & 255}`, '192.0.2.1']
      : [`2001:db8:1::${(client + 1).toString(16)}`, '2001:db8:2::1'];
  const [source, destination] = answer ? [outside, inside] : [inside, outside];
  return usualPacket({ family, source, destination, protocol }, transport);
}

const tcp = (family: Family, client: number, flags: number, answer = false): Uint8Array => {
  const [sourcePort, destinationPort] = answer ? [80, 20_000] : [20_000, 80];
  const acknowledged = (flags & ACK) === 0 ? 0 : 1001;
  return packet(
    family,
    client,
    6,
    tcpSegment({
      sourcePort,
      destinationPort,
      sequence: 1000,
      acknowledged,
      flags,
      window: 8192,
      options: new Uint8Array(0),
      data: 0,
    }),
    answer,
  );
};

const udp = (family: Family, client: number, answer = false, lengthOff = 0): Uint8Array =>
  packet(family, client, 17, udpDatagram(...((answer ? [53, 30_000] : [30_000, 53]) as [number, number]), 8, lengthOff), answer);

const icmp = (family: Family, client: number, type: number, body = new Uint8Array(8)): Uint8Array =>
  packet(family, client, family === 4 ? 1 : 58, icmpMessage(type, 0, 7 * 65_536 + 1, body));

type At = [milliseconds: number, bytes: Uint8Array];

const sent = (steps: readonly At[]): SentPacket[] =>
  steps.map(([at, bytes]) => ({ time: NOW + BigInt(at) * MILLISECOND, bytes }));

const rules = (more = ''): string =>
  `*raw\n:PREROUTING ACCEPT [0:0]\n${more}-A PREROUTING -m mark --mark 0\nCOMMIT\n${STATE_RULES}`;

/** Three streams, ASSURED, fill a table of three; then whoever wants a fourth connection, and who does not. */
function assured(family: Family): VirtualCase {
  const streams = [1, 2, 3].flatMap((client): At[] => [
    [client * 20, udp(family, client)],
    [client * 20 + 200, udp(family, client, true)],
    [client * 20 + 3000, udp(family, client)],
  ]);
  const error = family === 4 ? 3 : 1;
  const foreign = family === 4 ? 58 : 1;
  const later: At[] = [
    tcp(family, 10, SYN),
    // INVALID where there is room.
    tcp(family, 11, 0),
    tcp(family, 12, SYN | ACK),
    udp(family, 13, false, 40),
    packet(family, 14, 132, sctpPacket('client', CHUNK.DATA, [20_000, 80], 1)),
    packet(family, 15, 132, sctpPacket('client', CHUNK.INIT, [20_000, 80])),
    packet(family, 16, 47, Uint8Array.of(0, 0, 8, 0, 1, 2, 3, 4)),
    packet(family, 17, 253, new Uint8Array(8)),
    icmp(family, 18, family === 4 ? 8 : 128),
    // An answer to nobody, and what has no answer.
    icmp(family, 19, family === 4 ? 0 : 129),
    icmp(family, 20, family === 4 ? 7 : 200),
    // ICMP of the other family: as a question, and as what has no answer.
    packet(family, 21, foreign, icmpMessage(family === 4 ? 128 : 8, 0, 1, new Uint8Array(8))),
    packet(family, 22, foreign, icmpMessage(family === 4 ? 3 : 7, 0, 1, new Uint8Array(8))),
    // Errors about a stream and about nothing.
    icmp(family, 1, error, new Uint8Array(udp(family, 1, true))),
    icmp(family, 23, error, new Uint8Array(udp(family, 24))),
    // What goes on, and what is not tracked.
    udp(family, 2, true),
    udp(family, 2),
    udp(family, 200),
  ].map((bytes, i): At => [4000 + i * 20, bytes]);
  // The streams' time was over more than a minute ago, and the collector has come.
  const over: At[] = [
    [200_000, udp(family, 1)],
    [200_020, tcp(family, 40, SYN)],
  ];
  const untracked = family === 4 ? '10.1.0.200' : '2001:db8:1::c9';
  return {
    name: `all ASSURED, IPv${family}`,
    family,
    rules: rules(`-A PREROUTING -s ${untracked} -j CT --notrack\n`),
    packets: sent([...streams, ...later, ...over].sort(([a], [b]) => a - b)),
    sysctls: { nf_conntrack_max: 3, nf_conntrack_buckets: FEW, nf_conntrack_udp_timeout_stream: 120 },
  };
}

/** Four half-open connections fill a table far smaller than its hash. */
function sparse(family: Family): VirtualCase {
  const steps: At[] = [
    ...[1, 2, 3, 4].map((client): At => [client * 20, tcp(family, client, SYN)]),
    [200, tcp(family, 5, SYN)],
    [220, udp(family, 6)],
    [240, tcp(family, 1, SYN)],
    // Refused: its connection is gone at once, and there is room for one.
    [260, tcp(family, 2, RST | ACK, true)],
    [280, udp(family, 6)],
    [300, udp(family, 7)],
  ];
  return {
    name: `nobody ASSURED, many buckets, IPv${family}`,
    family,
    rules: rules(),
    packets: sent(steps),
    sysctls: { nf_conntrack_max: 4, nf_conntrack_buckets: MANY },
  };
}

/** Half-open connections everywhere: there is always one that can go. */
function dense(): VirtualCase {
  const steps = Array.from({ length: 2020 }, (_, client): At => [client, tcp(4, client, SYN)]);
  return {
    name: 'nobody ASSURED, few buckets',
    rules: rules(),
    packets: sent(steps),
    sysctls: { nf_conntrack_max: 2000, nf_conntrack_buckets: FEW },
  };
}

/** What became of each packet: the state its rules saw, or that it never came to them. */
const fates = ({ outcome }: Judged): string[] => outcome.packets.map(({ path }) => stateIn(path) ?? 'dropped');

const count = (words: readonly string[], word: string): number => words.filter((one) => one === word).length;

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, 'a full table', () => {
    test('drops whoever wants a connection, INVALID or not, and lets go on who needs none', { timeout: 120_000 }, async () => {
      // Whether an entry can go hangs on where hashing puts it: with many buckets hardly ever, but sometimes.
      const unsure = await judgeLasting(kernel, [sparse(4), sparse(6)]);
      const judged = [...(await judgeVirtual(kernel, [assured(4), assured(6)])), ...unsure];
      expect(differencesOf(judged)).toEqual([]);
      for (const one of judged.slice(0, 2)) {
        const states = fates(one);
        expect(count(states, 'dropped')).toBeGreaterThan(10);
        expect(count(states, 'UNTRACKED')).toBe(1);
        expect(count(states, 'RELATED')).toBe(1);
        expect(count(states, 'INVALID')).toBe(3);
        expect(states.slice(-2)).toEqual(['NEW', 'NEW']);
      }
      for (const one of judged.slice(2)) {
        expect(fates(one)).toEqual([...Array(4).fill('NEW'), 'dropped', 'dropped', 'NEW', 'ESTABLISHED', 'NEW', 'dropped']);
      }
    });

    test('lets a connection begin where another one can go', { timeout: 120_000 }, async () => {
      const judged = await judgeVirtual(kernel, [dense()]);
      expect(new Set(fates(judged[0]!))).toEqual(new Set(['NEW']));
      // Which one went nobody can know.
      const known = judged[0]!.differences.filter((line) => !line.includes('connections, look'));
      expect(known.slice(0, 10)).toEqual([]);
      expect(judged[0]!.outcome.entries.length).toBeLessThanOrEqual(2000);
    });
  });
}
