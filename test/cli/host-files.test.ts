/** --addr and --route: what ip would refuse is refused at its place, what it would take and we do not ask is told; and limits that are given twice. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it, test } from 'vitest';
import { buildHost } from '../../src/model/host-build.ts';
import { describeKernel } from '../kernel/machine.ts';
import { command } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-host-'));
afterAll(() => rmSync(folder, { recursive: true }));

const network = (local: string, prefixlen: number) => ({ family: local.includes(':') ? 'inet6' : 'inet', local, prefixlen });
const ADDRESSES = [
  { ifname: 'eth0', addr_info: [network('192.0.2.1', 24), network('2001:db8::1', 64)] },
  { ifname: 'eth1', addr_info: [network('198.51.100.1', 24)] },
  {
    ifname: 'lo',
    addr_info: [network('127.0.0.1', 8), network('192.0.2.77', 32), network('::1', 128), network('2001:db8:9::1', 128)],
  },
];
const NEAR = { dst: 'default', gateway: '192.0.2.9', dev: 'eth0', flags: [] };
const SECOND = { dst: 'default', gateway: '198.51.100.9', dev: 'eth1', flags: [] };
const notes = (...routes: object[]): string[] => buildHost({ addresses: ADDRESSES, routes: [routes] }).notes;

interface Written {
  type?: string;
  dst: string;
  gateway?: string;
  dev?: string;
  prefsrc?: string;
  scope?: string;
  flags?: readonly string[];
}

/** Routes that are refused: as ip is asked, what it says, and what we say beside it. */
const REFUSED = [
  [
    { dst: '10.0.0.1/8', dev: 'eth0' },
    'Invalid prefix for given prefix length.',
    'the network is 10.0.0.0/8, the host alone 10.0.0.1',
  ],
  [{ dst: '10.0.0.0/8', dev: 'eth7' }, 'Cannot find device "eth7"', '--addr has lo, eth0, eth1;'],
  [{ dst: '10.0.0.0/8' }, 'No such device', undefined],
  [{ dst: '10.0.0.0/8', gateway: '203.0.113.9' }, 'Nexthop has invalid gateway.', undefined],
  // Sources that are none of the host's, and scopes that no gateway lies in.
  [{ dst: '10.0.0.0/8', dev: 'eth0', prefsrc: '192.0.2.9' }, 'Invalid prefsrc address.', '192.0.2.9 is no address of --addr'],
  [{ dst: '10.0.0.0/8', dev: 'eth0', prefsrc: '192.0.2.255' }, 'Invalid prefsrc address.', undefined],
  [{ type: 'local', dst: '10.0.0.1', dev: 'eth0', prefsrc: '192.0.2.9' }, 'Invalid prefsrc address.', undefined],
  [{ dst: '2001:db8:5::/64', dev: 'eth0', prefsrc: '2001:db8::9' }, 'Invalid source address.', undefined],
  [{ dst: '2001:db8:5::/64', dev: 'eth0', prefsrc: '::1' }, 'Invalid source address.', undefined],
  [{ dst: '10.0.0.0/8', gateway: '192.0.2.9', dev: 'eth0', scope: 'link' }, 'Nexthop has invalid gateway.', 'it has no gateway'],
  [
    { dst: '10.0.0.0/8', gateway: '192.0.2.9', dev: 'eth0', scope: 'host' },
    'Route with host scope can not have a gateway.',
    'it has no gateway',
  ],
  [{ dst: '10.0.0.0/8', dev: 'eth0', scope: 'nowhere' }, 'Invalid scope.', undefined],
  [{ dst: '10.0.0.0/8', gateway: '224.0.0.1', dev: 'eth0', flags: ['onlink'] }, 'Nexthop has invalid gateway.', undefined],
  [{ dst: '10.0.0.0/8', gateway: '255.255.255.255', dev: 'eth0', flags: ['onlink'] }, 'Nexthop has invalid gateway.', undefined],
  [{ dst: '10.0.0.0/8', gateway: '192.0.2.1', dev: 'eth0', flags: ['onlink'] }, 'Nexthop has invalid gateway.', undefined],
  [{ dst: '10.0.0.0/8', gateway: '240.0.0.1', dev: 'eth0' }, 'Nexthop has invalid gateway.', undefined],
  [{ dst: '10.0.0.0/8', gateway: '240.0.0.1', flags: ['onlink'] }, 'Nexthop device required for onlink.', undefined],
  [{ type: 'nat', dst: '10.0.0.0/8' }, undefined, undefined],
] as const;

