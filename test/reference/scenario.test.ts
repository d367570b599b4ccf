/** Whole replays with counters worked out by hand, and the ways through a host. */
import { describe, expect, test } from 'vitest';
import type { HostGiven } from '../../src/model/host-build.ts';
import { explain } from '../../src/reference/index.ts';
import { ACK, FIN, icmp, ip, join, ping, SYN, tcp, udp } from './build.ts';
import { FORWARDING, frameOf, jobOf, replay } from './replay.ts';

const ETHERNET = (destination: string, source: string, type: string, bytes: Uint8Array): Uint8Array =>
  join(Buffer.from(destination + source + type, 'hex'), bytes);
const HOST: HostGiven = {
  addresses: [
    { ifname: 'lo', addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8 }] },
    {
      ifname: 'eth0',
      address: '02:00:00:00:00:01',
      mtu: 1500,
      addr_info: [
        { family: 'inet', local: '192.0.2.1', prefixlen: 24 },
        { family: 'inet6', local: '2001:db8::1', prefixlen: 64 },
      ],
    },
    { ifname: 'eth1', addr_info: [{ family: 'inet', local: '198.51.100.1', prefixlen: 24 }], mtu: 576 },
  ],
  routes: [
    [
      { dst: '203.0.113.0/24', dev: 'eth1' },
      { dst: '203.0.113.128/25', type: 'unreachable' },
    ],
  ],
};
const PLAIN = '*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n';

test('a web server: counters, verdicts and paths', () => {
  const rules = `*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:web - [0:0]
-A INPUT -m state --state ESTABLISHED -j ACCEPT
-A INPUT -p tcp -j web
-A INPUT -p icmp -j REJECT
-A web -p tcp -m tcp --dport 80 --syn -j ACCEPT
-A web -p tcp -m tcp --dport 22
COMMIT
`;
  const [client, server] = ['203.0.113.9 4000', '192.0.2.1 80'];
  const frames = [
    tcp(client, server, SYN, { seq: 1000 }),
    tcp(server, client, SYN | ACK, { seq: 5000, ack: 1001 }),
    tcp(client, server, ACK, { seq: 1001, ack: 5001, data: 100 }),
    tcp(client, server, FIN | ACK, { seq: 1101, ack: 5001 }),
    tcp('203.0.113.9 4001', '192.0.2.1 22', SYN),
    ping('203.0.113.9', '192.0.2.1'),
  ].map((bytes, i) => frameOf(bytes, i));
  const { result, outcomes } = replay(jobOf(rules, HOST), frames);
  expect(result.counters[4]?.filter).toEqual({
    INPUT: {
      policy: 'DROP',
      packets: 1,
      bytes: 40,
      rules: [
        { packets: 2, bytes: 180 },
        { packets: 2, bytes: 80 },
        { packets: 1, bytes: 28 },
      ],
    },
    FORWARD: { policy: 'ACCEPT', packets: 0, bytes: 0, rules: [] },
    OUTPUT: { policy: 'ACCEPT', packets: 1, bytes: 40, rules: [] },
    web: {
      policy: null,
      packets: 0,
      bytes: 0,
      rules: [
        { packets: 1, bytes: 40 },
        { packets: 1, bytes: 40 },
      ],
    },
  });
  // SYN 1+1+1, answer 0, two established 1 each, SSH 3 rules of INPUT and 2 of web, ping 3.
  expect(result.evaluations).toBe(3 + 0 + 2 + 5 + 3);
  expect(result.verdicts).toEqual({ ACCEPT: 4, DROP: 1, REJECT: 1, STACK: 0 });
  expect(result.hooks).toEqual({ INPUT: 5, OUTPUT: 1, FORWARD: 0 });
  expect(result.ctstates).toEqual({ INVALID: 0, NEW: 3, ESTABLISHED: 3, RELATED: 0, UNTRACKED: 0 });
  expect(result.connections).toBe(1);
  expect(result.bytes).toBe(40 + 40 + 140 + 40 + 40 + 28);
  expect(outcomes.map(({ rule }) => rule)).toEqual([
    'filter:web:rule:1',
    'filter:OUTPUT:policy:1',
    'filter:INPUT:rule:1',
    'filter:INPUT:rule:1',
    'filter:INPUT:policy:4',
    'filter:INPUT:rule:3',
  ]);
  expect(outcomes[4]?.path).toEqual(['filter:INPUT:rule:2', 'filter:web:rule:2', 'filter:web:return:3', 'filter:INPUT:policy:4']);
});

