/** Texts of `ipset save` on our reader and on the real ipset: both take or refuse them, and hold the same elements. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { SETS_TEXT } from '../../src/fuzz/sets.ts';
import { RuleError } from '../../src/model/errors.ts';
import { elementKey, type IpSet } from '../../src/model/ipset.ts';
import { parseIpsets, saveIpsets } from '../../src/syntax/index.ts';
import { KeptElements } from '../../src/syntax/ipset-kept.ts';
import { describeKernel } from '../kernel/machine.ts';

/** Every code there may be a name for, of each type. */
function elementsOf(protocol: string, address: string, types: readonly number[]): string {
  const codes = Array.from({ length: 17 }, (_, code) => code);
  const lines = types.flatMap((type) => codes.map((code) => `add a ${address},${protocol}:${type}/${code}\n`));
  return `create a hash:ip,port${protocol === 'icmp' ? '' : ' family inet6'}\n${lines.join('')}`;
}

/** All taken. */
const TAKEN: readonly string[] = [
  SETS_TEXT,
  'create a hash:ip\nadd a 10.0.0.1-10.0.0.3\nadd a 10.0.1.0/30\nadd a 10.9.9.9\n',
  'create a hash:ip netmask 24 forceadd\nadd a 10.1.2.3\nadd a 10.1.3.0-10.1.4.255\n',
  'create a hash:ip timeout 600 counters comment\nadd a 10.0.0.1 timeout 0 packets 5 bytes 18446744073709551614 comment "a b"\nadd a 10.0.0.2\n',
  'create a hash:ip,port\nadd a 10.0.0.1,80\nadd a 10.0.0.1,udp:1-3\nadd a 10.0.0.1,sctp:80\nadd a 10.0.0.1,47:0\nadd a 10.0.0.1,icmp:echo-request\nadd a 10.0.0.1,tcp:https\n',
  'create a hash:ip,port family inet6\nadd a 2001:db8::1,icmpv6:echo-request\nadd a ::1,tcp:1-4\n',
  'create a hash:net\nadd a 10.1.2.3/8\nadd a 10.1.2.3\nadd a 0.0.0.0/1 nomatch\n',
  'create a bitmap:ip range 10.0.0.0/24\nadd a 10.0.0.1-10.0.0.5\nadd a 10.0.0.128/28\n',
  'create a bitmap:port range 10-20 timeout 5\nadd a 10-12\nadd a tcp:15 timeout 3\n',
  'create a bitmap:ip range 10.0.0.0/030\nadd a 10.0.0.9\ncreate b bitmap:ip range 10.0.0.5-10.0.0.1\n',
  'create a bitmap:port range 20-10\ncreate b bitmap:port range ssh-http\nadd b 80\n',
  'create constructor hash:ip\nadd constructor 10.0.0.1\n',
  'create a hash:net\nadd a 10.0.0.0/030\nadd a 10.0.0.0/0x8\n',
  'create a hash:ip skbinfo\nadd a 10.0.0.1 skbmark 0x1/0xff skbprio 1:10 skbqueue 3\n',
  'create a hash:ip bitmask 255.255.0.255\nadd a 10.1.2.3\ncreate b hash:ip,port netmask 24\nadd b 10.1.2.3,80\ncreate c hash:ip family inet6 bitmask ffff:ffff::\nadd c 2001:db8::1\ncreate d hash:ip netmask 32\n',
  'create a bitmap:ip range 10.0.0.1-10.0.0.9 netmask 30\nadd a 10.0.0.11\n',
  'create a bitmap:ip range 10.0.0.0/8 netmask 24\nadd a 10.4.5.6\nadd a 10.9.0.0/22\nadd a 10.255.255.255\n',
  'create a bitmap:ip netmask 16 range 0.0.0.0/0\nadd a 255.255.1.2\ncreate b bitmap:ip range 0.0.0.0/0 netmask 1\nadd b 128.0.0.1\n',
  'create a bitmap:ip range 10.0.0.5-10.255.255.6 netmask 24\nadd a 10.0.0.1\ncreate b bitmap:ip range 10.0.0.0-10.0.2.255 netmask 24\n',
  'create a hash:net,iface counters\nadd a 10.0.0.0/24,eth0\nadd a 10.0.0.0/24,physdev:eth0\nadd a 0.0.0.0/0,eth+ nomatch\nadd a 10.0.0.0/25,eth wildcard nomatch packets 3\nadd a 10.0.0.0/24,abcdefghijklmno\n',
  'create a hash:net,iface family inet6\nadd a ::/0,x\nadd a 2001:db8::/32,y\n',
  'create a bitmap:ip,mac range 10.0.0.0/24 timeout 9 counters\nadd a 10.0.0.1\nadd a 10.0.0.1,02:00:00:00:00:0a\nadd a 10.0.0.3 timeout 7 packets 4\nadd a 10.0.0.4,0:0:0:0:0:0 timeout 0\nadd a 10.0.0.5\n',
  'create a hash:ip -exist\nadd a 10.0.0.1\nadd a 10.0.0.1 -exist\n',
  'create a hash:net\ncreate l list:set size 4 timeout 7\nadd l a timeout 3\n',
  'create a hash:ip\ncreate b hash:ip\ncreate c hash:ip\ncreate l list:set\nadd l a\nadd l b before a\nadd l c after b\n',
  'create a hash:net counters skbinfo comment timeout 9\nadd a 10.0.0.0/8 nomatch skbmark 0x1 skbprio 1:a skbqueue 3 comment "x y" packets 4\nadd a 11.0.0.0/8 skbmark 0x0/0xff\n',
  'create a hash:ip,port\nadd a 10.0.0.1,icmp:8/0\nadd a 10.0.0.1,icmp:3/0\nadd a 10.0.0.1,icmp:200/3\nadd a 10.0.0.1,222:0\nadd a 10.0.0.1,ah:0\n',
  elementsOf('icmp', '10.0.0.1', [0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 17, 18]),
  elementsOf('icmpv6', '2001:db8::1', [1, 2, 3, 4, 128, 129, 133, 134, 135, 136, 137]),
  'create a hash:ip,port\nadd a 10.0.0.1,icmp:pong\nadd a 10.0.0.1,icmp:ping\n',
  'n a hash:ip\na a 10.0.0.1\n',
  '',
];

