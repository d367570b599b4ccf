/** Sets of ipset on the kernels of the virtual clock: timeouts, and the types the running kernel does not have. */
import { expect, test } from 'vitest';
import { SEED } from '../seed.ts';
import { describeKernel, describeVirtual } from './machine.ts';
import { ip, tcp, udp } from './packets.ts';
import { differencesOf, judgeVirtual, type SentPacket, type VirtualCase } from './virtual-differential.ts';

const SECOND = 1_000_000_000n;
const NOW = 1_700_000_000n * SECOND + 3_000_000n;

const at = (seconds: number, bytes: Uint8Array): SentPacket => ({
  time: NOW + BigInt(Math.round(seconds * 1000)) * 1_000_000n,
  bytes,
});

const table = (...rules: string[]): string => `*mangle\n:PREROUTING ACCEPT\n:FORWARD ACCEPT\n${rules.join('\n')}\nCOMMIT\n`;

/** Four senders, every half second for twelve, and never at the moment something expires. */
const TIMEOUTS: VirtualCase = {
  name: 'timeouts',
  rules: table(
    '-A PREROUTING -m set --match-set a src',
    '-A PREROUTING -m set ! --match-set n src,dst',
    '-A PREROUTING -m set --match-set l src',
    '-A PREROUTING -m set --match-set b dst',
  ),
  sets: [
    'create a hash:ip timeout 4 counters\nadd a 10.0.0.1\nadd a 10.0.0.2 timeout 7\nadd a 10.0.0.3 timeout 0',
    'create n hash:net,port timeout 9\nadd n 10.0.0.0/24,udp:53\nadd n 10.0.0.1,udp:53 timeout 5 nomatch',
    'create b bitmap:port range 1-100 timeout 8\nadd b 53\nadd b 54 timeout 3',
    'create l list:set timeout 6\nadd l a timeout 2\nadd l b\n',
  ].join('\n'),
  packets: Array.from({ length: 24 }, (_, i) => i * 0.51 + 0.25).flatMap((seconds) =>
    [1, 2, 3, 4].map((host) => at(seconds + host / 100, udp(`10.0.0.${host} 1000`, `192.0.2.1 ${host === 4 ? 54 : 53}`))),
  ),
};

/** What only 6.1 has here. */
const TYPES: VirtualCase = {
  name: 'types',
  rules: table(
    '-A PREROUTING -m set --match-set nn src,dst',
    '-A PREROUTING -m set --match-set npn src,dst,dst',
    '-A PREROUTING -m set --match-set npn src,dst,dst --return-nomatch',
    '-A PREROUTING -m set --match-set m src',
    '-A PREROUTING -m set --match-set m dst',
    '-A PREROUTING -m set --match-set im src,src',
    '-A PREROUTING -j MARK --set-mark 0x101',
    '-A PREROUTING -m set --match-set k src,src',
    '-A FORWARD -m set --match-set k dst,dst',
    '-A FORWARD -m set --match-set m dst',
  ),
  sets: [
    'create nn hash:net,net\nadd nn 10.0.0.0/8,192.0.2.0/24\nadd nn 10.0.0.1,128.0.0.0/1 nomatch\nadd nn 0.0.0.0/1,198.51.100.7',
    'create npn hash:net,port,net\nadd npn 10.0.0.0/24,udp:53,192.0.0.0/16\nadd npn 10.0.0.2,udp:53,128.0.0.0/1 nomatch\nadd npn 0.0.0.0/1,tcp:80,192.0.2.1',
    'create m hash:mac\nadd m 02:00:00:00:00:99\nadd m 02:00:00:00:00:01',
    'create im hash:ip,mac\nadd im 10.0.0.1,02:00:00:00:00:99\nadd im 10.0.0.2,02:00:00:00:00:98',
    'create k hash:ip,mark markmask 0xff\nadd k 10.0.0.1,0x01\nadd k 10.0.0.2,0x02\nadd k 192.0.2.1,0x301\n',
  ].join('\n'),
  packets: [1, 2, 3].flatMap((host, i) =>
    ['192.0.2.1', '198.51.100.7', '203.0.113.9'].flatMap((to, k) => [
      at(i + k / 10, udp(`10.0.0.${host} 1000`, `${to} 53`)),
      at(i + k / 10 + 0.03, tcp(`10.0.0.${host} 1000`, `${to} 80`, 2)),
      at(i + k / 10 + 0.06, ip(`10.0.0.${host}`, to, 47, Buffer.alloc(8), -1)),
    ]),
  ),
};

/** Numbers that look random, the same for a seed. */
function* numbers(): Generator<number, never> {
  for (let state = SEED >>> 0; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state >>> 16;
  }
}

