/** Plain segments that are judged without being decoded (assembly/bare.ts): what is not plain about others, wherever it stands in the packet or its record, is seen all the same. */
import { expect, test } from 'vitest';
import { writePcap } from '../../../src/capture/writer.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { ACK, SYN, tcp } from '../../reference/build.ts';
import { SEED } from '../../seed.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { asPcap, asPcapng, type Draw, FLOWS, LATE, lateSegments, PACKETS, packetsOf } from './unusual.ts';

const RULES = `*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate INVALID
-A INPUT -i eth1 -m conntrack --ctstate ESTABLISHED
-A INPUT -m pkttype --pkt-type broadcast -m conntrack --ctstate ESTABLISHED -j DROP
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -m limit --limit 300/sec --limit-burst 2
-A OUTPUT -m conntrack --ctstate INVALID -j DROP
-A OUTPUT -o eth1 -m conntrack --ctstate ESTABLISHED
-A OUTPUT -m conntrack --ctstate ESTABLISHED
COMMIT
`;
const [CASES, USUAL_CASES] = [24, 12];

test(`what is unusual about a segment is seen (seed ${SEED})`, { timeout: 120_000 }, async () => {
  // Of segments without options, with options, and of servers that send: how many there were, and how many went this way.
  const [all, bare] = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  for (let index = 0; index < CASES; index++) {
    const draw = randomOf(SEED * CASES + index);
    const job: Job = {
      rules: { 4: parseSave(RULES, { file: 'rules', family: 4 }) },
      host: buildHost({ local: ['10.1.2.3'], ...(draw(2) === 0 && { in: 'eth0' }) }),
      // limit of nft counts nanoseconds: what did not go this way has to know the time of what did.
      profile: { ...DEFAULT_PROFILE, backend: index % 2 === 0 ? 'nft' : 'legacy', sysctls: { nf_conntrack_checksum: draw(2) } },
    };
    // Segments of 61 bytes and more are not summed where they are marked (packet/segment.ts), and with options of 12 some of those are.
    const stamped = draw(2);
    const answered = draw(3) === 0;
    const kind = answered ? 2 : stamped;
    const data = [1, 1, 7, 9, 21, 700][draw(6)]!;
    const packets = packetsOf(draw, data, stamped === 1, answered);
    const capture = draw(2) === 0 ? asPcap(packets) : asPcapng(packets, draw);
    const { debug } = await expectAlike(job, capture, `case ${index}`);
    all[kind]! += packets.length;
    bare[kind]! += debug.bareJudged();
  }
  expect(bare[0]).toBeGreaterThan(0.25 * all[0]!);
  expect(bare[1]).toBeGreaterThan(0.25 * all[1]!);
  // Where a server's packet is lost, what acknowledges it is INVALID.
  expect(bare[2]).toBeGreaterThan(0.02 * all[2]!);
});

/** Nothing but segments of clients, without options, over Ethernet: most of them that can go this way go it. */
test(`what is usual goes this way in between (seed ${SEED})`, { timeout: 120_000 }, async () => {
  // Of one device, and of two by turns, of which connections keep one edge.
  const bare = [0, 0];
  for (let index = 0; index < USUAL_CASES; index++) {
    const draw = randomOf(SEED * USUAL_CASES + index);
    const job: Job = {
      rules: { 4: parseSave(RULES, { file: 'rules', family: 4 }) },
      host: buildHost({ local: ['10.1.2.3'], ...(draw(2) === 0 && { in: 'eth0' }) }),
      profile: { ...DEFAULT_PROFILE, sysctls: { nf_conntrack_checksum: draw(2) } },
    };
    const packets = packetsOf(draw, 1, false, false, false);
    const capture = index % 2 === 0 ? asPcap(packets) : asPcapng(packets, draw, false);
    const { debug } = await expectAlike(job, capture, `case ${index}`);
    bare[index % 2]! += debug.bareJudged();
  }
  expect(bare[0]).toBeGreaterThan((0.4 * USUAL_CASES * PACKETS) / 2);
  expect(bare[1]).toBeGreaterThan((0.23 * USUAL_CASES * PACKETS) / 2);
});

/** Segments without options, with timestamps, and large ones, whose sums nobody asks for: nobody takes a closer look at them. */
test.each([
  ['short', 1, false, 1],
  ['short, with timestamps', 1, true, 1],
  ['long, not summed', 700, true, 0],
] as const)('plain segments are judged in the loop: %s', async (_name, data, stamped, nf_conntrack_checksum) => {
  const job: Job = {
    rules: { 4: parseSave(RULES, { file: 'rules', family: 4 }) },
    host: buildHost({ local: ['10.1.2.3'], in: 'eth0' }),
    profile: { ...DEFAULT_PROFILE, sysctls: { nf_conntrack_checksum } },
  };
  // Nothing is drawn: all options are timestamps, and no packet is changed.
  const usual: Draw = (below) => below - 1;
  const { debug } = await expectAlike(job, asPcap(packetsOf(usual, data, stamped)), 'usual');
  expect(debug.bareJudged()).toBeGreaterThan(0.9 * PACKETS);
  // A handshake's last acknowledgement, and the segments that keep an edge.
  expect(debug.bareLooked()).toBeLessThan(6 * FLOWS);
});

test('the clock behind plain segments is that of the latest, not of the last one: limit of nft asks for nanoseconds', async () => {
  const { debug } = await expectAlike(LATE, lateSegments(), 'late');
  expect(debug.bareJudged()).toBeGreaterThan(300);
});

/** A server's window of 76,800 bytes, said as 600 with a scale of 7: what stands in the bound that its acknowledgements move, in the loop, too. */
test('windows are scaled in the loop', async () => {
  const [client, server] = ['192.0.2.9 4000', '10.1.2.3 80'];
  const options = { tcpOptions: [2, 4, 5, 180, 3, 3, 7, 1], window: 65_535 };
  const packets = [
    tcp(client, server, SYN, { ...options, seq: 1 }),
    tcp(server, client, SYN | ACK, { ...options, seq: 1, ack: 2 }),
    tcp(client, server, ACK, { seq: 2, ack: 2, window: 600 }),
  ];
  // Bursts of 6,000 bytes, until what the handshake allowed is far behind.
  for (let sent = 2; sent < 300_000; ) {
    for (const end = sent + 6000; sent < end; sent += 1000)
      packets.push(tcp(client, server, ACK, { seq: sent, ack: 2, window: 600, data: 1000 }));
    packets.push(tcp(server, client, ACK, { seq: 2, ack: sent, window: 600 }));
  }
  const frames = packets.map((packet, index) => {
    const bytes = Uint8Array.from([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, ...packet]);
    return { bytes, wire: bytes.length, time: BigInt(index) * 1_000_000n };
  });
  const job: Job = {
    rules: { 4: parseSave(RULES, { file: 'rules', family: 4 }) },
    host: buildHost({ local: ['10.1.2.3'], in: 'eth0' }),
    profile: { ...DEFAULT_PROFILE, sysctls: { nf_conntrack_checksum: 0 } },
  };
  const { debug, expected } = await expectAlike(job, writePcap(frames, 1), 'a scaled window');
  expect(debug.bareJudged()).toBeGreaterThan(0.9 * packets.length);
  expect(expected.result.ctstates).toMatchObject({ INVALID: 0, NEW: 1 });
});