/** All refused. */
const REFUSED: readonly string[] = [
  'add a 10.0.0.1\n',
  'create a\n',
  'create a hash:nope\n',
  'create a constructor\n',
  'create a hash:net\nadd a 10.0.0.0/8/9\n',
  'create a hash:ip\nadd a 1.1.1.1-1.1.1.3-x\n',
  'create a hash:ip\nadd a 1.1.1.0/30/9\n',
  'create a hash:ip,port\nadd a 1.1.1.1,tcp:80-90-100\n',
  'create a hash:ip,port\nadd a 1.1.1.1,icmp:8/0/7\n',
  'create a bitmap:port range 1-1000\nadd a 5-6-7\n',
  'create a bitmap:port range 10\n',
  'create a bitmap:port range 10-20-30\n',
  'create a bitmap:ip range 10.0.0.7\n',
  'create a bitmap:ip range 10.0.0.0/24/3\n',
  'create a bitmap:ip range 10.0.0.0/15\n',
  'create a hash:ip\ncreate a hash:ip\n',
  'create a hash:ip\nadd a 10.0.0.1\nadd a 10.0.0.1\n',
  'create a hash:ip\nadd a\n',
  'create a hash:ip\nadd a 10.0.0.1,80\n',
  ...['any', 'destination-unreachable', 'redirect', 'time-exceeded', 'ttl-exceeded', 'parameter-problem'].map(
    (name) => `create a hash:ip,port\nadd a 10.0.0.1,icmp:${name}\n`,
  ),
  ...['destination-unreachable', 'beyond-scope', 'failed-policy', 'reject-route', 'time-exceeded', 'neighbor-solicitation'].map(
    (name) => `create a hash:ip,port family inet6\nadd a 2001:db8::1,icmpv6:${name}\n`,
  ),
  'create a hash:ip\nadd a 2001:db8::1\n',
  'create a hash:ip\nadd a 0.0.0.0\n',
  'create a hash:ip\nadd a 10.0.0.1 timeout 5\n',
  'create a hash:ip\nadd a 10.0.0.1 packets 5\n',
  'create a hash:ip counters\nadd a 10.0.0.1 packets 18446744073709551615\n',
  'create a hash:ip\nadd a 10.0.0.1 comment x\n',
  'create a hash:ip\nadd a 10.0.0.1 nomatch\n',
  'create a hash:ip\nadd a 10.0.0.1 nothing\n',
  'create a hash:ip timeout 4294967\n',
  'create a hash:ip netmask 33\n',
  'create a hash:ip bitmask 0.0.0.0\n',
  'create a hash:ip bitmask 255.0.0.0 netmask 8\n',
  'create a hash:ip,port netmask 8\nadd a 0.1.2.3,80\n',
  'create a hash:net,iface\nadd a 10.0.0.0/24\n',
  'create a hash:net,iface\nadd a 10.0.0.0/24,abcdefghijklmnop\n',
  'create a hash:net,iface\nadd a 10.0.0.0/24,eth0\nadd a 10.0.0.0/24,eth0\n',
  'create a hash:net,iface\nadd a 10.0.0.0/24,eth wildcard\nadd a 10.0.0.0/24,eth1\n',
  'create a hash:net\nadd a 10.0.0.0/24 wildcard\n',
  'create a bitmap:ip,mac range 10.0.0.0/24\nadd a 10.0.1.0\n',
  'create a bitmap:ip,mac range 10.0.0.0/24\nadd a 10.0.0.1,02:00:00:00:00:01\nadd a 10.0.0.1,02:00:00:00:00:02\n',
  'create a bitmap:ip,mac range 10.0.0.0/24\nadd a 10.0.0.1-10.0.0.3\n',
  'create a hash:ip family inet7\n',
  'create a hash:ip maxelem 1\nadd a 10.0.0.1\nadd a 10.0.0.2\n',
  'create a hash:net\nadd a 0.0.0.0/0\n',
  'create a hash:net\nadd a 10.0.0.0/33\n',
  'create a hash:ip,port\nadd a 10.0.0.1\n',
  'create a hash:ip,port\nadd a 10.0.0.1,tcp:70000\n',
  'create a hash:ip,port\nadd a 10.0.0.1,47:5\n',
  'create a hash:ip,port\nadd a 10.0.0.1,nope:5\n',
  'create a bitmap:ip\n',
  'create a bitmap:ip range 10.0.0.0/8\n',
  'create a bitmap:ip range 10.0.0.0/24\nadd a 10.0.1.0\n',
  'create a bitmap:ip range 10.0.0.0/8 netmask 25\n',
  'create a bitmap:ip range 10.0.0.0/8 netmask 32\n',
  'create a bitmap:ip range 10.0.0.5-11.0.0.6 netmask 24\n',
  'create a bitmap:ip range 10.0.0.0/8 netmask 8\n',
  'create a bitmap:ip range 10.0.0.0/24 netmask 16\n',
  'create a bitmap:ip range 0.0.0.0/1 netmask 1\n',
  'create a bitmap:ip range 10.0.1.0-10.0.3.255 netmask 24\n',
  'create a bitmap:ip range 0.0.0.0-200.0.0.0 netmask 16\n',
  'create a bitmap:ip range 10.0.0.0/8 netmask 24\nadd a 11.0.0.1\n',
  'create a hash:ip range 10.0.0.0/24\n',
  'create a bitmap:port range 10-20\nadd a 21\n',
  'create l list:set\nadd l nope\n',
  'create l list:set\ncreate m list:set\nadd l m\n',
  'create a hash:ip\ncreate l list:set\nadd l a\nadd l a\n',
  'create a hash:ip\nadd a 1.1.1.1\ndel a 1.1.1.2\n',
  'create a hash:ip\nadd a 1.1.1.1\nadd a 1.1.1.1 -exist\n',
  'create a hash:ip\ncreate a hash:ip timeout 5 -exist\n',
  'create a hash:ip timeout 5\nadd a 1.1.1.1\ndel a 1.1.1.1 timeout 4\n',
  'create a hash:ip\ncreate b hash:net\nswap a b\n',
  'create a hash:ip\ncreate b hash:ip family inet6\nswap a b\n',
  'create a hash:ip\nswap a b\n',
  'create a hash:ip\nflush b\n',
  'create a hash:ip\ncreate l list:set\nadd l a\ndestroy a\n',
  'create a hash:ip\ncreate l list:set\nadd l a\ndestroy\n',
  'create a hash:ip\ncreate l list:set\nadd l a\nrename a b\n',
  'create a hash:ip\ncreate b hash:ip\nrename a b\n',
  'destroy b\n',
  'create a hash:ip\nlist b\n',
  'create a hash:ip # no comment\n',
  'create a hash:ip\nQUIT\n',
];

