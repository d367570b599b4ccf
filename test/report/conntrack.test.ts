/** `conntrack -L -o extended`, column by column: every protocol, both families, as the tool prints it on the running kernel. */

import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { fillChecksum, icmpMessage, ipPacket, tcpSegment, udpDatagram } from '../../src/fuzz/build-packet.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { listingDifferences } from '../../src/fuzz/listing.ts';
import { runKernel } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { ConntrackEntry } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Job } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import type { Session } from '../../src/replay/session.ts';
import { conntrackLine } from '../../src/report/conntrack.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { describeKernel } from '../kernel/machine.ts';

const RULES = '*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n';
/** connbytes has connections counted; zones of one direction stand before that direction's counters. */
const ZONED = `*raw
-A PREROUTING -p tcp -j CT --zone-orig 1
-A PREROUTING -p udp -j CT --zone-reply 2
-A PREROUTING -p gre -j CT --zone 3
COMMIT
*filter
-A FORWARD -m connbytes --connbytes 3 --connbytes-mode packets --connbytes-dir both
COMMIT
`;
const ENDS: Record<Family, readonly [string, string]> = {
  4: ['198.18.0.1', '198.18.1.2'],
  6: ['2001:db8::1', '2001:db8:0:1:0:0:0:2'],
};
const NONE = new Uint8Array(0);
const SYN = 2;
const RST = 4;
const ACK = 16;

/** Packets of two hosts, as IP bytes. */
class Talk {
  readonly packets: Uint8Array[] = [];
  readonly #family: Family;

  constructor(family: Family) {
    this.#family = family;
  }