/** Six senders to four ports for a minute: sets fill up, empty and time out, also in the midst of it. */
function changes(): VirtualCase {
  const random = numbers();
  return {
    name: `changes (seed ${SEED})`,
    rules: table(
      '-A PREROUTING -m set --match-set a src',
      '-A PREROUTING -p udp --dport 53 -j SET --add-set a src',
      '-A PREROUTING -p udp --dport 54 -j SET --add-set a src --exist --timeout 3',
      '-A PREROUTING -p udp --dport 55 -j SET --del-set a src',
      '-A PREROUTING -p udp --dport 53 -j SET --add-set n src,dst --exist',
      '-A PREROUTING -p udp --dport 54 -j SET --del-set n src,dst --add-set b dst',
      '-A PREROUTING -p udp --dport 56 -j SET --add-set l src --timeout 9',
      '-A PREROUTING -p udp --dport 55 -j SET --del-set l src',
      '-A FORWARD -m set --match-set n src,dst',
      '-A FORWARD -m set ! --match-set l src',
      '-A FORWARD -m set --match-set b dst',
      '-A FORWARD -j SET --map-set m src --map-mark --map-prio',
      '-A FORWARD -m mark --mark 0x1/0x3',
    ),
    sets: [
      'create a hash:ip timeout 6 counters maxelem 3\nadd a 10.0.0.9 timeout 20 packets 4 bytes 5',
      'create n hash:net,port timeout 20\nadd n 10.0.0.4/30,udp:53 timeout 30\nadd n 10.0.0.6,udp:99 timeout 12',
      'create s hash:ip timeout 4 maxelem 2',
      'create b bitmap:port range 50-60 timeout 5 counters',
      'create l list:set timeout 0\nadd l s\nadd l a timeout 40',
      'create m hash:ip skbinfo counters\nadd m 10.0.0.1 skbmark 0x1/0x3 skbprio 1:2\nadd m 10.0.0.2 skbmark 0x3\nadd m 10.0.0.3\n',
    ].join('\n'),
    packets: Array.from({ length: 240 }, (_, i) => {
      const [host, port] = [1 + (random.next().value % 6), 53 + (random.next().value % 4)];
      return at(i * 0.251 + 0.06, udp(`10.0.0.${host} 1000`, `192.0.2.1 ${port}`, random.next().value % 40));
    }),
  };
}

/** Devices, and addresses with their MACs: asked, added, taken out. */
const BOUND: VirtualCase = {
  name: 'devices and MACs',
  rules: table(
    '-A PREROUTING -m set --match-set d src,src',
    '-A PREROUTING -m set ! --match-set d src,src --return-nomatch',
    '-A PREROUTING -m set --match-set m src,src --packets-gt 1',
    '-A PREROUTING -p udp --dport 53 -j SET --add-set m src,src --exist',
    '-A PREROUTING -p udp --dport 54 -j SET --add-set d src,src',
    '-A PREROUTING -p udp --dport 55 -j SET --del-set m src,dst',
    '-A PREROUTING -p udp --dport 56 -j SET --del-set d src,src',
    '-A FORWARD -m set --match-set d dst,dst',
    '-A FORWARD -m set --match-set h src,dst',
    '-A FORWARD -p udp --dport 53 -j SET --add-set h src,dst',
  ),
  sets: [
    'create d hash:net,iface counters\nadd d 10.0.0.0/29,eth1\nadd d 10.0.0.0/29,eth wildcard\nadd d 10.0.0.1,wlan0\nadd d 10.0.0.2,eth0 nomatch\nadd d 192.0.2.0/24,eth1',
    'create m bitmap:ip,mac range 10.0.0.0/29 counters comment\nadd m 10.0.0.1 packets 9 comment one\nadd m 10.0.0.2,02:00:00:00:00:99\nadd m 10.0.0.3,02:00:00:00:00:98',
    'create h hash:ip,port bitmask 255.0.0.3\nadd h 10.0.0.1,udp:54\n',
  ].join('\n'),
  packets: [1, 2, 3, 4, 5, 6].flatMap((host, i) =>
    [54, 53, 56, 55, 53].map((port, k) => at(i * 0.05 + k * 0.01, udp(`10.0.0.${host} 1000`, `192.0.2.1 ${port}`, host))),
  ),
};

const hits = ({ outcome }: Awaited<ReturnType<typeof judgeVirtual>>[number]): (number | undefined)[] =>
  outcome.counters.mangle?.PREROUTING?.rules.map(({ packets }) => packets) ?? [];

describeKernel('sets of ipset', () => {
  test('devices and MACs', { timeout: 60_000 }, async () => {
    const judged = await judgeVirtual('6.18', [BOUND, { ...BOUND, name: 'devices and MACs, nft', backend: 'nft' }]);
    expect(differencesOf(judged)).toEqual([]);
    for (const one of judged) expect(hits(one).every((packets) => packets! > 0 && packets! < 30)).toBe(true);
  });
});

describeVirtual('6.12', 'sets of ipset', () => {
  test('time out on the capture’s clock', { timeout: 120_000 }, async () => {
    const judged = await judgeVirtual('6.12', [TIMEOUTS, changes()]);
    expect(differencesOf(judged)).toEqual([]);
    // Some of each rule's packets came in time, and some too late.
    for (const packets of hits(judged[0]!)) expect(packets! > 5 && packets! < 90).toBe(true);
  });
});

describeVirtual('6.1', 'sets of ipset', () => {
  test('of all types, and timeouts', { timeout: 120_000 }, async () => {
    const judged = await judgeVirtual('6.1', [TIMEOUTS, TYPES, changes()]);
    expect(differencesOf(judged)).toEqual([]);
    for (const one of judged.slice(1)) expect(hits(one).every((packets) => packets! > 0)).toBe(true);
  });
});