test('without a user conntrack is not there: no state, nat never asked', () => {
  const rules = '*nat\n-A PREROUTING -p icmp -j ACCEPT\nCOMMIT\n*filter\n-A FORWARD -j ACCEPT\nCOMMIT\n';
  const { result, outcomes } = replay(jobOf(rules), [frameOf(ping('10.0.0.1', '10.1.0.2'))]);
  expect(outcomes[0]).not.toHaveProperty('ctstate');
  expect(outcomes[0]?.path).toEqual(['filter:FORWARD:policy:1']);
  expect(result.counters[4]?.nat?.PREROUTING).toEqual({
    policy: 'ACCEPT',
    packets: 0,
    bytes: 0,
    rules: [{ packets: 0, bytes: 0 }],
  });
});

test('nat counts connections: once each, again after the first packet was dropped', () => {
  const rules = `*nat
-A PREROUTING -p udp
COMMIT
*filter
-A FORWARD -p udp -m udp --dport 9 -m conntrack --ctstate NEW -j DROP
COMMIT
`;
  const [a, b] = ['10.0.0.1 1000', '10.1.0.2 53'];
  const dropped = udp(a, '10.1.0.2 9');
  const { result } = replay(
    jobOf(rules),
    [udp(a, b), udp(a, b), udp(b, a), dropped, dropped].map((one, i) => frameOf(one, i)),
  );
  expect(result.counters[4]?.nat?.PREROUTING?.rules).toEqual([{ packets: 3, bytes: 96 }]);
  expect(result.counters[4]?.nat?.POSTROUTING).toMatchObject({ packets: 1 });
  expect(result.connections).toBe(1);
});

test('NOTRACK, and an error about a connection', () => {
  const rules = `*raw
-A PREROUTING -p udp -m udp --dport 7 -j CT --notrack
COMMIT
*filter
-A FORWARD -m conntrack --ctstate UNTRACKED
-A FORWARD -m conntrack --ctstate RELATED
COMMIT
`;
  const question = udp('10.0.0.1 1000', '10.1.0.2 53');
  const error = icmp('10.1.0.9', '10.0.0.1', 3, 3, join([0, 0, 0, 0], question));
  const frames = [udp('10.0.0.1 1', '10.1.0.2 7'), question, error].map((bytes, i) => frameOf(bytes, i));
  const { outcomes } = replay(jobOf(rules), frames);
  expect(outcomes.map(({ ctstate }) => ctstate)).toEqual(['UNTRACKED', 'NEW', 'RELATED']);
});