  /** `checksumAt`: where the checksum lies in the transport bytes; below 0: there is none. */
  put(protocol: number, transport: Uint8Array, checksumAt = -1, back = false): this {
    const [a, b] = ENDS[this.#family];
    const [source, destination] = back ? [b, a] : [a, b];
    const fields = { family: this.#family, source, destination, protocol, ttl: 64, tos: 0, id: 1, fragment: 0, options: NONE };
    const whole = { ...fields, lengthOff: 0, badChecksum: false };
    // The kernel verifies UDP-Lite with UDP's pseudo header (test/regressions/udplite-is-verified-with-the-pseudo-header-of-udp).
    if (checksumAt >= 0) fillChecksum(transport, checksumAt, protocol === 136 ? { ...whole, protocol: 17 } : whole);
    this.packets.push(ipPacket(whole, transport));
    return this;
  }

  tcp(port: number, flags: number, sequence: number, acknowledged: number, back = false): this {
    const [sourcePort, destinationPort] = back ? [80, port] : [port, 80];
    const fields = { sourcePort, destinationPort, sequence, acknowledged, flags, window: 8192, options: NONE, data: 0 };
    return this.put(6, tcpSegment(fields), 16, back);
  }

  udp(protocol: number, port: number, back = false): this {
    return this.put(protocol, back ? udpDatagram(53, port, 4) : udpDatagram(port, 53, 4), 6, back);
  }

  ping(id: number, type: number, back = false): this {
    return this.put(this.#family === 4 ? 1 : 58, icmpMessage(type, 0, id << 16, NONE), 2, back);
  }
}

/** Every protocol with a tracker, and some without; TCP in every state that a few packets lead to. */
function everything(family: Family): Uint8Array[] {
  const talk = new Talk(family);
  const open = (port: number) =>
    talk
      .tcp(port, SYN, 100, 0)
      .tcp(port, SYN | ACK, 500, 101, true)
      .tcp(port, ACK, 101, 501);
  talk.tcp(1000, SYN, 100, 0);
  talk.tcp(1001, SYN, 100, 0).tcp(1001, SYN | ACK, 500, 101, true);
  open(1002);
  open(1003).tcp(1003, ACK | 1, 101, 501);
  open(1004)
    .tcp(1004, ACK | 1, 101, 501)
    .tcp(1004, ACK, 501, 102, true);
  open(1005)
    .tcp(1005, ACK | 1, 101, 501)
    .tcp(1005, ACK, 501, 102, true)
    .tcp(1005, ACK | 1, 501, 102, true);
  open(1006)
    .tcp(1006, ACK | 1, 101, 501)
    .tcp(1006, ACK | 1, 501, 102, true)
    .tcp(1006, ACK, 102, 502);
  open(1007).tcp(1007, RST, 101, 0);
  talk.tcp(1008, SYN, 100, 0).tcp(1008, SYN, 500, 0, true);
  talk.tcp(1009, ACK, 100, 500);
  talk.udp(17, 5).udp(17, 6).udp(17, 6, true).udp(136, 7).udp(136, 8).udp(136, 8, true);
  if (family === 4) talk.ping(4660, 8).ping(4661, 8).ping(4661, 0, true).ping(4662, 13).ping(4663, 17);
  else talk.ping(4660, 128).ping(4661, 128).ping(4661, 129, true).ping(4662, 139);
  const gre = (key: number) => Uint8Array.from([0x20, 1, 0x88, 0x0b, 0, 4, 0, key, 0, 0, 0, 1]);
  talk
    .put(47, Uint8Array.from([0, 0, 8, 0, 1, 2, 3, 4]))
    .put(47, gre(0xab))
    .put(47, gre(0xcd));
  talk.put(47, Uint8Array.from([0, 0, 8, 0, 1, 2, 3, 4]), -1, true);
  for (const protocol of [2, 4, 33, 41, 50, 89, 99, 103, 108, 255]) talk.put(protocol, new Uint8Array(20).fill(1));
  return talk.put(99, new Uint8Array(20), -1, true).packets;
}

const WITNESSES: Record<string, (job: Job) => Session | Promise<Session>> = {
  reference: (job) => referenceSession(job),
  engine: (job) => engineSession(job, { hashKey: hashKeyOf(job) }),
  debug: (job) => engineSession(job, { build: 'debug', hashKey: hashKeyOf(job) }),
};

async function replayed(
  start: (typeof WITNESSES)[string],
  family: Family,
  hz: number,
  packets: readonly { time: bigint; bytes: Uint8Array }[],
  text = RULES,
) {
  const rules = { [family]: parseSave(text, { file: 'rules', family }) };
  const host = buildHost({ forward: true, in: 'eth0', out: 'eth1' });
  const session = await start({ rules, host, profile: { ...DEFAULT_PROFILE, hz } });
  session.startCapture('talk');
  session.feed(writePcap(packets, 101));
  session.endCapture();
  return session;
}

/** Every witness lists what the kernel does after these packets. Out: the kernel's list. */
async function listed(family: Family, rules: string, sent: readonly Uint8Array[]): Promise<string> {
  const frames = sent.map((bytes) => ({ time: 0n, bytes, direction: 'in' as const }));
  const outcome = await runKernel({ backend: 'legacy', family, rules, topology: 'forward', frames, trace: false });
  const listing = {
    text: outcome.conntrack,
    from: outcome.packets.at(-1)!.injected,
    to: BigInt(Date.now() + 1) * 1_000_000n,
  };
  const hz = outcome.kernel.hz || DEFAULT_PROFILE.hz;
  const packets = frames.map(({ bytes }, index) => ({ time: outcome.packets[index]!.injected, bytes }));
  for (const [name, start] of Object.entries(WITNESSES)) {
    const session = await replayed(start, family, hz, packets, rules);
    expect(
      listingDifferences({ ...listing, hz }, (at) => session.connections(at)),
      name,
    ).toEqual([]);
  }
  return outcome.conntrack;
}

describeKernel('the table as the tool prints it', () => {
  for (const family of [4, 6] as const) {
    it(`IPv${family}: every protocol`, async () => {
      const list = await listed(family, RULES, everything(family));
      const words = [
        'SYN_SENT',
        'SYN_RECV',
        'ESTABLISHED',
        'FIN_WAIT',
        'CLOSE_WAIT',
        'LAST_ACK',
        'TIME_WAIT',
        'CLOSE',
        'SYN_SENT2',
      ];
      const rest = ['[UNREPLIED]', '[ASSURED]', 'gre', 'udplite', 'unknown', 'dccp', 'srckey=0x0 dstkey=0xab'];
      expect([...words, ...rest].filter((word) => !list.includes(` ${word} `))).toEqual([]);
    });

    it(`IPv${family}: counters and zones`, async () => {
      const list = await listed(family, ZONED, everything(family));
      for (const shape of [/ zone-orig=1 packets=/, / zone-reply=2 packets=/, / zone=3 /]) expect(list).toMatch(shape);
    });
  }
});

describe('the entries', () => {
  const SECOND = 1_000_000_000n;
  const START = 1_700_000_000n * SECOND;

  for (const [name, start] of Object.entries(WITNESSES)) {
    it(`${name}: seconds are those the packet before left, rounded down, and what is over is gone`, async () => {
      const bytes = new Talk(4).udp(17, 5).packets[0]!;
      const session = await replayed(start, 4, 250, [{ time: START, bytes }]);
      const left = (at: bigint) => session.connections(at).map(({ timeout }) => timeout);
      expect(left(START)).toEqual([30]);
      expect(left(START + 3_999_999n)).toEqual([30]);
      expect(left(START + 4_000_000n)).toEqual([29]);
      expect(left(START + 29n * SECOND)).toEqual([1]);
      expect(left(START + 30n * SECOND - 1n)).toEqual([0]);
      expect(left(START + 30n * SECOND)).toEqual([]);
    });

    it(`${name}: sorted, at the time of the last packet, both families' shapes`, async () => {
      const packets = new Talk(4).udp(17, 9).udp(17, 5).ping(7, 8).tcp(1000, SYN, 1, 0).packets;
      const times = packets.map((bytes, index) => ({ time: START + BigInt(index) * SECOND, bytes }));
      const session = await replayed(start, 4, 250, times);
      const [a, b] = ENDS[4];
      const seconds = session.connections().map(({ protocol, timeout }) => [protocol, timeout]);
      expect(seconds).toEqual([
        [1, 29],
        [6, 120],
        [17, 28],
        [17, 27],
      ]);
      const ping: ConntrackEntry = {
        family: 4,
        protocol: 1,
        timeout: 29,
        original: { source: { address: a, port: 7 }, destination: { address: b, port: 0 }, type: 8, code: 0 },
        reply: { source: { address: b, port: 7 }, destination: { address: a, port: 0 }, type: 0, code: 0 },
        unreplied: true,
        assured: false,
        mark: 0,
      };
      expect(session.connections()[0]).toEqual(ping);
      expect(conntrackLine(ping)).toBe(
        `ipv4     2 icmp     1 29 src=${a} dst=${b} type=8 code=0 id=7 [UNREPLIED] src=${b} dst=${a} type=0 code=0 id=7 mark=0 use=1`,
      );
    });

    it(`${name}: nothing before the first packet`, async () => {
      expect((await replayed(start, 4, 250, [])).connections()).toEqual([]);
    });
  }
});
