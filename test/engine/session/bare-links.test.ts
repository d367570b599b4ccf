/** Packets behind other link headers than Ethernet's, and those of hosts whose MACs are told, are judged by their bytes as well (assembly/packet/seek.ts); what their headers say otherwise is seen all the same. */
import { expect, test } from 'vitest';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { LINKS, OWN_MAC, ofLinktype, over, withMacs } from './links.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { asPcap, asPcapng, type Draw, FLOWS, PACKETS, packetsOf } from './unusual.ts';

const TRACKED = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate INVALID
-A INPUT -i eth1 -m conntrack --ctstate ESTABLISHED
-A INPUT -m pkttype --pkt-type broadcast -m conntrack --ctstate ESTABLISHED -j DROP
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -m limit --limit 300/sec --limit-burst 2
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A OUTPUT -m conntrack --ctstate INVALID -j DROP
-A OUTPUT -m conntrack --ctstate ESTABLISHED
COMMIT
`;
/** Nothing tracks: flows (assembly/flows.ts). */
const PORTS = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m tcp --sport 1024:30000
-A INPUT -i eth1 -j DROP
-A OUTPUT -p tcp -m tcp --sport 443
-A FORWARD -s 11.0.0.0/31 -j DROP
COMMIT
`;

const device = (name: string, number: number, mac: string, address?: string): object => ({
  ifindex: number,
  ifname: name,
  address: mac,
  addr_info: address === undefined ? [] : [{ family: 'inet', local: address, prefixlen: 24 }],
});
/** The MACs and numbers of its devices are told. */
const TOLD = {
  addresses: [
    device('lo', 1, '00:00:00:00:00:00', '127.0.0.1'),
    device('eth0', 2, OWN_MAC, '10.1.2.3'),
    device('eth1', 3, '02:00:00:00:00:03', '192.0.2.1'),
  ],
  routes: [[{ dst: 'default', gateway: '10.1.2.1', dev: 'eth0' }]],
};
const HOSTS = [
  ['', { local: ['10.1.2.3'], in: 'eth0' }],
  [', MACs told', TOLD],
] as const;
const KINDS = HOSTS.flatMap(([told, given]) => LINKS.map((link) => [`${link.name}${told}`, link, given] as const));
const usual: Draw = (below) => below - 1;

const jobOf = (rules: string, given: (typeof HOSTS)[number][1], sysctls = {}): Job => ({
  rules: { 4: parseSave(rules, { file: 'rules', family: 4 }) },
  host: buildHost(given as Parameters<typeof buildHost>[0]),
  profile: { ...DEFAULT_PROFILE, sysctls },
});

/** Headers that are no IPv4's, and more tags than are looked for, are decoded. */
const isJudged = (name: string): boolean => name !== 'IPv6';

test.each(KINDS)('what is usual goes this way: %s', { timeout: 120_000 }, async (_name, link, given) => {
  const capture = ofLinktype(asPcap(over(link, packetsOf(usual, 1, true), usual)), link.linktype);
  const { debug } = await expectAlike(jobOf(TRACKED, given), capture, 'tracked');
  if (!isJudged(link.name)) expect(debug.bareJudged()).toBe(0);
  else expect(debug.bareJudged()).toBeGreaterThan(0.9 * PACKETS);
  expect(debug.bareLooked()).toBeLessThan(6 * FLOWS);
  const flows = await expectAlike(jobOf(PORTS, given), capture, 'flows');
  if (!isJudged(link.name)) expect(flows.debug.flowsJudged()).toBe(0);
  else expect(flows.debug.flowsJudged()).toBeGreaterThan(0.9 * PACKETS);
});

test.each(KINDS)(`what is unusual is seen: %s (seed ${SEED})`, { timeout: 120_000 }, async (_name, link, given) => {
  let bare = 0;
  for (let index = 0; index < 2; index++) {
    const draw = randomOf(SEED * 2 + index);
    const all = packetsOf(draw, [1, 21][draw(2)]!, draw(2) === 0, draw(2) === 0);
    const packets = given === TOLD ? withMacs(all, draw) : all;
    const capture = ofLinktype(asPcap(over(link, packets, draw)), link.linktype);
    const job = jobOf(index % 2 === 0 ? TRACKED : PORTS, given, { nf_conntrack_checksum: draw(2) });
    const { debug } = await expectAlike(job, capture, `case ${index}`);
    bare += debug.bareJudged() + debug.flowsJudged();
  }
  if (isJudged(link.name)) expect(bare).toBeGreaterThan(0.04 * 2 * PACKETS);
  else expect(bare).toBe(0);
});

test(`where a capture names devices and directions, MACs are asked beside them (seed ${SEED})`, {
  timeout: 120_000,
}, async () => {
  let bare = 0;
  for (let index = 0; index < 8; index++) {
    const draw = randomOf(SEED * 8 + index);
    const given = index % 4 === 3 ? { ...TOLD, forward: true, in: 'eth0', out: 'eth1' } : TOLD;
    const capture = asPcapng(withMacs(packetsOf(draw, 1, false, false, false), draw), draw, false);
    const { debug } = await expectAlike(jobOf(index % 2 === 0 ? TRACKED : PORTS, given), capture, `case ${index}`);
    bare += debug.bareJudged() + debug.flowsJudged();
  }
  expect(bare).toBeGreaterThan(0.1 * 8 * PACKETS);
});