describe('ways', () => {
  const job = jobOf(PLAIN, HOST);
  const judge = (bytes: Uint8Array, more: Parameters<typeof frameOf>[2] = {}) => {
    const { hook, verdict, rule, reason, unseen } = replay(job, [frameOf(bytes, 0, more)]).outcomes[0]!;
    return Object.fromEntries(Object.entries({ hook, verdict, rule, reason, unseen }).filter(([, value]) => value !== undefined));
  };
  const from = (source: string, destination: string, ttl = 64) => udp(`${source} 1`, `${destination} 2`, { ttl });

  test.each([
    ['to this host', from('203.0.113.9', '192.0.2.1'), { hook: 'INPUT', verdict: 'DROP', rule: 'filter:INPUT:policy:2' }],
    ['from this host', from('192.0.2.1', '203.0.113.9'), { hook: 'OUTPUT', verdict: 'ACCEPT', rule: 'filter:OUTPUT:policy:1' }],
    ['within this host', from('192.0.2.1', '198.51.100.1'), { hook: 'INPUT', verdict: 'ACCEPT', rule: 'filter:INPUT:rule:1' }],
    [
      'through this host',
      from('192.0.2.9', '198.51.100.7'),
      { hook: 'FORWARD', verdict: 'ACCEPT', rule: 'filter:FORWARD:policy:1' },
    ],
    [
      'to a broadcast address',
      from('192.0.2.9', '192.0.2.255'),
      { hook: 'INPUT', verdict: 'DROP', rule: 'filter:INPUT:policy:2' },
    ],
    ['no route', from('192.0.2.9', '8.8.8.8'), { hook: 'FORWARD', verdict: 'STACK', reason: 'no route' }],
    [
      'a route that refuses',
      from('192.0.2.9', '203.0.113.200'),
      { hook: 'FORWARD', verdict: 'STACK', reason: 'unreachable route' },
    ],
    ['TTL 1', from('192.0.2.9', '203.0.113.9', 1), { hook: 'FORWARD', verdict: 'STACK', reason: 'TTL exceeded in forwarding' }],
    [
      'a group nobody joined',
      from('192.0.2.9', '224.0.0.9'),
      { hook: 'INPUT', verdict: 'STACK', reason: 'multicast group not joined' },
    ],
  ])('%s', (_, bytes, expected) => {
    expect(judge(bytes)).toEqual(expected);
  });

  test('what the capture says of direction', () => {
    const own = from('192.0.2.1', '203.0.113.9');
    const through = from('192.0.2.9', '203.0.113.9');
    expect(judge(from('127.0.0.1', '192.0.2.1'), { direction: 'in' })).toMatchObject({ reason: 'martian source' });
    expect(judge(own, { direction: 'in' })).toMatchObject({ verdict: 'STACK', reason: 'martian source' });
    expect(judge(through, { direction: 'out' })).toEqual({
      hook: null,
      verdict: null,
      unseen: 'outgoing copy of a forwarded packet',
    });
    const sent = ETHERNET('02000000000a', '020000000001', '0800', through);
    expect(judge(sent, { linktype: 1 })).toMatchObject({ unseen: 'outgoing copy of a forwarded packet' });
  });

  test('link-layer destinations', () => {
    const bytes = from('192.0.2.9', '203.0.113.9');
    const to = (mac: string) => judge(ETHERNET(mac, '02000000000a', '0800', bytes), { linktype: 1 });
    expect(to('020000000001')).toMatchObject({ verdict: 'ACCEPT' });
    expect(to('020000000002')).toEqual({ hook: null, verdict: null, unseen: 'for another host' });
    expect(to('ffffffffffff')).toMatchObject({ reason: 'link-layer broadcast or multicast is not forwarded' });
  });

  test('larger than the outgoing MTU', () => {
    const big = (fragment: number) => udp('192.0.2.9 1', '203.0.113.9 2', { data: 600, fragment });
    expect(judge(big(0x4000))).toMatchObject({ reason: 'larger than the MTU of the outgoing device' });
    expect(judge(big(0))).toMatchObject({ verdict: 'ACCEPT' });
  });

  test('IPv6 without rules for it', () => {
    expect(judge(ping('2001:db8::9', '2001:db8::1'))).toEqual({ hook: null, verdict: null, unseen: 'no rules for this family' });
  });
});

