/** What a capture shows and a replay does not judge, or not follow: counted by both witnesses, and told. */
import { expect, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { compile } from '../../src/compile/index.ts';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { notFollowedNotes } from '../../src/model/not-followed.ts';
import { DEFAULT_PROFILE, type Profile } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { unjudgedNote } from '../../src/model/vantage.ts';
import type { Job, ReplayResult } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import { parseSave } from '../../src/syntax/index.ts';

const SLL = 113;
const [IN, OUT] = [0, 4];
const [UDP, DCCP] = [17, 33];
const ROUTERS = 'ff02::2';

interface Sent {
  type: typeof IN | typeof OUT;
  source: string;
  destination: string;
  protocol?: number;
}

/** `all`: with ff02::1, as "ip -j maddr" always has them of a device with IPv6. */
const hostOf = (groups?: { eth0: string[]; eth1: string[] }) =>
  buildHost({
    addresses: [
      { ifname: 'eth0', addr_info: [{ family: 'inet', local: '192.0.2.1', prefixlen: 24 }] },
      { ifname: 'eth1', addr_info: [{ family: 'inet6', local: '2001:db8::1', prefixlen: 64 }] },
    ],
    ...(groups && {
      groups: Object.entries(groups).map(([ifname, names]) => ({
        ifname,
        maddr: names.map((address) => ({ family: address.includes(':') ? 'inet6' : 'inet', address })),
      })),
    }),
  });

async function results(
  family: Family,
  rules: string,
  sent: readonly Sent[],
  host = hostOf(),
  profile: Partial<Profile> = {},
): Promise<ReplayResult> {
  const job: Job = {
    rules: { [family]: parseSave(rules, { file: 'rules', family }) },
    host,
    profile: { ...DEFAULT_PROFILE, ...profile },
  };
  const protocol = family === 4 ? [8, 0] : [0x86, 0xdd];
  const frames = sent.map(({ type, protocol: carried = UDP, ...ends }, at) => {
    const bytes = usualPacket({ family, protocol: carried, ...ends }, udpDatagram(1000, 53, 20));
    return {
      time: BigInt(at + 1) * 1_000_000n,
      bytes: Uint8Array.of(0, type, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, ...protocol, ...bytes),
    };
  });
  const capture = writePcap(
    frames.map((one) => ({ ...one, wire: one.bytes.length })),
    SLL,
  );
  const [engine, reference] = [
    await engineSession(job, { image: compile(job), hashKey: hashKeyOf(job), onPacket: () => {} }),
    referenceSession(job),
  ].map((session) => {
    session.startCapture('memory');
    session.feed(capture);
    session.endCapture();
    return session.result();
  });
  expect({ ...engine, notes: [] }).toEqual({ ...reference, notes: [] });
  return reference!;
}

const TO_A_NEIGHBOUR = ['*nat', '-A POSTROUTING -o eth0 -j SNAT --to-source 192.0.2.77', 'COMMIT', ''].join('\n');

test('an own packet that SNAT gave an address of another one is not judged, and counted', async () => {
  const sent: Sent[] = [
    { type: IN, source: '198.51.100.7', destination: '192.0.2.1' },
    { type: OUT, source: '192.0.2.77', destination: '198.51.100.9' },
    { type: OUT, source: '192.0.2.77', destination: '198.51.100.8' },
  ];
  const { unjudged, unseen } = await results(4, TO_A_NEIGHBOUR, sent);
  expect({ unjudged, unseen }).toEqual({
    unjudged: { packets: 2, first: 2 },
    unseen: { 'outgoing copy of a forwarded packet': 2 },
  });
  expect(unjudgedNote(unjudged).join()).toMatch(/^2 packets \(the first: 2\) went out from addresses that this host has not/);
});

test('the copy of a packet that was sent on is no such packet', async () => {
  const sent: Sent[] = [
    { type: IN, source: '198.51.100.7', destination: '192.0.2.9' },
    { type: OUT, source: '192.0.2.77', destination: '192.0.2.9' },
  ];
  const { unjudged, hooks } = await results(4, TO_A_NEIGHBOUR, sent);
  expect({ unjudged, forwarded: hooks.FORWARD }).toEqual({ unjudged: { packets: 0, first: 0 }, forwarded: 1 });
});

const STATES = (chain: string): string => ['*filter', `-A ${chain} -m conntrack --ctstate NEW`, 'COMMIT', ''].join('\n');

test.each([
  ['6.1', true],
  ['6.12', true],
  ['6.18', false],
] as const)('DCCP, Linux %s', async (kernel, dccp) => {
  const sent: Sent[] = [{ type: IN, source: '198.51.100.7', destination: '192.0.2.1', protocol: DCCP }];
  const { notFollowed } = await results(4, STATES('INPUT'), sent, undefined, { kernel });
  expect(notFollowed).toEqual({ dccp, toGroups: false, loopedParts: false });
  expect(notFollowedNotes(notFollowed)).toHaveLength(dccp ? 1 : 0);
});

test.each([
  [4, '192.0.2.1', '239.1.2.3', { eth0: ['224.0.0.1', '239.1.2.3'], eth1: [] }, true],
  [4, '192.0.2.1', '239.1.2.3', { eth0: ['224.0.0.1'], eth1: ['239.1.2.3'] }, false],
  [4, '192.0.2.1', '224.0.0.1', undefined, true],
  [4, '192.0.2.1', '255.255.255.255', undefined, false],
  [6, '2001:db8::1', 'ff02::1', undefined, true],
  [6, '2001:db8::1', 'ff02::fb', undefined, false],
] as const)('an own IPv%d packet from %s to %s, groups %j', async (family, source, destination, groups, toGroups) => {
  const told = groups && { eth0: [...groups.eth0], eth1: [...groups.eth1] };
  const sent: Sent[] = [{ type: OUT, source, destination }];
  const { notFollowed } = await results(family, STATES('OUTPUT'), sent, hostOf(told));
  expect(notFollowed).toEqual({ dccp: false, toGroups, loopedParts: false });
});

test.each([
  ['nothing is told: a router', undefined, {}, 1],
  ['nothing is told: no router', undefined, { 'net.ipv6.conf.all.forwarding': 0 }, 0],
  ['not in the list of the device', { eth0: [], eth1: ['ff02::1', 'ff01::1'] }, {}, 0],
  ['in the list of the device', { eth0: [], eth1: ['ff02::1', 'ff01::1', ROUTERS] }, {}, 1],
  ['in the list, though it is no router', { eth0: [], eth1: ['ff02::1', ROUTERS] }, { 'net.ipv6.conf.all.forwarding': 0 }, 1],
  ['a list made by hand', { eth0: [], eth1: ['ff02::fb'] }, {}, 1],
  ['the list of another device', { eth0: ['ff02::1'], eth1: [] }, {}, 1],
] as const)('all routers (%s)', async (_, groups, sysctls, input) => {
  const told = groups && { eth0: [...groups.eth0], eth1: [...groups.eth1] };
  const sent: Sent[] = [{ type: IN, source: '2001:db8::7', destination: ROUTERS }];
  const { hooks, verdicts } = await results(6, STATES('INPUT'), sent, hostOf(told), { sysctls });
  expect({ accepted: verdicts.ACCEPT, stack: verdicts.STACK, input: hooks.INPUT }).toEqual({
    accepted: input,
    stack: 1 - input,
    input: 1,
  });
});