/** Routes that ip takes, as we do. */
const TAKEN = [
  { dst: '10.0.0.0/8', gateway: '240.0.0.1', dev: 'eth0', flags: ['onlink'] },
  { dst: '10.0.0.0/8', gateway: '192.0.2.9', dev: 'eth0', scope: 'site' },
  { dst: '10.0.0.0/8', gateway: '192.0.2.9', dev: 'eth0', scope: '252' },
  { dst: '10.0.0.0/8', dev: 'eth1', scope: 'host', prefsrc: '192.0.2.1' },
  { dst: '10.0.0.0/8', dev: 'eth1', prefsrc: '127.0.0.5' },
  { type: 'local', dst: '10.0.0.1', dev: 'eth0', prefsrc: '10.0.0.1' },
  { type: 'blackhole', dst: '10.0.0.0/8', prefsrc: '192.0.2.9' },
  { dst: '2001:db8:5::/64', dev: 'eth1', prefsrc: '2001:db8::1' },
  // Addresses of routers are often on lo.
  { dst: '10.0.0.0/8', dev: 'eth0', prefsrc: '192.0.2.77' },
  { dst: '2001:db8:5::/64', dev: 'eth0', prefsrc: '2001:db8:9::1' },
  { dst: '2001:db8:5::/64', dev: 'lo', prefsrc: '::1' },
  { type: 'local', dst: '10.9.0.0/16', dev: 'lo', prefsrc: '10.9.0.0' },
  { dst: '2001:db8:5::/64', gateway: 'fe80::9', dev: 'eth0', scope: 'link' },
];

test.each(TAKEN)('taken: %j', (route) => {
  expect(() => buildHost({ addresses: ADDRESSES, routes: [[NEAR, route]] })).not.toThrow();
});

/** All addresses of a network are the host's. */
const ANY = { type: 'local', dst: '203.0.113.0/24', dev: 'lo' };
const FROM_ANY = { dst: '10.0.0.0/8', dev: 'eth0', prefsrc: '203.0.113.7' };

test('taken: a source that a local route makes one of the host, wherever that stands', () => {
  for (const routes of [[[ANY, FROM_ANY]], [[FROM_ANY], [ANY]]])
    expect(() => buildHost({ addresses: ADDRESSES, routes })).not.toThrow();
  expect(() => buildHost({ addresses: ADDRESSES, routes: [[FROM_ANY]] })).toThrow('Invalid prefsrc address.');
});

test.each(REFUSED)('refused: %j', (route, said, hint) => {
  const refusal = (): unknown => buildHost({ addresses: ADDRESSES, routes: [[NEAR, route]] });
  expect(refusal).toThrow(said ?? '"type" wants one of unicast, local, broadcast');
  if (hint !== undefined) expect(refusal).toThrow(expect.objectContaining({ hint: expect.stringContaining(hint) }));
});