describe('before netfilter', () => {
  const rules = '*filter\n-A FORWARD -p udp -m length --length 32\nCOMMIT\n';
  const unseen = (bytes: Uint8Array, prestack: 'kernel' | 'lenient' = 'kernel') =>
    replay(jobOf(rules, FORWARDING, { prestack }), [frameOf(bytes)]).outcomes[0]?.unseen;
  const good = udp('10.0.0.1 1', '10.1.0.2 2');
  const with_ = (at: number, value: number): Uint8Array => Uint8Array.from(good, (byte, i) => (i === at ? value : byte));

  test.each([
    ['nothing', good.slice(0, 0), 'shorter than an IP header'],
    ['half a header', good.slice(0, 19), 'shorter than an IP header'],
    ['version 5', with_(0, 0x55), 'bad IP version'],
    ['header of 16 bytes', with_(0, 0x44), 'bad IP header length'],
    ['a wrong checksum', with_(10, 0), 'bad IP header checksum'],
    ['the end is missing', good.slice(0, 31), 'truncated by the capture'],
    ['a good one', good, undefined],
  ])('%s', (_, bytes, expected) => {
    expect(unseen(bytes)).toBe(expected);
  });

  test('lenient', () => {
    expect(unseen(with_(10, 0), 'lenient')).toBeUndefined();
    expect(unseen(good.slice(0, 25), 'lenient')).toBeUndefined();
    const { result } = replay(jobOf(rules, FORWARDING, { prestack: 'lenient' }), [frameOf(good.slice(0, 25))]);
    expect(result.bytes).toBe(32);
  });

  test('padding is trimmed before it is counted', () => {
    const { result } = replay(jobOf(rules), [frameOf(join(good, new Uint8Array(14)))]);
    expect(result.counters[4]?.filter?.FORWARD?.rules).toEqual([{ packets: 1, bytes: 32 }]);
  });

  test('any bytes at all', () => {
    const job = jobOf('*filter\n-A FORWARD -m conntrack --ctstate NEW\nCOMMIT\n');
    for (const linktype of [0, 1, 101, 108, 113, 276]) {
      for (let length = 0; length < 80; length++) {
        const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length * 11 + (i % 14 === 12 ? 8 : 0)) & 255);
        replay(job, [frameOf(bytes, 0, { linktype }), frameOf(join([0x45], bytes), 0, { linktype })]);
      }
    }
  });
});

test('captures, damage and notes', () => {
  const session = replay(jobOf('*filter\n-A FORWARD -m state --state NEW\nCOMMIT\n'), [
    frameOf(ip('10.0.0.1', '10.1.0.2', 17, new Uint8Array(16), -1, { fragment: 0x2000 })),
  ]);
  expect(session.result.captures).toEqual([{ file: 'test', packets: 1, bytes: 36, linktypes: [101] }]);
  expect(session.result.notes).toEqual([]);
});

test('explain: every rule with its reason', () => {
  const rules = `*filter
:FORWARD DROP [0:0]
-A FORWARD -s 10.9.0.0/16 -j ACCEPT
-A FORWARD -p udp -m udp --dport 53 -j ACCEPT
-A FORWARD -m conntrack --ctstate NEW -j LOG
COMMIT
`;
  const frames = [ping('10.0.0.1', '10.1.0.2'), udp('10.0.0.1 1000', '10.1.0.2 54')].map((bytes, i) => frameOf(bytes, i));
  const told = explain(jobOf(rules), frames, 2)!;
  expect(told.outcome).toMatchObject({ packet: 2, verdict: 'DROP', rule: 'filter:FORWARD:policy:4', ctstate: 'NEW' });
  expect(told.packet).toBe('10.0.0.1 > 10.1.0.2, udp 1000 > 54, 32 bytes');
  const ruleEvents = told.events.filter((event) => event.kind === 'rule');
  expect(ruleEvents.map(({ number, result }) => [number, result])).toEqual([
    [1, 'miss'],
    [2, 'miss'],
    [3, 'match'],
  ]);
  expect(ruleEvents[0]?.why).toBe('-s: source is 10.0.0.1');
  expect(ruleEvents[1]?.why).toContain('54');
  expect(told.events.map(({ kind }) => kind)).toEqual([
    'way',
    'hook',
    'conntrack',
    'routing',
    'hook',
    'rule',
    'rule',
    'rule',
    'end',
  ]);
  expect(explain(jobOf(rules), frames, 3)).toBeUndefined();
});
