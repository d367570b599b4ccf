/** Plain segments that meet several tables (assembly/whole.ts), judged without being decoded where all that their rules ask is the same for a connection; and those that do not, where a table asks, or does, more. */
import { expect, test } from 'vitest';
import { buildHost, type HostGiven } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { asPcap, asPcapng, PACKETS, packetsOf } from './unusual.ts';

const table = (name: string, hooks: string, ...rules: string[]): string =>
  [`*${name}`, ...hooks.split(' ').map((hook) => `:${hook} ACCEPT [0:0]`), ...rules, 'COMMIT', ''].join('\n');
const raw = (...rules: string[]): string => table('raw', 'PREROUTING OUTPUT', ...rules);
const mangle = (...rules: string[]): string => table('mangle', 'PREROUTING INPUT FORWARD OUTPUT POSTROUTING', ...rules);
const filter = (...rules: string[]): string =>
  table(
    'filter',
    'INPUT FORWARD OUTPUT',
    ...rules,
    '-A INPUT -m conntrack --ctstate INVALID -j DROP',
    '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT',
    '-A FORWARD -m conntrack --ctstate INVALID -j DROP',
    '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT',
    '-A INPUT -m conntrack --ctstate NEW -m limit --limit 300/sec --limit-burst 2',
  );
const NAT = table('nat', 'PREROUTING INPUT OUTPUT POSTROUTING');
const SECURITY = table('security', 'INPUT FORWARD OUTPUT', '-A INPUT -p tcp -m tcp --sport 1024:', '-A OUTPUT -s 10.1.2.3');

const HOST: HostGiven = { local: ['10.1.2.3'], in: 'eth0' };
const ROUTED: HostGiven = {
  local: ['10.9.9.9/32@eth1', '192.0.2.1/32@eth0'],
  routes: [
    [
      { dst: 'default', dev: 'eth0' },
      { dst: '10.1.0.0/16', dev: 'eth1' },
    ],
  ],
};

interface Case {
  name: string;
  rules: string;
  host?: HostGiven;
  /** Of all packets, so many at least, and at most, go the shortest way where nothing is unusual. */
  share: readonly [number, number];
}

const MOST = [0.75, 1] as const;
const NONE = [0, 0] as const;
/** Those that come in go another way than those that go out. */
const HALF = [0.3, 0.6] as const;
const CASES: readonly Case[] = [
  { name: 'tables without rules', rules: raw() + mangle() + NAT + filter() + SECURITY, share: MOST },
  {
    name: 'raw knows no connection yet',
    rules:
      raw(
        '-A PREROUTING -m conntrack --ctstate ESTABLISHED',
        '-A PREROUTING -m conntrack --ctstatus ASSURED',
        '-A PREROUTING -i eth0 -p tcp -m tcp --dport 443',
        '-A OUTPUT -o eth0 -m conntrack --ctdir REPLY',
      ) + filter('-A INPUT -m conntrack --ctstatus ASSURED --ctdir ORIGINAL'),
    share: MOST,
  },
  {
    name: 'chains, address types, ways back, sockets, and tuples',
    rules: `*raw\n:PREROUTING ACCEPT [0:0]\n:all - [0:0]\n:some - [0:0]\n-A PREROUTING -j all\n-A PREROUTING -m rpfilter --invert -j DROP\n-A all -s 11.0.0.0/31 -g some\n-A some -j RETURN\nCOMMIT\n${mangle(
      '-A INPUT -m addrtype --dst-type LOCAL',
      '-A INPUT -m addrtype --src-type LOCAL --limit-iface-in',
      '-A OUTPUT -m conntrack --ctorigdst 10.1.2.3 --ctorigdstport 443',
      '-A OUTPUT -m owner --uid-owner 0 -j DROP',
      '-A POSTROUTING -m conntrack --ctproto 6',
    )}${filter()}`,
    share: MOST,
  },
  {
    name: 'a router',
    rules:
      raw('-A PREROUTING -i eth1') +
      mangle('-A FORWARD -i eth1 -o eth0', '-A POSTROUTING -o eth1', '-A PREROUTING -i eth0') +
      filter(),
    host: ROUTED,
    share: MOST,
  },
  {
    name: 'a mark for what comes later',
    rules: mangle('-A PREROUTING -i eth0 -j MARK --set-xmark 0x1/0x1') + filter('-A INPUT -m mark --mark 0x1'),
    share: HALF,
  },
  { name: 'a mark that nobody sets', rules: mangle() + filter('-A INPUT -m mark --mark 0x1'), share: MOST },
  { name: 'a TTL', rules: mangle('-A POSTROUTING -j TTL --ttl-set 64') + filter(), share: NONE },
  { name: 'lengths before conntrack', rules: raw('-A PREROUTING -m length --length 0:45') + filter(), share: HALF },
  {
    name: 'a limit behind all',
    rules: filter() + table('security', 'INPUT FORWARD OUTPUT', '-A INPUT -m limit --limit 500/sec -j DROP'),
    share: HALF,
  },
  {
    name: 'some are dropped late',
    rules:
      raw() +
      filter() +
      table('security', 'INPUT', '-A INPUT -p tcp -m tcp --dport 443 -m conntrack --ctstate ESTABLISHED -j DROP'),
    share: [0.3, 0.9],
  },
  {
    name: 'nothing is tracked',
    rules: raw('-A PREROUTING -j CT --notrack', '-A OUTPUT -j CT --notrack') + filter(),
    share: NONE,
  },
  {
    name: 'lifetimes',
    rules: mangle('-A PREROUTING -m conntrack --ctexpire 100:400000', '-A OUTPUT -m conntrack --ctexpire 100:400000') + filter(),
    share: NONE,
  },
  // With one of these numbers of rules the way has no room left just where a table ends.
  ...[5, 6, 7, 8, 9].map((count) => ({
    name: `one way for ${count} rules, and two tables behind them`,
    rules:
      mangle(...Array.from({ length: count }, (_, index) => `-A PREROUTING -m conntrack --ctorigdst 10.1.2.${index}`)) + filter(),
    share: [0.3, 1] as const,
  })),
  {
    name: 'more rules than a way has room for',
    rules:
      raw(...Array.from({ length: 6 }, (_, index) => `-A PREROUTING -s 11.0.0.${index}/32`)) +
      mangle(
        ...Array.from(
          { length: 12 },
          (_, index) => `-A PREROUTING ! -d 11.0.0.${index}/32 -p tcp -m multiport --dports ${1 + index},443`,
        ),
      ) +
      filter(),
    share: [0.3, 1],
  },
];