/** The same routes, and those that a note tells of, by ip itself. */
describeKernel('what ip route says', () => {
  /** `ip` with these words; what it reads may stand before them, in a list. */
  const asked = (...given: (string | [string])[]): { status: number | null; stderr: string } => {
    const words = given.filter((one) => typeof one === 'string');
    const input = given.find((one) => typeof one !== 'string')?.[0] ?? '';
    const script = [
      ...['eth0', 'eth1'].flatMap((name, i) => [
        `ip link add ${name} type veth peer name peer${i}`,
        `ip link set ${name} up`,
        `ip link set peer${i} up`,
      ]),
      ...ADDRESSES.flatMap(({ ifname, addr_info }) =>
        addr_info.map(
          ({ local, prefixlen, family }) =>
            `ip addr add ${local}/${prefixlen} dev ${ifname}${family === 'inet6' ? ' nodad' : ' brd +'}`,
        ),
      ),
      'ip link set lo up',
      'ip route add default via 192.0.2.9 dev eth0',
      'exec ip "$@"',
    ];
    return spawnSync('unshare', ['-n', 'sh', '-ec', script.join('\n'), 'sh', ...words], { encoding: 'utf8', input });
  };
  const add = (...words: string[]) => asked('route', ...words);
  const words = ({ type, dst, gateway, dev, prefsrc, scope, flags = [] }: Written): string[] => [
    ...(dst.includes(':') ? ['-6'] : []),
    'route',
    'add',
    ...(type === undefined ? [] : [type]),
    dst,
    ...(gateway === undefined ? [] : ['via', gateway]),
    ...(dev === undefined ? [] : ['dev', dev]),
    ...(prefsrc === undefined ? [] : ['src', prefsrc]),
    ...(scope === undefined ? [] : ['scope', scope]),
    ...flags,
  ];
  it.each(TAKEN)('%j', (route) => {
    expect(asked(...words(route))).toMatchObject({ status: 0, stderr: '' });
  });
  it.each(REFUSED)('%j', (route, said) => {
    const { status, stderr } = asked(...words(route));
    expect(status).not.toBe(0);
    expect(stderr).toContain(said ?? 'Error: Invalid scope.');
  });
  it('of sources that a local route makes', () => {
    expect(asked(...words(FROM_ANY)).stderr).toContain('Invalid prefsrc address.');
    const both = [ANY, FROM_ANY].map((route) => `${words(route).join(' ')}\n`).join('');
    expect(asked([both], '-batch', '-')).toMatchObject({ status: 0, stderr: '' });
  });
  it('of two with one metric', () => {
    expect(add('add', 'default', 'via', '198.51.100.9').stderr).toContain('File exists');
    expect(add('append', 'default', 'via', '198.51.100.9').status).toBe(0);
    expect(add('add', 'default', 'via', '198.51.100.9', 'metric', '5').status).toBe(0);
  });
});

test.each(['a/b c', 'a/b', 'a b', 'a:b', '.', '..', '', 'abcdefghijklmnop'])('no device is named %j', (name) => {
  const told = /wants the name of a device/;
  expect(() => buildHost({ addresses: [{ ifname: name, addr_info: [] }] })).toThrow(told);
  expect(() => buildHost({ routes: [[{ dst: 'default', dev: name }]] })).toThrow(told);
});

test('told: what is not asked', () => {
  expect(notes(NEAR, { ...SECOND, metric: 5 })).toEqual([]);
  expect(
    notes(NEAR, NEAR, { dst: 'fe80::/64', dev: 'eth0', metric: 256 }, { dst: 'fe80::/64', dev: 'eth1', metric: 256 }),
  ).toEqual([]);
  expect(notes(NEAR, SECOND)).toEqual([
    '--route: default via 198.51.100.9 dev eth1 is not asked: default via 192.0.2.9 dev eth0 stands before it with the same metric ("ip route add" refuses such a one: File exists)',
  ]);
  expect(notes(NEAR, { dst: '2001:db8:5::1/48', dev: 'eth0' })).toEqual([
    '--route: 2001:db8:5::1/48 is taken for 2001:db8:5::/48, as "ip -6 route" takes it',
  ]);
  expect(notes(NEAR, { ...SECOND, table: '100' }, { ...SECOND, table: 'vpn' })).toEqual([
    '--route: routes of table 100, vpn are not asked: only rules (ip rule) lead there',
  ]);
  expect(notes(NEAR, { ...SECOND, tos: '0x04' })[0]).toMatch(/tos "0x04" is not asked/);
  expect(notes(NEAR, { ...SECOND, flags: ['dead', 'linkdown'] })[0]).toMatch(/eth1 is dead, and not asked/);
});

test('the first of two with one metric is taken; a gateway says its device', () => {
  const { routes } = buildHost({ addresses: ADDRESSES, routes: [[{ dst: 'default', gateway: '192.0.2.9' }, SECOND]] });
  expect(routes.find(({ family, prefix }) => family === 4 && prefix === 0)).toMatchObject({
    device: 'eth0',
    gateway: [0xc0000209],
  });
});

