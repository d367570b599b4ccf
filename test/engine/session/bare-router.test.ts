/** Plain segments that a router forwards, judged without being decoded (assembly/bare.ts): TTL, MTU, devices, reverse paths and copies of what left count all the same. */
import { expect, test } from 'vitest';
import { buildHost, type HostGiven } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { asPcap, asPcapng, PACKETS, packetsOf } from './unusual.ts';

const RULES = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate INVALID
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -i eth1 -o eth0 -m conntrack --ctstate ESTABLISHED
-A FORWARD -o eth1 -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate NEW,INVALID,RELATED -m limit --limit 300/sec --limit-burst 2
-A FORWARD -p tcp -m tcp --dport 443 -m ttl --ttl-lt 63
COMMIT
`;
const CASES = 24;
const SMALLEST_MTU = 600;

const device = (ifname: string, local: string, mtu: number): object => ({
  ifname,
  flags: ['UP'],
  mtu,
  addr_info: [{ family: 'inet', local, prefixlen: 24 }],
});
const ROUTES = [
  [
    { dst: 'default', dev: 'eth0' },
    { dst: '10.1.0.0/16', dev: 'eth1' },
  ],
];
/** Routers that know more and more of themselves. The traffic is of 11.0.0.0/8 with 10.1.2.3. */
const ROUTERS: readonly HostGiven[] = [
  { forward: true, in: 'eth0', out: 'eth1' },
  { forward: true },
  { local: ['10.9.9.9/32@eth1', '192.0.2.1/32@eth0'], routes: ROUTES },
  { addresses: [device('eth0', '192.0.2.1', 1500), device('eth1', '10.1.9.9', SMALLEST_MTU)], routes: ROUTES },
];

test(`what a router does not forward is seen (seed ${SEED})`, { timeout: 120_000 }, async () => {
  // Of the captures that a seed has drawn for each router: packets that may go this way, and those that went it.
  const bare = ROUTERS.map(() => 0);
  const all = ROUTERS.map(() => 0);
  let stack = 0;
  for (let index = 0; index < CASES; index++) {
    const draw = randomOf(SEED * CASES + index);
    const kind = index % ROUTERS.length;
    const filtered = draw(3) === 0;
    const job: Job = {
      rules: { 4: parseSave(RULES, { file: 'rules', family: 4 }) },
      host: buildHost(ROUTERS[kind]!),
      profile: {
        ...DEFAULT_PROFILE,
        backend: index % 3 === 0 ? 'nft' : 'legacy',
        sysctls: { nf_conntrack_checksum: draw(2), ...(filtered && { 'net.ipv4.conf.all.rp_filter': 1 }) },
      },
    };
    const data = [1, 9, 700][draw(3)]!;
    const answered = draw(4) === 0;
    const packets = packetsOf(draw, data, false, answered);
    const plain = draw(2) === 0;
    const capture = plain ? asPcap(packets) : asPcapng(packets, draw);
    const { debug, expected } = await expectAlike(job, capture, `case ${index}`);
    // Where devices change from packet to packet, answers are lost or segments are larger than the last router's MTU, few are plain in what came before, or none.
    if (plain && !answered && (data < SMALLEST_MTU || kind < 3)) {
      all[kind]! += packets.length;
      bare[kind]! += debug.bareJudged();
    }
    stack += Object.values(expected.result.stack).reduce((sum, each) => sum + each, 0);
  }
  for (const [kind, count] of bare.entries()) expect(count, `router ${kind}`).toBeGreaterThanOrEqual(0.02 * all[kind]!);
  expect(stack).toBeGreaterThan(20 * CASES);
});

/** Of a whole capture of plain segments nearly all go this way, whichever router has it: what is drawn above says little of how many. */
test.each([...ROUTERS.keys()])('plain segments are judged in the loop, forwarded or not, by router %i', async (kind) => {
  const job: Job = {
    // A rule that asks for the TTL holds up those that come to it.
    rules: { 4: parseSave(RULES.replace(/.*ttl-lt.*\n/, ''), { file: 'rules', family: 4 }) },
    host: buildHost(ROUTERS[kind]!),
    profile: DEFAULT_PROFILE,
  };
  // Nothing is drawn: no packet is changed.
  const { debug } = await expectAlike(job, asPcap(packetsOf((below) => below - 1, 1, false)), 'usual');
  expect(debug.bareJudged()).toBeGreaterThan(0.75 * PACKETS);
});
