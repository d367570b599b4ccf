/** Plain segments of connections whose addresses are translated, judged without being decoded or translated (assembly/bare.ts): the replies are those of another key, and go another way than their bytes say. */
import { expect, test } from 'vitest';
import { buildHost, type HostGiven } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { asPcap, asPcapng, PACKETS, type Packet, packetsOf } from './unusual.ts';

const SERVER = 0x0a010203;
const ROUTER = 0x0a090909;
const [IP, TCP] = [14, 34];

const filter = (hook: string): string => `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A ${hook} -m conntrack --ctstate INVALID -j DROP
-A ${hook} -d 10.1.2.3 -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A ${hook} -m conntrack --ctstate ESTABLISHED --ctstatus SEEN_REPLY
-A ${hook} -m conntrack --ctstate NEW -m limit --limit 300/sec --limit-burst 2
COMMIT
`;
const nat = (...rules: string[]): string =>
  [
    '*nat',
    ...['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'].map((chain) => `:${chain} ACCEPT [0:0]`),
    ...rules,
    'COMMIT\n',
  ].join('\n');

const ROUTED: HostGiven = {
  local: ['10.9.9.9/32@eth1', '192.0.2.1/32@eth0'],
  routes: [
    [
      { dst: 'default', dev: 'eth0' },
      { dst: '10.1.0.0/16', dev: 'eth1' },
    ],
  ],
};
const HOST: HostGiven = { local: ['10.1.2.3', '10.9.9.9'], in: 'eth0' };

interface Case {
  name: string;
  rules: string;
  host: HostGiven;
  /** The address in a packet that the server sent, or that goes to it, at an offset of the IP header, is another one. */
  fromServer: boolean;
  offset: number;
  address: number;
  /** Of all packets, at least so many go the shortest way where nothing is unusual. */
  share: number;
}

const masqueraded = { fromServer: true, offset: 16, address: ROUTER, host: ROUTED };
const asked = { fromServer: false, offset: 16, address: ROUTER };
const CASES: readonly Case[] = [
  { ...masqueraded, name: 'MASQUERADE', rules: nat('-A POSTROUTING -o eth1 -j MASQUERADE') + filter('FORWARD'), share: 0.9 },
  { ...masqueraded, name: 'SNAT', rules: nat('-A POSTROUTING -j SNAT --to-source 10.9.9.9') + filter('FORWARD'), share: 0.9 },
  {
    ...asked,
    name: 'DNAT',
    rules: nat('-A PREROUTING -d 10.9.9.9 -j DNAT --to-destination 10.1.2.3') + filter('FORWARD'),
    host: ROUTED,
    share: 0.9,
  },
  // What answers leave by is turned: nothing is kept of them.
  {
    ...asked,
    name: 'DNAT to an own address',
    rules: nat('-A PREROUTING -d 10.9.9.9 -j DNAT --to-destination 10.1.2.3') + filter('INPUT'),
    host: HOST,
    share: 0.4,
  },
  // Half of the connections.
  {
    ...masqueraded,
    name: 'half of them',
    rules: nat('-A POSTROUTING -s 11.0.0.0/31 -o eth1 -j SNAT --to-source 10.9.9.9') + filter('FORWARD'),
    share: 0.3,
  },
  // Several walks on one way.
  {
    ...masqueraded,
    name: 'with a mangle table',
    rules: `${nat('-A POSTROUTING -o eth1 -j MASQUERADE')}*mangle\n:PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n${filter('FORWARD')}`,
    share: 0.9,
  },
  {
    ...asked,
    name: 'DNAT, and rules before and behind it',
    rules: `${nat('-A PREROUTING -d 10.9.9.9 -j DNAT --to-destination 10.1.2.3')}*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 10.9.9.9
-A PREROUTING -d 10.1.2.3
-A PREROUTING -m conntrack --ctstate ESTABLISHED
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 10.9.9.9
-A POSTROUTING -d 10.1.2.3 -m conntrack --ctstate DNAT --ctorigdst 10.9.9.9
-A POSTROUTING -o eth1
COMMIT
${filter('FORWARD')}`,
    host: ROUTED,
    share: 0.9,
  },
  // Answers go to one client: its own are in connections that nobody translates.
  { ...masqueraded, name: 'nobody', rules: nat() + filter('FORWARD'), address: 0x0b000001, share: 0.3 },
];

/** RFC 1624: a checksum where a word of what it is of changes. */
const changed = (sum: number, before: number, after: number): number => {
  let total = (~sum & 0xffff) + (~before & 0xffff) + after;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
};

function translated({ frame: bytes, ...packet }: Packet, { fromServer, offset, address }: Case): Packet {
  const frame = bytes.slice();
  const view = new DataView(frame.buffer);
  if (frame.length < TCP + 20 || (view.getUint32(IP + 12) === SERVER) !== fromServer) return { ...packet, frame };
  for (const half of [0, 2]) {
    const word = (address >>> (half === 0 ? 16 : 0)) & 0xffff;
    const before = view.getUint16(IP + offset + half);
    for (const at of [IP + 10, TCP + 16]) view.setUint16(at, changed(view.getUint16(at), before, word));
    view.setUint16(IP + offset + half, word);
  }
  return { ...packet, frame };
}

const jobOf = ({ rules, host }: Case, checksum: number, backend: 'nft' | 'legacy' = 'legacy'): Job => ({
  rules: { 4: parseSave(rules, { file: 'rules', family: 4 }) },
  host: buildHost(host),
  profile: { ...DEFAULT_PROFILE, backend, sysctls: { nf_conntrack_checksum: checksum } },
});

const ROUNDS = 4;

test.each(CASES)(
  `what is unusual about a translated segment is seen: $name (seed ${SEED})`,
  { timeout: 120_000 },
  async (one) => {
    let bare = 0;
    for (let index = 0; index < ROUNDS; index++) {
      const draw = randomOf(SEED * ROUNDS + index);
      const packets = packetsOf(draw, [1, 9, 700][draw(3)]!, draw(3) === 0, draw(4) === 0, draw(2) === 0).map((packet) =>
        translated(packet, one),
      );
      // As captured at all devices, too: what went out is behind the translation.
      const capture = index % 2 === 0 ? asPcap(packets) : asPcapng(packets, draw, false);
      const job = jobOf(one, draw(2), draw(2) === 0 ? 'nft' : 'legacy');
      const { debug } = await expectAlike(job, capture, `round ${index}`);
      bare += debug.bareJudged();
    }
    if (one.share > 0.3) expect(bare).toBeGreaterThan(0.02 * ROUNDS * PACKETS);
  },
);

test.each(CASES)('usual segments go the shortest way: $name', async (one) => {
  const usual = packetsOf((below) => below - 1, 1, false).map((packet) => translated(packet, one));
  const { debug } = await expectAlike(jobOf(one, 1), asPcap(usual), 'usual');
  expect(debug.bareJudged()).toBeGreaterThanOrEqual(one.share * PACKETS);
});