/** What the tool takes besides what it saves. */
const COMMANDS: readonly string[] = [
  'create a hash:ip\r\nadd a 10.0.0.1\r\n',
  'create a hash:ip\ncreate a hash:ip -exist\nadd a 10.0.0.1\nadd a 10.0.0.1\n',
  '-exist create a hash:ip\n-! add a 10.0.0.1\nadd -exist a 10.0.0.1\n',
  'create a hash:ip\nadd a 1.1.1.1\ncreate b hash:ip\nadd a 1.1.1.1 -exist\n',
  'create a hash:ip\nadd a 1.1.1.1\n# about a\n\ndel a 1.1.1.2 -exist\n',
  'create a hash:ip\nadd a 10.0.0.0/30\ndel a 10.0.0.1-10.0.0.2\n',
  'create a hash:net\nadd a 10.0.0.0/24 nomatch\nadd a 10.0.0.0/25\ndel a 10.0.0.5/24\n',
  'create a hash:net,iface\nadd a 10.0.0.0/8,eth wildcard\nadd a 11.0.0.0/8,eth0\ndel a 10.0.0.0/8,eth0\n',
  'create a bitmap:port range 0-10\nadd a 1-5\ndel a 2-3\n',
  'create a hash:ip\ncreate b hash:ip\ncreate l list:set\nadd l a\nadd l b\ndel l a\n',
  'create a hash:ip timeout 9 counters\nadd a 10.0.0.1 timeout 0\ncreate b hash:ip\nadd b 10.0.0.2\nswap a b\n',
  'create a hash:ip\ncreate b bitmap:ip range 10.0.0.0/24\nswap a b\nadd a 10.0.0.1\n',
  'create a hash:ip\ncreate b hash:ip\nadd b 1.1.1.1\ncreate l list:set\nadd l a\nswap a b\nadd l b\n',
  'create a hash:ip\nadd a 10.0.0.1\nflush a\nadd a 10.0.0.2\ncreate b hash:ip\nadd b 1.1.1.1\nflush b\n',
  'create a hash:ip\nadd a 10.0.0.1\nflush\n',
  'create a hash:ip\nadd a 1.1.1.1\ncreate b hash:ip\ndestroy a\ncreate a hash:net\n',
  'create a hash:ip\ndestroy\ncreate c hash:ip\n',
  'destroy a -exist\ncreate c hash:ip\n',
  'create a hash:ip\nadd a 1.1.1.1\ncreate b hash:ip\nrename a c\nadd c 1.2.3.4\n',
  'create a hash:ip\nadd a 1.1.1.1\nquit\nnonsense\n',
  'cre a hash:ip\nad a 1.1.1.1\n-A a 1.1.1.2\n--add a 1.1.1.3\nd a 1.1.1.1\nx\nn a hash:net\n',
];

