/** Connections of known services that keep but half an entry (assembly/conntrack/half.ts), until a packet is not as it usually is: as the reference sees them, times included. */
import { expect, test } from 'vitest';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { ACK, FIN, PSH, RST, SYN, tcp } from '../conntrack/packets.ts';
import { description, enhanced, joined, section } from '../front/files.ts';
import { randomOf } from './random.ts';
import { type Draw, drawOptions } from './segments.ts';
import { expectAlike } from './told.ts';

const HOST = '10.1.2.3';
const [CASES, PACKETS, CONNECTIONS] = [8, 5000, 150];
const ETHERNET = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
const BEGIN = 1_700_000_000_000_000n;
const TIMESTAMP = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];

/** What one side sends next, and the window it tells. */
interface Side {
  seq: number;
  window: number;
}

/** A connection: how far it is, and its latest packet, which may come again. */
interface Course {
  port: number;
  service: number;
  step: number;
  sides: [Side, Side];
  stamped: boolean;
  latest: Uint8Array | undefined;
}

const begin = (draw: Draw): Course => ({
  port: 1024 + draw(60_000),
  service: 1 + draw(4),
  step: 0,
  // Near the end of all numbers, too.
  sides: [
    { seq: draw(2) === 0 ? 0xffffff00 + draw(256) : draw(1 << 30), window: 29200 },
    { seq: draw(1 << 30), window: 65535 },
  ],
  stamped: draw(2) === 0,
  latest: undefined,
});

/** SACK blocks right behind what is acknowledged. */
function sackOf(draw: Draw, ack: number): number[] {
  const words = [ack + 10 + draw(20), ack + 40 + draw(2000)];
  return [1, 1, 5, 10, ...words.flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255))];
}

/** The next packet of a connection; one of twelve comes again, is empty, is far off, tells another window, or ends it. */
function nextOf(draw: Draw, course: Course): Uint8Array {
  if (course.latest !== undefined && draw(14) === 0) return course.latest;
  const from = course.step === 1 ? 1 : course.step < 3 ? 0 : draw(2);
  const [own, peer] = [course.sides[from as 0]!, course.sides[(1 - from) as 0]!];
  const flags =
    [SYN, SYN | ACK][course.step] ?? (draw(60) === 0 ? [FIN | ACK, RST | ACK, RST][draw(3)]! : draw(2) === 0 ? PSH | ACK : ACK);
  if (course.step > 2 && draw(12) === 0) own.window = [0, 1, 512, 29200, 65535][draw(5)]!;
  const odd = course.step > 1 && draw(24) === 0;
  const data = (flags & SYN) !== 0 || draw(3) === 0 ? 0 : draw(900);
  const ack = (peer.seq - (odd ? draw(40) : 0)) >>> 0;
  const usual = course.stamped ? TIMESTAMP : [];
  const bytes = tcp(from === 0 ? '10.9.0.1' : HOST, from === 0 ? HOST : '10.9.0.1', {
    ...(from === 0 ? { sport: course.port, dport: course.service } : { sport: course.service, dport: course.port }),
    flags,
    seq: (own.seq - (odd ? draw(3) : 0)) >>> 0,
    ack: (flags & ACK) === 0 ? 0 : ack,
    window: own.window,
    options: (flags & SYN) !== 0 ? drawOptions(draw) : draw(40) === 0 ? sackOf(draw, ack) : usual,
    data,
  });
  if (!odd) own.seq = (own.seq + data + +((flags & (SYN | FIN)) !== 0)) >>> 0;
  course.step++;
  course.latest = bytes;
  return bytes;
}

function captureOf(draw: Draw): Uint8Array {
  const all = Array.from({ length: CONNECTIONS }, () => begin(draw));
  let time = BEGIN;
  const blocks = Array.from({ length: PACKETS }, () => {
    // Handshakes time out, and connections that are open.
    time += draw(1500) === 0 ? [100_000_000n, 400_000_000n, 500_000_000_000n][draw(3)]! : BigInt(draw(3000));
    const index = draw(CONNECTIONS);
    if (draw(40) === 0) all[index] = begin(draw);
    const frame = [...ETHERNET, ...nextOf(draw, all[index]!)];
    const block = enhanced(false, { interface: 0, units: time, data: frame, wire: frame.length, options: [] });
    // As often as retransmissions give a connection another time.
    return Array.from({ length: draw(10) === 0 ? 1 + draw(6) : 1 }, () => block);
  });
  return joined(section(false), description(false, 1, 65535), ...blocks.flat());
}

const jobOf = (draw: Draw): Job => ({
  rules: {
    4: parseSave(
      `*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 1:3 -m conntrack --ctstate NEW -j ACCEPT
-A INPUT -p tcp -m tcp --dport 4 -m limit --limit 5/sec -j ACCEPT
COMMIT
`,
      { file: 'rules', family: 4 },
    ),
  },
  host: buildHost({ local: [HOST] }),
  profile: {
    ...DEFAULT_PROFILE,
    sysctls: {
      nf_conntrack_checksum: draw(2),
      nf_conntrack_tcp_be_liberal: +(draw(8) === 0),
      nf_conntrack_tcp_timeout_max_retrans: 200,
    },
  },
});

test(`halves become entries that know as much (seed ${SEED})`, { timeout: 240_000 }, async () => {
  let expanded = 0;
  let begun = 0;
  for (let index = 0; index < CASES; index++) {
    const draw = randomOf(SEED * CASES + index);
    const { debug } = await expectAlike(jobOf(draw), captureOf(draw), `case ${index}`);
    expanded += debug.halvesExpanded();
    begun += debug.servicesBegun();
  }
  expect(begun).toBeGreaterThan(0.05 * CASES * PACKETS);
  expect(expanded).toBeGreaterThan(0.01 * CASES * PACKETS);
});
