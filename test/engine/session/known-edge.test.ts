/** The way of a plain packet through the rules is kept in its connection: packets of one connection that differ in what rules ask are told apart all the same. */
import { expect, test } from 'vitest';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { tcpTraffic } from './traffic.ts';

const SERVER = 0xc0a80101;
const PORTS = [22, 80, 443];
const [RECORD, ETHERNET, LENGTH] = [16, 14, 120];
const SYN = 2;
const CASES = 40;

/** What one packet of a connection has and the next has not, or what all of them have. */
const ASKED = [
  '-m ttl --ttl-lt 64',
  '-m ttl --ttl-gt 64',
  '-m tos --tos 0x10/0xff',
  '-m length --length 120:',
  '-p tcp -m tcp --tcp-flags PSH PSH',
  '-p tcp -m tcp --tcp-flags SYN,RST,ACK,PSH ACK',
  '-m conntrack --ctstatus ASSURED',
  '-m conntrack --ctstate ESTABLISHED',
  '-m conntrack --ctstate NEW',
  '-m conntrack --ctdir REPLY',
  '-p tcp -m tcp --sport 22',
  '-p tcp -m tcp --dport 80',
  '-s 10.0.1.0/28',
  '-d 10.0.1.0/29',
  '-m pkttype --pkt-type unicast',
];
/** What packets of one connection need not share. */
const OF_ONE = [
  '-m ttl --ttl-lt 64',
  '-m ttl --ttl-gt 64',
  '-m tos --tos 0x10/0xff',
  '-m length --length 0:100',
  '-m length --length 120:',
];
const FLAGS = ['ACK,PSH', 'ACK', 'SYN', 'FIN,ACK', 'FIN', 'RST'];
const ASKED_OF_ARRIVING = ['-m mac --mac-source 02:00:00:01:00:00', '-i eth0'];

/** Enough of them that leaves of the tree leave some undecided, or that they are searched. */
const MANY = 200;

const manyRules = (random: (below: number) => number): string[] =>
  Array.from({ length: MANY }, () => {
    const address = `10.0.1.${random(60)}/${30 + random(3)}`;
    const port = random(2) === 0 ? PORTS[random(PORTS.length)] : 1000 + random(60);
    return `-A INPUT -s ${address} -p tcp -m tcp --dport ${port} -j ${random(4) === 0 ? 'DROP' : 'ACCEPT'}`;
  });

/** The tree asks for the flags first, and for what only one packet has behind some of them. */
const pushRules = (random: (below: number) => number, hook: string): string[] =>
  FLAGS.filter((flags) => flags === 'ACK,PSH' || random(3) !== 0).map((flags) => {
    const more = flags === 'ACK,PSH' || random(8) === 0 ? `${OF_ONE[random(OF_ONE.length)]} ` : '';
    return `-A ${hook} -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG ${flags} ${more}-j ${hook}-met`;
  });

/** Rules of both hooks, most of which count and let the packet go on. */
function rulesOf(random: (below: number) => number): string {
  const chain = (name: string, asked: readonly string[]): string[] =>
    Array.from(
      { length: 1 + random(6) },
      () => `-A ${name} ${asked[random(asked.length)]} ${asked[random(asked.length)]} -j ${name}-met`,
    );
  const usable = (line: string): boolean => {
    const options = line.match(/(?:^| )(-[a-z]|-m (?:ttl|tos|length|mac|pkttype|tcp)) /g) ?? [];
    return new Set(options).size === options.length;
  };
  const lines =
    random(2) === 0
      ? [...pushRules(random, 'INPUT'), ...pushRules(random, 'OUTPUT')]
      : [...chain('INPUT', [...ASKED, ...ASKED_OF_ARRIVING]), ...chain('OUTPUT', ASKED)].filter(usable);
  if (random(2) === 0) lines.splice(random(lines.length), 0, ...manyRules(random));
  const heads = [
    ':INPUT ACCEPT [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':INPUT-met - [0:0]',
    ':OUTPUT-met - [0:0]',
  ];
  return ['*filter', ...heads, ...lines, '-A INPUT -m conntrack --ctstate ESTABLISHED', 'COMMIT', ''].join('\n');
}

/** Every packet is changed in what `ASKED` asks; so are MACs. What is left of shorter ones is padding. */
function changed(random: (below: number) => number): Uint8Array {
  const capture = tcpTraffic({ packets: 1200, flows: 20, ports: PORTS, length: LENGTH, server: SERVER });
  const view = new DataView(capture.buffer);
  for (let at = 24; at < capture.length; at += RECORD + ETHERNET + LENGTH) {
    const frame = at + RECORD;
    const ip = frame + ETHERNET;
    if ((view.getUint8(ip + 33) & SYN) === 0) {
      view.setUint16(ip + 2, LENGTH - [0, 0, 1, 60][random(4)]!);
      // Nobody acknowledges what the other side left out.
      view.setUint32(ip + 28, 1);
    }
    view.setUint8(frame + 11, random(2));
    view.setUint8(ip + 1, [0, 0x10, 0x10, 0x08][random(4)]!);
    view.setUint8(ip + 8, 62 + random(5));
    if (random(2) === 0) view.setUint8(ip + 33, view.getUint8(ip + 33) & ~8);
    view.setUint16(ip + 10, 0);
    let sum = 0;
    for (let word = 0; word < 20; word += 2) sum += view.getUint16(ip + word);
    view.setUint16(ip + 10, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  }
  return capture;
}

test(`by trees as by rules (seed ${SEED})`, { timeout: 60_000 }, async () => {
  let [established, nodes, taken, bare] = [0, 0, 0, 0];
  for (let index = 0; index < CASES; index++) {
    const random = randomOf(SEED * CASES + index);
    const job: Job = {
      rules: { 4: parseSave(rulesOf(random), { file: 'rules', family: 4 }) },
      host: buildHost({ local: ['192.168.1.1/24'], in: 'eth0' }),
      // Sums of the changed headers are not made again.
      profile: { ...DEFAULT_PROFILE, sysctls: { nf_conntrack_checksum: 0 } },
    };
    const capture = changed(random);
    const { image, expected, debug } = await expectAlike(job, capture, `case ${index} of seed ${SEED}`);
    nodes += image.statistics.nodes;
    established += expected.result.ctstates.ESTABLISHED!;
    taken += debug.edgesTaken();
    bare += debug.bareJudged();
  }
  expect(established).toBeGreaterThan(1000 * CASES);
  expect(nodes).toBeGreaterThan(5 * CASES);
  // Most are not even decoded; those that are take the edge, too.
  expect(taken + bare).toBeGreaterThan(100 * CASES);
  expect(taken).toBeGreaterThan(10 * CASES);
  expect(bare).toBeGreaterThan(100 * CASES);
});