test('devices that --addr does not have', () => {
  const strange = (given: object): string[] => buildHost({ addresses: ADDRESSES, ...given }).notes;
  expect(strange({ in: 'eht0', routes: [[NEAR]] })).toEqual(['--addr has no device eht0, which --in, --out or --local name']);
  expect(strange({ local: ['10.0.0.1@ppp0'], in: 'eth1', routes: [[NEAR]] })).toEqual([
    '--addr has no device ppp0, which --in, --out or --local name',
  ]);
  expect(strange({ in: 'eth0', out: 'eth1', routes: [[NEAR]] })).toEqual([]);
  // Who named none did not name eth0 either.
  const elsewhere = [{ ifname: 'wan0', addr_info: [{ family: 'inet', local: '192.0.2.1', prefixlen: 24 }] }];
  const unnamed =
    '--addr has no device eth0, which is taken where none is named: --in, --out and --local ADDRESS@DEVICE name one';
  const local = (...addresses: string[]): string[] =>
    buildHost({ addresses: elsewhere, local: addresses }).notes.filter((note) => note.startsWith('--addr'));
  expect(local('1.2.3.4')).toEqual([unnamed]);
  expect(local('1.2.3.4@wan0')).toEqual([]);
  expect(local('1.2.3.4', '1.2.3.5@ppp0')).toEqual(['--addr has no device ppp0, which --in, --out or --local name', unnamed]);
  expect(buildHost({ in: 'eht0', local: ['10.0.0.1'] }).notes).toEqual([]);
});

test('routes without addresses: a hint, unless somebody says who is local', () => {
  const hints = (given: object): string[] =>
    buildHost({ routes: [[NEAR]], ...given }).notes.filter((note) => note.includes('without --addr'));
  expect(hints({})).toHaveLength(1);
  expect(hints({ local: ['192.0.2.1'] })).toEqual([]);
  expect(hints({ forward: true, in: 'eth1', out: 'eth0' })).toEqual([]);
  expect(hints({ routes: [[NEAR, { type: 'local', dst: '192.0.2.1', dev: 'eth0', table: 'local' }]] })).toEqual([]);
});

test('routes of one family, and rules of the other: a hint', async () => {
  const rules = join(folder, 'dual.v4');
  writeFileSync(rules, '*filter\nCOMMIT\n');
  const capture = fileURLToPath(new URL('../../pcaps/web/capture.pcap', import.meta.url));
  const hints = async (...routes: object[]): Promise<string[]> => {
    const files = routes.map((route, index) => {
      const path = join(folder, `routes${index}.json`);
      writeFileSync(path, JSON.stringify([route]));
      return path;
    });
    const args = ['--local', '192.0.2.1', ...files.flatMap((path) => ['--route', path])];
    const { stdout } = await command(['replay', '-R', rules, '--rules6', rules, '-r', capture, '--format', 'json', ...args]);
    const { host } = JSON.parse(stdout) as { host: { notes: string[] } };
    return host.notes.filter((note) => note.startsWith('--route has no')).map((note) => note.slice(0, 27));
  };
  const six = { dst: 'default', gateway: 'fe80::1', dev: 'eth0', flags: [] };
  expect(await hints(NEAR)).toEqual(['--route has no IPv6 routes:']);
  expect(await hints(six)).toEqual(['--route has no IPv4 routes:']);
  expect(await hints(NEAR, six)).toEqual([]);
});

