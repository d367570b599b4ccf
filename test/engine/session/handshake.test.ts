/** How connections go on behind their SYN (assembly/conntrack/handshake.ts): usual handshakes, and such as no end would send; as the reference sees them. */
import { expect, test } from 'vitest';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { ACK, FIN, PSH, RST, SYN, tcp, URG } from '../conntrack/packets.ts';
import { randomOf } from './random.ts';
import { captureOf, type Draw, drawOptions, spoil } from './segments.ts';
import { expectAlike } from './told.ts';

const HOST = '10.1.2.3';
const RULES = `*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate INVALID
-A INPUT -m conntrack --ctstatus ASSURED
-A INPUT -m conntrack --ctstatus SEEN_REPLY --ctdir REPLY
-A INPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -m conntrack --ctstate ESTABLISHED
-A INPUT -p tcp -m tcp --dport 3 -m conntrack --ctstate ESTABLISHED -j REJECT --reject-with tcp-reset
-A INPUT -p tcp -m tcp --dport 4 --tcp-flags PSH PSH -j DROP
-A OUTPUT -m conntrack --ctstate INVALID
-A OUTPUT -m conntrack --ctstatus ASSURED
-A OUTPUT -p tcp -m tcp --sport 5 -m conntrack --ctstate ESTABLISHED -j DROP
COMMIT
`;
const [CASES, PACKETS, CONNECTIONS, PORTS] = [6, 6000, 150, 8];
const SACK = [1, 1, 5, 10, 0, 0, 0, 0, 0, 0, 0, 9];

/** A connection: its ends, what they sent last, and how far its handshake is. */
interface Course {
  client: string;
  sport: number;
  dport: number;
  /** Bytes sent, by the one that began and by the other. */
  sent: [number, number];
  step: number;
  inward: boolean;
}

const begin = (draw: Draw): Course => ({
  client: `10.9.0.${1 + draw(200)}`,
  sport: 1024 + draw(30_000),
  dport: 1 + draw(PORTS),
  sent: [[0, 1, 0xfffffffe, draw(1 << 30)][draw(4)]!, [0, 0xffffffff, draw(1 << 30)][draw(3)]!],
  step: 0,
  inward: draw(3) !== 0,
});

/** The next packet of one of the connections. Every fifth is not what comes next. */
function nextOf(draw: Draw, all: Course[]): Uint8Array {
  const index = draw(CONNECTIONS);
  if (draw(5) === 0) all[index] = begin(draw);
  const course = all[index]!;
  const odd = draw(5) === 0;
  const answers = odd ? draw(2) === 0 : course.step === 1 || (course.step > 2 && draw(2) === 0);
  const usual = [SYN, SYN | ACK, draw(3) === 0 ? PSH | ACK : ACK][Math.min(course.step, 2)]!;
  const flags = odd ? [SYN, SYN | ACK, ACK, RST, RST, RST | ACK, FIN | ACK, URG | ACK][draw(8)]! : usual;
  const [own, other] = answers ? [1, 0] : [0, 1];
  const away = (): number => (draw(odd ? 3 : 12) === 0 ? [1, -1, 70_000, -70_000, 1 << 31][draw(5)]! : 0);
  const data = (flags & SYN) !== 0 ? +(draw(12) === 0) * draw(20) : draw(2) * draw(40);
  const fields = {
    ...(answers ? { sport: course.dport, dport: course.sport } : { sport: course.sport, dport: course.dport }),
    flags,
    seq: (course.sent[own as 0]! + away()) >>> 0,
    ack: (flags & ACK) !== 0 ? (course.sent[other as 0]! + away()) >>> 0 : 0,
    window: [0, 1, 65535, 29200, 512][draw(5)]!,
    options: draw(10) === 0 ? SACK : drawOptions(draw),
    data,
  };
  const toHost = course.inward !== answers;
  const segment = toHost ? tcp(course.client, HOST, fields) : tcp(HOST, course.client, fields);
  if (draw(30) === 0) {
    spoil(segment, draw);
  } else if (!odd) {
    course.sent[own as 0] = (course.sent[own as 0]! + data + +((flags & SYN) !== 0)) >>> 0;
    course.step++;
  }
  return segment;
}

test(`handshakes end as the reference says (seed ${SEED})`, { timeout: 240_000 }, async () => {
  let judged = 0;
  for (let index = 0; index < CASES; index++) {
    const draw = randomOf(SEED * CASES + index);
    const sysctls = {
      nf_conntrack_checksum: draw(2),
      nf_conntrack_tcp_be_liberal: +(draw(4) === 0),
      nf_conntrack_tcp_loose: draw(2),
      nf_conntrack_tcp_timeout_max_retrans: [300, 20][draw(2)]!,
      nf_conntrack_tcp_timeout_unacknowledged: [300, 40][draw(2)]!,
    };
    const job: Job = {
      rules: { 4: parseSave(RULES, { file: 'rules', family: 4 }) },
      host: buildHost({ local: [HOST], in: 'eth0' }),
      profile: { ...DEFAULT_PROFILE, sysctls },
    };
    const all = Array.from({ length: CONNECTIONS }, () => begin(draw));
    const { debug } = await expectAlike(
      job,
      captureOf(draw, PACKETS, (each) => nextOf(each, all)),
      `case ${index}`,
    );
    judged += debug.handshakesJudged();
  }
  expect(judged).toBeGreaterThan(0.05 * CASES * PACKETS);
});