const told = (sets: readonly IpSet[]) =>
  sets.map(({ name, type, elements, members }) => ({
    name,
    type,
    elements: elements
      .map(({ parts, nomatch, packets, bytes, comment }) => [elementKey(parts, type), nomatch, packets, bytes, comment].join(' '))
      .sort(),
    members: members.map(({ set }) => set),
  }));

describeKernel('texts of ipset', () => {
  const ipset = (text: string) => {
    const script = 'ipset restore && ipset -sorted save';
    return spawnSync('unshare', ['-n', 'sh', '-c', script], { input: text, encoding: 'utf8', timeout: 20_000 });
  };

  test.each(TAKEN)('taken, and the same elements: %j', (text) => {
    const { status, stdout, stderr } = ipset(text);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const byName = (sets: readonly IpSet[]) => told(sets).sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(byName(parseIpsets(text, 'sets'))).toEqual(byName(parseIpsets(stdout, 'saved')));
    // What the kernel chooses by itself, and seconds that passed, are left out.
    const plain = (saved: string) =>
      saved
        .replaceAll(/ initval 0x\w+| hashsize \d+|(?<=add .* timeout )[1-9]\d*/g, '')
        .split('\n')
        .sort();
    expect(plain(saveIpsets(parseIpsets(text, 'sets')))).toEqual(plain(stdout));
  });

  test.each(COMMANDS)('commands: %j', (text) => {
    const { status, stdout } = ipset(text);
    expect(status).toBe(0);
    const saved = saveIpsets(parseIpsets(text, 'sets'));
    expect(saved).toBe(stdout.replaceAll(/ initval 0x\w+/g, ''));
  });

  test('elements stand in the order of the tool', () => {
    const nets = [
      '10.0.0.0/8',
      '10.0.0.0/24',
      '10.0.0.0/25',
      '10.0.0.0/9',
      '10.0.0.0',
      '9.0.0.0/9 nomatch',
      '128.0.0.0/1',
      '0.0.0.0/1',
    ];
    const ports = [
      'udp:80',
      'tcp:443',
      'tcp:80',
      'sctp:9',
      'icmp:echo-request',
      'icmp:5/0',
      '47:0',
      '200:0',
      '2:0',
      '3:0',
      '50:0',
      '51:0',
      'udplite:7',
    ];
    const devices = ['eth1', 'physdev:eth0', 'eth0', 'eth10', 'eth2', 'abc', 'wlan wildcard', 'ppp0'];
    const sixes = [
      '2001:db8::/32',
      '2001:db8::/48',
      '2001:db8::',
      '::/1',
      '2001:db8::/33',
      '2001:0:0:5::/64',
      'fe80::/10',
      '2001:db8::1',
      '::1',
    ];
    const text = [
      'create n hash:net',
      ...nets.map((each) => `add n ${each}`),
      'create p hash:ip,port timeout 0',
      ...ports.flatMap((each) => [`add p 10.0.0.1,${each}`, `add p 10.0.0.10,${each}`, `add p 9.0.0.2,${each}`]),
      'create i hash:net,iface',
      ...devices.flatMap((each) => [`add i 10.0.0.0/8,${each}`, `add i 10.0.0.0/9,${each}`]),
      'create s hash:net family inet6',
      ...sixes.map((each) => `add s ${each}`),
      'create q hash:net,port',
      ...ports.slice(0, 4).flatMap((each) => [`add q 10.0.0.0/8,${each}`, `add q 10.0.0.0/10,${each}`, `add q 10.0.0.0,${each}`]),
      'create t hash:ip,port,net',
      ...nets.slice(0, 5).map((each, index) => `add t 10.0.0.${index % 2},tcp:${index % 3},${each}`),
      'create b bitmap:port range 0-100',
      ...[80, 9, 10, 0].map((each) => `add b ${each}`),
      '',
    ].join('\n');
    const { status, stdout } = ipset(text);
    expect(status).toBe(0);
    expect(saveIpsets(parseIpsets(text, 'sets')).split('\n')).toEqual(stdout.replaceAll(/ initval 0x\w+/g, '').split('\n'));
  });

  test.each(REFUSED)('refused: %j', (text) => {
    expect(ipset(text).status).not.toBe(0);
    expect(() => parseIpsets(text, 'sets')).toThrow(RuleError);
  });
});