test.each([
  [
    'route',
    ADDRESSES,
    '1:2: --route: an entry without "dst": {"ifname":"eth0"',
    'this is what "ip -j addr" prints: it goes with --addr',
  ],
  ['route', [{}], '1:2: --route: an entry without "dst": {}\n', 'make it with "ip -j route"\n'],
  ['route', [NEAR, { dst: 'there', dev: 'eth0' }], '1:73: --route: cannot read the destination "there"', undefined],
  ['route', null, '1:1: --route wants the JSON list that "ip -j route" prints, got null\n', 'make it with "ip -j route > '],
  ['route', {}, '1:1: --route wants the JSON list that "ip -j route" prints\n', undefined],
  ['addr', 7, '1:1: --addr wants the JSON list that "ip -j addr" prints, got 7\n', 'make it with "ip -j addr > '],
  [
    'addr',
    [NEAR],
    '1:2: --addr: no "addr_info" in it, so no address\n',
    'this is what "ip -j route" prints: it goes with --route',
  ],
  ['addr', [], '1:1: --addr: no "addr_info" in it, so no address\n', 'make it with "ip -j addr"\n'],
  ['maddr', {}, '1:1: --maddr wants the JSON list that "ip -j maddr" prints\n', undefined],
  ['maddr', ADDRESSES, '1:2: --maddr: no "maddr" in it, so no group\n', 'make it with "ip -j maddr"\n'],
  ['maddr', [{ maddr: [] }], '1:2: --maddr: an entry without "ifname": {"maddr":[]}\n', undefined],
  [
    'maddr',
    [{ ifname: 'eth0', maddr: [{ family: 'inet', address: '10.0.0.1' }] }],
    '1:55: --maddr: eth0: "10.0.0.1" is no group\n',
    undefined,
  ],
])('--%s is given %j', async (name, json, said, hint) => {
  const files = { route: [NEAR], addr: ADDRESSES, [name]: json };
  const flags = Object.entries(files).flatMap(([flag, value]) => {
    const path = join(folder, `given-${flag}.json`);
    writeFileSync(path, JSON.stringify(value));
    return [`--${flag}`, path];
  });
  const { code, stderr } = await command(['replay', '-R', 'pcaps/web/rules.v4', '-r', '/dev/null', ...flags]);
  expect(code).toBe(2);
  expect(stderr.startsWith(`${join(folder, `given-${name}.json`)}:${said}`), stderr).toBe(true);
  if (hint !== undefined) expect(stderr).toContain(`  hint: ${hint}`);
});

test('the command tells file, line and column, what was there and what to do', async () => {
  const rules = join(folder, 'rules.v4');
  const route = join(folder, 'route.json');
  const addr = join(folder, 'addr.json');
  writeFileSync(rules, '*filter\nCOMMIT\n');
  writeFileSync(addr, JSON.stringify(ADDRESSES));
  writeFileSync(route, '[\n  {"dst": "10.0.0.1/8", "dev": "eth0"}\n]\n');
  const args = ['replay', '-R', rules, '-r', '/dev/null'];
  expect(await command([...args, '--addr', addr, '--route', route])).toMatchObject({
    code: 2,
    stderr: `${route}:2:11: --route: 10.0.0.1/8 dev eth0: Invalid prefix for given prefix length.
    {"dst": "10.0.0.1/8", "dev": "eth0"}
            ^
  hint: there are bits behind the prefix: the network is 10.0.0.0/8, the host alone 10.0.0.1
`,
  });
  writeFileSync(addr, '1: lo: <LOOPBACK,UP> mtu 65536\n');
  expect(await command([...args, '--addr', addr])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /addr\.json:1:1: --addr: .* is not JSON: .*\n {2}1: lo: .*\n {2}\^\n {2}hint: make it with "ip -j addr > /,
    ),
  });
  const both = await command([...args, '--conntrack-max', '5', '--sysctl', 'net.netfilter.nf_conntrack_max=7']);
  expect(both).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--conntrack-max 5 and --sysctl nf_conntrack_max=7 are the same limit: give one/),
  });
});

test('groups are told beside addresses, not instead of them', async () => {
  const maddr = join(folder, 'maddr.json');
  writeFileSync(
    maddr,
    JSON.stringify([{ ifname: 'eth0', maddr: [{ link: '01:00:5e:00:00:fb' }, { family: 'inet', address: '224.0.0.251' }] }]),
  );
  expect(await command(['replay', '-R', 'pcaps/web/rules.v4', '-r', '/dev/null', '--maddr', maddr])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--maddr tells groups, not addresses: give --addr, --local or --forward, too'),
  });
  const { groups } = buildHost({ addresses: ADDRESSES, groups: JSON.parse(readFileSync(maddr, 'utf8')) });
  expect(groups).toEqual([{ family: 4, address: [0xe00000fb], device: 'eth0' }]);
});

test('an MTU of 0 is none that was told: the reference let nothing out of such a device', () => {
  const [, eth0] = buildHost({ addresses: [{ ...ADDRESSES[0], mtu: 0 }] }).interfaces;
  expect(eth0).toMatchObject({ name: 'eth0' });
  expect(eth0).not.toHaveProperty('mtu');
});