const jobOf = ({ rules, host = HOST }: Case, checksum = 1, backend: 'nft' | 'legacy' = 'legacy'): Job => ({
  rules: { 4: parseSave(rules, { file: 'rules', family: 4 }) },
  host: buildHost(host),
  profile: { ...DEFAULT_PROFILE, backend, sysctls: { nf_conntrack_checksum: checksum } },
});

const ROUNDS = 3;

test.each(CASES)(
  `what is unusual about a segment is seen by all tables: $name (seed ${SEED})`,
  { timeout: 120_000 },
  async (one) => {
    for (let index = 0; index < ROUNDS; index++) {
      const draw = randomOf(SEED * ROUNDS + index);
      const packets = packetsOf(draw, [1, 9, 700][draw(3)]!, draw(3) === 0, draw(4) === 0, draw(2) === 0);
      const capture = index % 2 === 0 ? asPcap(packets) : asPcapng(packets, draw, false);
      await expectAlike(jobOf(one, draw(2), draw(2) === 0 ? 'nft' : 'legacy'), capture, `round ${index}`);
    }
  },
);

test.each(CASES)('usual segments go the shortest way, or not: $name', async (one) => {
  const { debug } = await expectAlike(jobOf(one), asPcap(packetsOf((below) => below - 1, 1, false)), 'usual');
  expect(debug.bareJudged() / PACKETS).toBeGreaterThanOrEqual(one.share[0]);
  expect(debug.bareJudged() / PACKETS).toBeLessThanOrEqual(one.share[1]);
});

test('of some own packets it is told whose they are', { timeout: 60_000 }, async () => {
  const annotations = new Map(
    Array.from({ length: PACKETS / 7 }, (_, index) => [7 * index + 1, { socket: true, uid: index % 2 }] as const),
  );
  const rules = mangle('-A OUTPUT -m owner --uid-owner 0') + filter('-A OUTPUT -m owner --uid-owner 1 -j DROP');
  const { debug } = await expectAlike(
    { ...jobOf({ name: 'owners', rules, share: NONE }), annotations },
    asPcap(packetsOf((below) => below - 1, 1, false)),
    'owners',
  );
  expect(debug.bareJudged() / PACKETS).toBeLessThan(HALF[1]);
});
