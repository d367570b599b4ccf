/** Datagrams of answered connections, judged without being decoded (assembly/bare.ts): what is not so about others is seen all the same. */
import { expect, test } from 'vitest';
import { datagrams } from '../../../bench/recast.ts';
import { tcpTraffic } from '../../../bench/traffic.ts';
import { buildHost, type HostGiven } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { asPcap, asPcapng, framesOf, type Packet } from './unusual.ts';

const [CASES, PACKETS, FLOWS] = [16, 3000, 40];
const [IP, UDP] = [14, 34];

type Draw = (below: number) => number;

const rulesOf = (hook: string): string => `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A ${hook} -m conntrack --ctstate INVALID -j DROP
-A ${hook} -i eth1 -m conntrack --ctstate ESTABLISHED
-A ${hook} -m conntrack --ctstatus ASSURED
-A ${hook} -p udp -m udp --dport 53 -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A ${hook} -p udp -m udp --sport 1024:2000
-A ${hook} -m conntrack --ctstate NEW,RELATED -m limit --limit 300/sec --limit-burst 2
COMMIT
`;
const HOSTS: readonly (readonly [string, HostGiven])[] = [
  ['INPUT', { local: ['10.1.2.3'], in: 'eth0' }],
  ['FORWARD', { forward: true, in: 'eth0', out: 'eth1' }],
];

/** What can be unusual about a datagram; the header's sum is made again. */
const CHANGES: ((frame: DataView, draw: Draw) => void)[] = [
  (frame, draw) => frame.setUint8(IP + 8, 1 + draw(3)),
  (frame, draw) => frame.setUint16(UDP + 4, [0, 7, 8, 25, 26, 27, 200][draw(7)]!),
  (frame, draw) => frame.setUint16(UDP + 6, draw(3)),
  (frame) => frame.setUint8(frame.byteLength - 1, 0x55),
  (frame, draw) => frame.setUint16(IP + 2, [28, 27, 35, 36, 40, 47][draw(6)]!),
  (frame, draw) => frame.setUint16(IP + 6, [0x2000, 1, 0x4000][draw(3)]!),
  (frame, draw) => frame.setUint8(IP, [0x45, 0x46, 0x44][draw(3)]!),
  (frame, draw) => frame.setUint8(IP + 9, [6, 17, 136][draw(3)]!),
  (frame) => frame.setUint32(0, 0x01005e00),
  (frame, draw) => frame.setUint16(UDP, [0, 53, 1500][draw(3)]!),
];

function summed(frame: DataView): void {
  frame.setUint16(IP + 10, 0);
  let sum = 0;
  for (let word = 0; word < 20; word += 2) sum += frame.getUint16(IP + word);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.setUint16(IP + 10, ~sum & 0xffff);
}

/** Every few of them are changed, come twice, are cut or late; breaks make streams, and end connections. */
function packetsOf(draw: Draw): Packet[] {
  let clock = 0n;
  return framesOf(datagrams(tcpTraffic(PACKETS, FLOWS))).map((bytes) => {
    const frame = new DataView(bytes.buffer);
    if (draw(6) === 0) {
      CHANGES[draw(CHANGES.length)]!(frame, draw);
      if (draw(12) > 0) summed(frame);
    }
    clock += BigInt(draw(200) === 0 ? 9_000_000 * draw(16) : draw(20_000));
    const late = draw(40) === 0 ? BigInt(draw(9000)) : 0n;
    return {
      microseconds: clock > late ? clock - late : clock,
      frame: draw(60) === 0 ? bytes.subarray(0, 30 + draw(30)) : bytes,
      wire: bytes.length,
    };
  });
}

test.each(HOSTS)(`what is unusual about a datagram is seen: %s (seed ${SEED})`, { timeout: 120_000 }, async (hook, given) => {
  let bare = 0;
  for (let index = 0; index < CASES; index++) {
    const draw = randomOf(SEED * CASES + index);
    const job: Job = {
      rules: { 4: parseSave(rulesOf(hook), { file: 'rules', family: 4 }) },
      host: buildHost(given),
      profile: { ...DEFAULT_PROFILE, backend: index % 2 === 0 ? 'nft' : 'legacy', sysctls: { nf_conntrack_checksum: draw(2) } },
    };
    const packets = packetsOf(draw);
    const capture = draw(2) === 0 ? asPcap(packets) : asPcapng(packets, draw, false);
    const { debug } = await expectAlike(job, capture, `case ${index}`);
    bare += debug.bareJudged();
  }
  expect(bare).toBeGreaterThan(0.15 * CASES * PACKETS);
});

test.each(HOSTS)('datagrams that are as usual are not decoded: %s', async (hook, given) => {
  const job: Job = {
    rules: { 4: parseSave(rulesOf(hook), { file: 'rules', family: 4 }) },
    host: buildHost(given),
    profile: DEFAULT_PROFILE,
  };
  const { debug } = await expectAlike(job, datagrams(tcpTraffic(PACKETS, FLOWS)), 'usual');
  // One opens a connection, one answers it, one in each direction keeps its way.
  expect(debug.bareJudged()).toBeGreaterThan(PACKETS - 6 * FLOWS);
});
