/** Connections of services that are known begin without being decoded (assembly/begin.ts): with the same rules for all, by address, port, device and flags; as the reference sees them. */
import { expect, test } from 'vitest';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseIpsets, parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { ACK, FIN, PSH, RST, SYN, tcp } from '../conntrack/packets.ts';
import { ascii, description, enhanced, joined, section } from '../front/files.ts';
import { randomOf } from './random.ts';
import { type Draw, drawOptions, spoil } from './segments.ts';
import { expectAlike } from './told.ts';

const HOSTS = ['10.9.0.250', '10.1.2.3'];
const [CASES, PACKETS, CONNECTIONS, PORTS] = [16, 6000, 100, 4];
const SETS = 'create some hash:net family inet\nadd some 10.9.0.0/26\nadd some 10.9.0.250\nadd some 10.9.1.7\n';
/** What packets of a service do not have in common: where rules ask for it, fewer begin in this way, or none. */
const ASKS_TUPLES = /--ct(orig|repl)|--match-set/;
const ETHERNET = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
const BEGIN = 1_700_000_000_000_000n;

/** What rules ask: what all packets of a service share, some bounds of addresses, and what they do not share. */
const address = (draw: Draw): string => `10.9.0.${draw(250)}/${[24, 25, 26, 28, 32][draw(5)]}`;
const ASKED: ((draw: Draw) => string)[] = [
  (draw) => `-s ${address(draw)}`,
  (draw) => `-d ${address(draw)}`,
  (draw) => `! -s ${address(draw)}`,
  (draw) => `-d ${HOSTS[draw(2)]}`,
  (draw) => `-p tcp -m tcp --dport ${1 + draw(PORTS)}`,
  (draw) => `-p tcp -m tcp --sport ${1 + draw(PORTS)}:${1 + PORTS}`,
  (draw) => `-p tcp -m tcp --sport 1024:${2048 + draw(8000)}`,
  (draw) => `-p tcp -m tcp --tcp-flags ${['SYN,ACK SYN,ACK', 'PSH PSH', 'SYN,RST,ACK SYN', 'FIN,SYN,RST,ACK ACK'][draw(4)]}`,
  (draw) => `-m conntrack --ctstate ${['NEW', 'ESTABLISHED', 'INVALID'][draw(3)]}`,
  (draw) => `-m conntrack --ctstatus ${['ASSURED', 'SEEN_REPLY', 'CONFIRMED'][draw(3)]}`,
  (draw) => `-m conntrack --ctdir ${['ORIGINAL', 'REPLY'][draw(2)]}`,
  (draw) => `-m conntrack --ct${['orig', 'repl'][draw(2)]}${['src', 'dst'][draw(2)]} ${address(draw)}`,
  (draw) =>
    `-m conntrack --ctorig${['srcport', 'dstport'][draw(2)]} ${draw(2) === 0 ? `1024:${2048 + draw(8000)}` : 1 + draw(PORTS)}`,
  (draw) => `-m conntrack --ctstate ESTABLISHED --ctproto 6 -m set --match-set some ${['src', 'dst'][draw(2)]}`,
  (draw) => `-m ttl --ttl-lt ${63 + draw(3)}`,
  (draw) => `-m length --length ${40 + draw(20)}:`,
];
const REACTIONS = ['', '', '', '', '', '-j ACCEPT', '-j ACCEPT', '-j DROP', '-j met', '-j met'];

function rulesOf(draw: Draw): string {
  const chain = (hook: string, device: string): string[] =>
    Array.from({ length: draw(4) }, () => {
      const asked = ASKED[draw(16) === 0 ? ASKED.length - 1 - draw(2) : draw(ASKED.length - 2)]!(draw);
      return `-A ${hook} ${draw(6) === 0 ? `${device} eth${draw(2)} ` : ''}${asked} ${REACTIONS[draw(REACTIONS.length)]}`;
    });
  const lines = [...chain('INPUT', '-i'), ...chain('OUTPUT', '-o')];
  lines.splice(draw(lines.length + 1), 0, '-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT');
  return [
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':met - [0:0]',
    ...lines,
    '-A met -p tcp -m tcp --dport 2',
    'COMMIT',
    '',
  ].join('\n');
}

/** A connection: its ends, what they sent, how far it is, and by which device its packets come and go. */
interface Course {
  own: string;
  other: string;
  sport: number;
  dport: number;
  sent: [number, number];
  step: number;
  inward: boolean;
  device: number;
}

const begin = (draw: Draw): Course => ({
  own: HOSTS[draw(8) === 0 ? 1 : 0]!,
  other: draw(20) === 0 ? ['10.9.0.255', '127.0.0.1', '10.1.2.3'][draw(3)]! : `10.9.${draw(2)}.${1 + draw(249)}`,
  sport: 1024 + draw(30_000),
  dport: 1 + draw(PORTS),
  sent: [draw(1 << 30), draw(1 << 30)],
  step: 0,
  inward: draw(4) !== 0,
  device: draw(6) === 0 ? 1 : 0,
});

