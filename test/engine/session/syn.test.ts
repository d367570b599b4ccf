/** How connections begin (assembly/conntrack/syn.ts): SYNs of all kinds, alone and in floods, repeated and answered, some of them dropped; as the reference sees them. */
import { expect, test } from 'vitest';
import { tcpTraffic } from '../../../bench/traffic.ts';
import { compile } from '../../../src/compile/index.ts';
import { loadEngine } from '../../../src/engine/loader.ts';
import { EngineSession } from '../../../src/engine/session.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { ACK, FIN, PSH, RST, SYN, tcp, URG } from '../conntrack/packets.ts';
import { randomOf } from './random.ts';
import { captureOf, type Draw, drawOptions, spoil } from './segments.ts';
import { expectAlike } from './told.ts';
import { engineModule } from './wasm.ts';

const HOST = '10.1.2.3';
const RULES = `*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate INVALID
-A INPUT -p tcp -m tcp --dport 1 -j DROP
-A INPUT -p tcp -m tcp --dport 2 -j REJECT --reject-with tcp-reset
-A INPUT -m conntrack --ctstate NEW -m connmark --mark 0 -m tcp -p tcp --dport 3 -j CONNMARK --set-mark 7
-A INPUT -m connmark --mark 7
-A INPUT -p tcp -m tcp --syn -m conntrack --ctstate ESTABLISHED
-A INPUT -p tcp -m tcp --dport 5:6 -m ttl --ttl-lt 60
-A INPUT -s 10.9.0.128/25 -m conntrack --ctstate NEW -j ACCEPT
-A OUTPUT -p tcp -m tcp --dport 1 -m conntrack --ctstate NEW -j DROP
-A OUTPUT -m conntrack --ctstate NEW,RELATED
COMMIT
`;
/** More connections than the smallest table has places for, so that it grows more than once. */
const [CASES, PACKETS, CLIENTS, PORTS] = [6, 6000, 160, 40];
/** One packet of one of many connections, most of them never seen before: a SYN three times of four. Every tenth is not as it should be. */
function packet(draw: Draw): Uint8Array {
  const port = draw(PORTS);
  const client = `10.9.0.${draw(CLIENTS)}`;
  const inward = draw(8) !== 0;
  const step = draw(12);
  const flags =
    step < 9 ? SYN : ([SYN | ACK, ACK, RST, SYN | PSH, SYN | URG, SYN | FIN, FIN | ACK, 0x42, 0xc2][draw(9)] as number);
  const answer = flags === (SYN | ACK);
  const ends = answer ? { sport: port, dport: 1024 + port } : { sport: 1024 + port, dport: port };
  const segment = tcp(inward !== answer ? client : HOST, inward !== answer ? HOST : client, {
    ...ends,
    flags,
    seq: [0, 1, 0xffffffff, 1000 + draw(4)][draw(4)]!,
    ack: draw(3),
    window: [0, 1, 65535, 29200][draw(4)]!,
    options: drawOptions(draw),
    data: draw(10) === 0 ? draw(30) : 0,
  });
  if (draw(10) === 0) spoil(segment, draw);
  return segment;
}

test(`connections begin as the reference says (seed ${SEED})`, { timeout: 240_000 }, async () => {
  let opened = 0;
  for (let index = 0; index < CASES; index++) {
    const draw = randomOf(SEED * CASES + index);
    const sysctls = { nf_conntrack_checksum: draw(2), nf_conntrack_tcp_timeout_max_retrans: [300, 90][draw(2)]! };
    const job: Job = {
      rules: { 4: parseSave(RULES, { file: 'rules', family: 4 }) },
      host: buildHost({ local: [HOST], in: 'eth0' }),
      profile: { ...DEFAULT_PROFILE, sysctls },
    };
    const capture = captureOf(draw, PACKETS, packet);
    const { debug } = await expectAlike(job, capture, `case ${index}`);
    opened += debug.synsOpened();
  }
  expect(opened).toBeGreaterThan(0.3 * CASES * PACKETS);
});

/** A pcap file of as many SYNs, each from and to another pair of ports; their checksums are not made. */
function flood(packets: number): Uint8Array {
  const one = tcpTraffic(1, 1);
  const [header, record] = [one.subarray(0, 24), one.subarray(24)];
  const file = new Uint8Array(header.length + packets * record.length);
  file.set(header);
  const view = new DataView(file.buffer);
  for (let index = 0; index < packets; index++) {
    const at = header.length + index * record.length;
    file.set(record, at);
    view.setUint16(at + 50, index & 0xffff);
    view.setUint16(at + 52, 100 + (index >>> 16));
  }
  return file;
}

test('a flood makes memory grow seldom: every time it does, V8 may collect garbage', async () => {
  const job: Job = {
    rules: { 4: parseSave(RULES, { file: 'rules', family: 4 }) },
    host: buildHost({ local: [HOST] }),
    profile: { ...DEFAULT_PROFILE, sysctls: { nf_conntrack_checksum: 0 } },
  };
  const capture = flood(150_000);
  const engine = await loadEngine(engineModule('release'));
  const session = new EngineSession(engine, compile(job), { path: false });
  session.startCapture('memory');
  const sizes = new Set<number>();
  for (let at = 0; at < capture.length; at += 1 << 16) {
    session.feed(capture.subarray(at, at + (1 << 16)));
    sizes.add(engine.memory.buffer.byteLength);
  }
  session.endCapture();
  expect(session.result().connections).toBe(150_000);
  // Some 25 MB of entries and of places in the table.
  expect(sizes.size).toBeLessThanOrEqual(3);
});