test('an error has its place and a hint', () => {
  const failing = () => parseIpsets('create a hash:ip\n\nadd a 10.0.0.x\n', 'sets');
  expect(failing).toThrow(/"a" wants an IPv4 address, got "10.0.0.x"/);
  try {
    failing();
  } catch (error) {
    expect((error as RuleError).format()).toBe(
      'sets:3:7: ipset: "a" wants an IPv4 address, got "10.0.0.x"\n  add a 10.0.0.x\n        ^',
    );
  }
});

test('65,536 elements of hash:net,iface: each is compared with those of its network only', () => {
  const lines = Array.from({ length: 65_536 }, (_, index) => `add a 10.1.${index >> 8}.${index & 255},eth wildcard\n`);
  const [{ type, elements }] = parseIpsets(`create a hash:net,iface\n${lines.join('')}`, 'sets') as [IpSet];
  const kept = new KeptElements(type);
  let read = 0;
  for (const { parts, ...rest } of elements) {
    expect(kept.keyOf(parts)).toBeUndefined();
    const counted = {
      ...rest,
      get parts() {
        read++;
        return parts;
      },
    };
    kept.set(elementKey(parts, type), counted);
  }
  expect(kept.size).toBe(65_536);
  expect(read).toBeLessThan(3 * 65_536);
  const [eth0] = parseIpsets('create a hash:net,iface\nadd a 10.1.255.255,eth0\n', 'sets')[0]!.elements;
  expect(kept.keyOf(eth0!.parts)).toBe(kept.keyOf(elements.at(-1)!.parts));
});
