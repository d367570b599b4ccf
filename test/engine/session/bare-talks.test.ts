/** Datagrams over IPv6 and datagrams whose addresses a router translates, judged without being decoded (assembly/six.ts, assembly/conntrack/datagram.ts), and what stands in front of connections and asks all their packets the same. */
import { expect, test } from 'vitest';
import { datagrams, shell, type Talk, talking, type View } from '../../../bench/talks.ts';
import { fold, sum } from '../../../bench/traffic.ts';
import { buildHost, type HostGiven } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Family } from '../../../src/model/ruleset.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseIpsets, parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { asPcap, asPcapng, type Draw, framesOf, type Packet } from './unusual.ts';

const [PACKETS, ROUNDS] = [2000, 4];
const IP = 14;
const UDP = 17;

const SIX: View = { client: (number) => 0x0b000000 + (number % 40), server: 0x0a010203, six: true };
const HIDDEN: View = { client: (number) => 0xc0a80102 + (number % 40), server: 0xc6336401, clientSeen: 0xcb007101 };
const HOST: HostGiven = { local: ['10.1.2.3', '2001:db8::a01:203'], in: 'eth0' };
const ROUTER: HostGiven = {
  local: ['203.0.113.1/24@eth0', '192.168.0.1/16@eth1', '2001:db8::cb00:7101/128@eth0'],
  routes: [
    [{ dst: 'default', dev: 'eth0' }],
    [
      { dst: 'default', dev: 'eth0' },
      { dst: '2001:db8::c0a8:0/112', dev: 'eth1' },
    ],
  ],
};

const filter = (...front: string[]): string =>
  [
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ...front,
    '-A INPUT -m conntrack --ctstate INVALID -j DROP',
    '-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT',
    '-A FORWARD -m conntrack --ctstate INVALID -j DROP',
    '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT',
    '-A INPUT -m conntrack --ctstate NEW -m limit --limit 300/sec --limit-burst 2',
    'COMMIT\n',
  ].join('\n');
const NAT = '*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n';
const MASQUERADE = `${NAT}-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n`;
const MANGLE =
  '*mangle\n:PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth0\nCOMMIT\n';

interface Case {
  name: string;
  family: Family;
  rules: string;
  host: HostGiven;
  view: View;
  talks: readonly Talk[];
  /** Of usual packets so many at least, and at most, are judged by their bytes. */
  share: readonly [number, number];
  sets?: string;
}

const DATAGRAMS = [datagrams(443, 80, 400, 40), datagrams(10_000, 172, 172, 60), datagrams(53, 9, 30, 20)];
const MOST = [0.7, 1] as const;
const six = { family: 6, view: SIX, host: HOST, talks: DATAGRAMS, share: MOST } as const;
const hidden = { family: 4, view: HIDDEN, host: ROUTER, talks: DATAGRAMS, share: MOST } as const;
const four = { family: 4, view: { ...SIX, six: false }, host: HOST, talks: [...DATAGRAMS, shell()], share: MOST } as const;
const SETS = `create bad hash:net family inet
create worse hash:ip,port family inet
create counted hash:ip family inet counters
create over hash:ip family inet timeout 600
create filled hash:ip family inet
create cards hash:mac
add bad 11.0.0.3
add bad 11.0.0.128/25
add worse 11.0.0.5,tcp:22
add worse 11.0.0.6,udp:443
add counted 11.0.0.9
add over 11.0.0.10 timeout 1
add cards 02:00:00:00:00:02
`;
const CASES: readonly Case[] = [
  {
    ...six,
    name: 'datagrams over IPv6',
    rules: filter('-A INPUT -m conntrack --ctstatus ASSURED', '-A OUTPUT -p udp -m udp --sport 53'),
  },
  { ...six, name: 'the same, and a nat table', rules: `${NAT}COMMIT\n${MANGLE}${filter()}`, talks: [...DATAGRAMS, shell()] },
  {
    ...six,
    name: 'the same, forwarded',
    rules: filter('-A FORWARD -i eth1 -j ACCEPT'),
    host: { forward: true, in: 'eth0', out: 'eth1' },
  },
  {
    ...hidden,
    name: 'translated datagrams',
    rules: MASQUERADE + filter('-A FORWARD -d 192.168.0.0/16 -m conntrack --ctstatus ASSURED'),
  },
  { ...hidden, name: 'translated datagrams, and several tables', rules: MASQUERADE + MANGLE + filter() },
  // No room for their edges.
  {
    ...hidden,
    name: 'translated over IPv6',
    family: 6,
    view: { ...HIDDEN, six: true },
    rules: MASQUERADE + filter(),
    share: [0, 0],
  },
  {
    ...four,
    name: 'sets in front',
    sets: SETS,
    rules: filter('-A INPUT -m set --match-set bad src -j DROP', '-A INPUT -m set --match-set worse src,dst -j REJECT'),
    share: [0.6, 1],
  },
  { ...four, name: 'sets that count', sets: SETS, rules: filter('-A INPUT -m set --match-set counted src'), share: [0.3, 0.6] },
  {
    ...four,
    name: 'sets of MACs, which packets do not share',
    sets: SETS,
    rules: filter('-A INPUT -m set --match-set cards dst'),
    share: [0.3, 0.6],
  },
  {
    ...four,
    name: 'sets whose entries end',
    sets: SETS,
    rules: filter('-A INPUT -m set --match-set over src'),
    share: [0.3, 0.6],
  },
  {
    ...four,
    name: 'sets that rules fill',
    sets: SETS,
    rules: filter('-A INPUT -m set --match-set filled src', '-A OUTPUT -p udp -m udp --sport 53 -j SET --add-set filled dst'),
    share: [0, 0.6],
  },
  {
    ...four,
    name: 'marks that a table sets for some',
    rules: `*mangle\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -s 11.0.0.0/28 -j MARK --set-mark 3\nCOMMIT\n${filter('-A INPUT -m mark --mark 3 -j ACCEPT', '-A INPUT -m mark --mark 0')}`,
    share: [0.5, 0.95],
  },
];