/** The next packet of one of the connections, and whether it comes in. One of thirty is not what comes next. */
function nextOf(draw: Draw, all: Course[]): { bytes: Uint8Array; course: Course; arrives: boolean } {
  const index = draw(CONNECTIONS);
  if (draw(10) === 0) all[index] = begin(draw);
  const course = all[index]!;
  const odd = draw(30) === 0;
  const answers = odd ? draw(2) === 0 : course.step === 1 || (course.step > 2 && draw(2) === 0);
  const usual = [SYN, SYN | ACK, draw(3) === 0 ? PSH | ACK : ACK][Math.min(course.step, 2)]!;
  const flags = odd ? [SYN, SYN | ACK, ACK, RST, FIN | ACK, SYN | 0x40][draw(6)]! : usual;
  const [own, other] = answers ? [1, 0] : [0, 1];
  const data = (flags & SYN) !== 0 ? 0 : draw(2) * draw(40);
  const fields = {
    ...(answers ? { sport: course.dport, dport: course.sport } : { sport: course.sport, dport: course.dport }),
    flags,
    seq: (course.sent[own as 0]! + (odd ? draw(3) : 0)) >>> 0,
    ack: (flags & ACK) !== 0 ? course.sent[other as 0]! : 0,
    window: [65535, 29200, 512][draw(3)]!,
    options: (flags & SYN) !== 0 ? drawOptions(draw) : [],
    data,
  };
  const arrives = course.inward !== answers;
  const bytes = arrives ? tcp(course.other, course.own, fields) : tcp(course.own, course.other, fields);
  if (draw(100) === 0) spoil(bytes, draw);
  else if (!odd) {
    course.sent[own as 0] = (course.sent[own as 0]! + data + +((flags & SYN) !== 0)) >>> 0;
    course.step++;
  }
  return { bytes, course, arrives };
}

/** A pcapng file; `named`: it names devices, and tells which packets come in, mostly truly. */
function captureOf(draw: Draw, named: boolean): Uint8Array {
  const all = Array.from({ length: CONNECTIONS }, () => begin(draw));
  let time = BEGIN;
  const blocks = Array.from({ length: PACKETS }, () => {
    time += draw(400) === 0 ? 200_000_000n : BigInt(draw(2000));
    const { bytes, course, arrives } = nextOf(draw, all);
    const told = draw(20) === 0 ? draw(3) : arrives ? 1 : 2;
    const frame = [...(draw(40) === 0 ? ETHERNET.with(0, 1) : ETHERNET), ...bytes];
    return enhanced(false, {
      interface: named ? (draw(40) === 0 ? draw(3) : course.device) : 2,
      units: time,
      data: frame,
      wire: frame.length,
      options: named && draw(3) !== 0 ? [[2, [told, 0, 0, 0]]] : [],
    });
  });
  const device = (name: string): Uint8Array => description(false, 1, 65535, [[2, ascii(name)]]);
  return joined(section(false), device('eth0'), device('eth1'), description(false, 1, 65535), ...blocks);
}

test(`services begin as the reference says (seed ${SEED})`, { timeout: 240_000 }, async () => {
  const begun: [number, number] = [0, 0];
  const packets: [number, number] = [0, 0];
  for (let index = 0; index < CASES; index++) {
    const draw = randomOf(SEED * CASES + index);
    const rules = rulesOf(draw);
    const job: Job = {
      rules: { 4: parseSave(rules, { file: 'rules', family: 4 }) },
      host: buildHost({ local: [draw(2) === 0 ? `${HOSTS[0]}/24` : HOSTS[0]!, HOSTS[1]!], ...(draw(2) === 0 && { in: 'eth0' }) }),
      profile: { ...DEFAULT_PROFILE, sysctls: { nf_conntrack_checksum: draw(2) } },
      sets: parseIpsets(SETS, 'sets'),
    };
    const { debug } = await expectAlike(job, captureOf(draw, draw(2) === 0), `case ${index}`);
    const asks = ASKS_TUPLES.test(rules) ? 1 : 0;
    begun[asks] += debug.servicesBegun();
    packets[asks] += PACKETS;
  }
  expect(begun[0]).toBeGreaterThan(0.04 * packets[0]);
  expect(begun[1]).toBeGreaterThan(0);
});

/** 300 connections to 20 ports, each a SYN, its answer, an acknowledgement, and data both ways, one packet of each after the other. */
test('of a service that is known nothing is decoded', async () => {
  const job: Job = {
    rules: {
      4: parseSave(
        `*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -s 192.0.2.0/24 -j DROP
-A INPUT -p tcp -m tcp --dport 1:20 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
`,
        { file: 'rules', family: 4 },
      ),
    },
    host: buildHost({ local: [HOSTS[1]!], in: 'eth0' }),
    profile: DEFAULT_PROFILE,
  };
  const [connections, ports] = [300, 20];
  const steps = [
    [SYN, 0],
    [SYN | ACK, 1],
    [ACK, 0],
    [PSH | ACK, 0],
    [ACK, 1],
  ] as const;
  let time = BEGIN;
  const blocks = steps.flatMap(([flags, direction], step) =>
    Array.from({ length: connections }, (_, index) => {
      const [client, server] = [4000 + index, 1 + (index % ports)];
      const [seq, ack] = direction === 0 ? [100, 900] : [900, 100];
      const fields = {
        ...(direction === 0 ? { sport: client, dport: server } : { sport: server, dport: client }),
        flags,
        seq: seq + (step > 1 ? 1 : 0) + (step === 4 && direction === 0 ? 1 : 0),
        ack: step === 0 ? 0 : ack + (step === 1 ? 1 : step === 4 ? 4 : 1),
        window: 29200,
        options: [],
        data: step === 3 ? 3 : 0,
      };
      const bytes = direction === 0 ? tcp('10.9.0.1', HOSTS[1]!, fields) : tcp(HOSTS[1]!, '10.9.0.1', fields);
      const frame = [...ETHERNET, ...bytes];
      time += 10n;
      return enhanced(false, { interface: 0, units: time, data: frame, wire: frame.length, options: [] });
    }),
  );
  const { debug } = await expectAlike(job, joined(section(false), description(false, 1, 65535), ...blocks), 'usual');
  // The first SYN of each port is decoded, and those of its batch that were marked before; early batches are small.
  expect(debug.servicesBegun()).toBeGreaterThan(3 * connections - 60);
  expect(debug.bareJudged()).toBeGreaterThan(5 * connections - 60);
});