const jobOf = ({ rules, family, host, sets }: Case, sysctls = {}, backend: 'nft' | 'legacy' = 'legacy'): Job => ({
  rules: { [family]: parseSave(rules, { file: 'rules', family }) },
  host: buildHost(host),
  profile: { ...DEFAULT_PROFILE, backend, sysctls },
  ...(sets !== undefined && { sets: parseIpsets(sets, 'sets') }),
});

/** What can be unusual about a datagram, before its sums are made; offsets of its IP header and of its own. */
const CHANGES: ((frame: DataView, at: number, draw: Draw) => void)[] = [
  (frame, at, draw) => frame.setUint16(at + 4, [0, 7, 8, 9, 16, 17, 18, 200, 408, 409][draw(10)]!),
  (frame, at, draw) => frame.setUint16(at + 2 * draw(2), [0, 53, 443, 1500][draw(4)]!),
  (frame, _, draw) => frame.setUint8(IP, [0x45, 0x46, 0x44, 0x60, 0x61][draw(5)]!),
  (frame, _, draw) => frame.setUint8(IP + (frame.getUint16(12) === 0x0800 ? 8 : 7), draw(3)),
  (frame, _, draw) => frame.setUint8(IP + (frame.getUint16(12) === 0x0800 ? 9 : 6), [6, 17, 43, 44, 59, 60, 136][draw(7)]!),
  (frame, _, draw) =>
    frame.setUint16(IP + (frame.getUint16(12) === 0x0800 ? 2 : 4), [0, 7, 8, 9, 28, 36, 37, 48, 56, 57, 400][draw(11)]!),
  (frame, _, draw) => frame.setUint8(IP + 8 + draw(32), draw(4)),
  (frame, _, draw) => frame.setUint8(0, draw(2)),
];

function summed(frame: DataView, at: number): void {
  const isFour = frame.getUint16(12) === 0x0800;
  if (isFour) {
    frame.setUint16(IP + 10, 0);
    frame.setUint16(IP + 10, fold(sum(frame, IP, 20)));
  }
  const said = isFour ? frame.getUint16(IP + 2) - 20 : frame.getUint16(IP + 4);
  const length = Math.max(0, Math.min(said, frame.byteLength - at));
  frame.setUint16(at + 6, 0);
  const odd = length % 2 === 1 ? frame.getUint8(at + length - 1) << 8 : 0;
  const total =
    UDP + length + odd + (isFour ? sum(frame, IP + 12, 8) : sum(frame, IP + 8, 32)) + sum(frame, at, length - (length % 2));
  frame.setUint16(at + 6, fold(total));
}

/** Every few are changed, cut, doubled; breaks make streams, and end connections. */
function changed(frames: readonly Uint8Array[], draw: Draw): Packet[] {
  let clock = 0n;
  return frames.flatMap((bytes) => {
    const frame = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const at = IP + (frame.getUint16(12) === 0x0800 ? 20 : 40);
    if (draw(6) === 0) {
      CHANGES[draw(CHANGES.length)]!(frame, at, draw);
      if (draw(5) > 0) summed(frame, at);
      if (draw(8) === 0) frame.setUint16(at + 6, draw(2));
    }
    clock += BigInt(draw(200) === 0 ? 9_000_000 * draw(16) : draw(20_000));
    const packet = { microseconds: clock, frame: draw(60) === 0 ? bytes.subarray(0, 30 + draw(40)) : bytes, wire: bytes.length };
    return draw(30) === 0 ? [packet, packet] : [packet];
  });
}

const framesFor = ({ talks, view }: Case, seed: number): Uint8Array[] =>
  framesOf(
    talking(
      PACKETS,
      30,
      talks.map((talk) => [talk, view] as const),
      seed,
    ),
  ).map((frame) => frame.slice());

test.each(CASES)(`what is unusual is seen: $name (seed ${SEED})`, { timeout: 120_000 }, async (one) => {
  for (let index = 0; index < ROUNDS; index++) {
    const draw = randomOf(SEED * ROUNDS + index);
    const packets = changed(framesFor(one, 1 + index), draw);
    const capture = index % 2 === 0 ? asPcap(packets) : asPcapng(packets, draw, false);
    const job = jobOf(one, { nf_conntrack_checksum: draw(2) }, index % 2 === 0 ? 'nft' : 'legacy');
    await expectAlike(job, capture, `round ${index}`);
  }
});

test.each(CASES)('what is usual is judged by its bytes, or not: $name', async (one) => {
  const packets = framesFor(one, 1).map((frame, index) => ({ microseconds: BigInt(10 * index), frame, wire: frame.length }));
  const { debug } = await expectAlike(jobOf(one), asPcap(packets), 'usual');
  expect(debug.bareJudged() / PACKETS).toBeGreaterThanOrEqual(one.share[0]);
  expect(debug.bareJudged() / PACKETS).toBeLessThanOrEqual(one.share[1]);
});
