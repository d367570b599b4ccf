/** Spoilt `ip -j addr` and `ip -j route`: refused by the name of what is wrong, or a host on which engine and reference agree. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HostError } from '../../src/model/errors.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { ROOT } from '../cli/command.ts';
import { captures } from './corpus.ts';
import { LONG, type Random, rounds, SEED } from './rounds.ts';
import { agree, byEngine, byReference, prepared } from './witnesses.ts';

console.log(`WASMTABLES_SEED=${SEED} repeats test/fuzz-bytes/host.test.ts`);

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const read = (name: string): Json => JSON.parse(readFileSync(join(ROOT, 'pcaps/gateway', name), 'utf8')) as Json;
const ADDRESSES = read('addr.json');
const ROUTES = read('route.json');
const FOUR =
  '*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i eth0 -m addrtype --src-type LOCAL\n-A INPUT -i eth+ -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n';
const RULES = { 4: parseSave(FOUR, { file: 'rules.v4', family: 4 }), 6: parseSave(FOUR, { file: 'rules.v6', family: 6 }) };
const capture = captures.find(({ name }) => name.endsWith('gateway/capture.pcapng'))!.bytes.slice(0, 12_000);

const VALUES: readonly Json[] = [
  ...[null, true, 0, -1, 1.5, 24, 32, 33, 128, 129, 1500, 65_536, 2 ** 31, 2 ** 32, 1e300, [], {}, [null], [[]]],
  ...[
    '',
    'x',
    'eth0',
    'eth1',
    'lo',
    'e'.repeat(300),
    '\u{1f525}',
    'a\0b',
    'default',
    'local',
    'blackhole',
    'unicast',
    'inet',
    'inet6',
  ],
  ...[
    '0.0.0.0',
    '127.0.0.1',
    '255.255.255.255',
    '10.0.0.0/33',
    '10.0.0.0/8',
    '::/0',
    '::1',
    'fe80::1',
    'ff02::1',
    '1.2.3',
    '0.0.0.0/0',
    '02:00:00:00:00:01',
  ],
];

/** One value of the tree taken out, doubled, or put in another's place. */
function mutate(json: Json, random: Random): Json {
  const out = structuredClone(json);
  const places: [holder: Json[] | { [key: string]: Json }, key: string][] = [];
  const visit = (value: Json): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const key of Object.keys(value)) {
      places.push([value, key]);
      visit((value as { [key: string]: Json })[key]!);
    }
  };
  visit(out);
  if (places.length === 0) return random.pick(VALUES);
  const [holder, key] = random.pick(places);
  const slot = holder as { [key: string]: Json };
  switch (random.below(5)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete slot[key];
      break;
    case 1:
      if (Array.isArray(holder)) holder.push(structuredClone(slot[key]!));
      break;
    case 2: {
      const [from, name] = random.pick(places);
      slot[key] = structuredClone((from as { [key: string]: Json })[name]!);
      break;
    }
    default:
      slot[key] = random.pick(VALUES);
  }
  return out;
}

test(
  'a host, or what is wrong',
  async () => {
    let built = 0;
    let refused = 0;
    await rounds('host', 150, async (random, keep) => {
      let [addresses, routes] = [ADDRESSES, ROUTES];
      for (let times = 1 + random.below(3); times > 0; times--) {
        if (random.below(2) === 0) addresses = mutate(addresses, random);
        else routes = mutate(routes, random);
      }
      keep(JSON.stringify({ addresses, routes }), 'json');
      const given: HostGiven = { addresses, routes: [routes], ...(random.below(2) === 0 ? { in: 'eth0' } : {}) };
      try {
        const job = prepared({ rules: RULES, host: buildHost(given), profile: DEFAULT_PROFILE, packets: { path: true } });
        built++;
        agree(byReference(job.job, capture), await byEngine(job, capture));
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
        expect(error.message).toMatch(/^--(addr|route)/);
        refused++;
      }
    });
    expect(built).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(20);
  },
  LONG,
);

test.each([
  [{ addresses: [{ ifname: 5, addr_info: [] }] }, '--addr: "ifname" wants a text, got 5'],
  [{ addresses: [null] }, '--addr: entry 1 wants an object, got null'],
  [
    { addresses: [{ ifname: 'eth0', mtu: -1, addr_info: [] }] },
    '--addr: "mtu" wants a whole number from 0 to 2147483647, got -1',
  ],
  [{ addresses: [{ ifname: 'eth0', addr_info: [1] }] }, '--addr: eth0: addr_info wants an object, got 1'],
  [
    { addresses: [{ ifname: 'eth0', addr_info: [{ family: 'inet', local: '1.2.3.4', prefixlen: 24.5 }] }] },
    '--addr: "prefixlen" wants a whole number from 0 to 32, got 24.5',
  ],
  [{ routes: [[{ dst: 'default', dev: [] }]] }, '--route: "dev" wants a text, got []'],
  [
    { routes: [[{ dst: 'default', dev: 'eth0', metric: 1e300 }]] },
    '--route: "metric" wants a whole number from 0 to 4294967295, got 1e+300',
  ],
])('%j', (given, message) => {
  expect(() => buildHost(given)).toThrow(message);
});

const network = (local: string, prefixlen: number) => ({ family: local.includes(':') ? 'inet6' : 'inet', local, prefixlen });
const ADDRESSED = [
  { ifname: 'eth0', addr_info: [network('10.0.0.1', 24), network('2001:db8::1', 64)] },
  { ifname: 'eth1', addr_info: [network('10.1.0.1', 24)] },
];

/** In the words of `ip route add`. */
test.each([
  ['192.0.2.0/24', 'fe80::1', 'inet address is expected rather than "fe80::1".'],
  ['2001:db8:9::/48', '10.0.0.9', 'inet6 address is expected rather than "10.0.0.9".'],
  ['default', '10.9.0.1', 'Nexthop has invalid gateway. (it is in no network of eth0: 10.0.0.0/24)'],
  ['default', '10.1.0.9', 'Nexthop has invalid gateway. (it is in no network of eth0: 10.0.0.0/24)'],
  ['default', '10.0.0.255', 'Nexthop has invalid gateway. (no address of a host)'],
  ['default', '224.0.0.1', 'Nexthop has invalid gateway. (no address of a host)'],
  ['default', '127.0.0.1', 'Nexthop has invalid gateway. (an address of this host, but not of eth0)'],
  ['default', '10.1.0.1', 'Nexthop has invalid gateway. (an address of this host, but not of eth0)'],
  ['2001:db8:9::/48', '2001:db8::1', 'Gateway can not be a local address.'],
  ['2001:db8:9::/48', 'ff02::1', 'Invalid gateway address. (no address of a host)'],
  ['2001:db8:9::/48', '2001:db8:1::1', 'No route to host (it is in no network of eth0: 2001:db8::/64)'],
])('no gateway: %s via %s', (dst, gateway, message) => {
  const routes = [[{ dst, gateway, dev: 'eth0', flags: [] }]];
  expect(() => buildHost({ addresses: ADDRESSED, routes })).toThrow(`--route: ${dst} via ${gateway} dev eth0: ${message}`);
});

test('gateways: on the link, by another route, by flag, and of a device of which nothing is told', () => {
  const told = (addresses: HostGiven['addresses'], ...list: object[]): (string | undefined)[] =>
    buildHost({ addresses, routes: [list] })
      .routes.slice(-list.length)
      .map(({ gateway }) => gateway?.join());
  const via = (gateway: string, more: object = {}) => ({ dst: 'default', gateway, dev: 'eth0', flags: [], ...more });
  expect(told(ADDRESSED, via('10.0.0.9'))).toEqual(['167772169']);
  // An own address is none.
  expect(told(ADDRESSED, via('10.0.0.1'))).toEqual([undefined]);
  expect(told(ADDRESSED, via('10.9.0.1'), { dst: '10.9.0.1', dev: 'eth0' })).toEqual(['168361985', undefined]);
  expect(told(ADDRESSED, via('10.9.0.1', { flags: ['onlink'] }))).toEqual(['168361985']);
  expect(told([{ ifname: 'eth0', addr_info: [] }, ...ADDRESSED.slice(1)], via('10.9.0.1'))).toEqual(['168361985']);
  expect(told(ADDRESSED, { ...via('fe80::1'), dst: '2001:db8:9::/48' })).toEqual(['4269801472,0,0,1']);
  expect(() => told(ADDRESSED, via('10.0.0.9', { type: 'blackhole', dst: '192.0.2.0/24' }))).toThrow(
    '--route: blackhole 192.0.2.0/24 via 10.0.0.9 dev eth0: Gateway, device and multipath can not be specified for this route type.',
  );
  expect(() => told(ADDRESSED, via('10.0.0.9', { flags: 'onlink' }))).toThrow('--route: "flags" wants a list, got "onlink"');
});

test('several ways of one route: the first is taken, and told', () => {
  const hop = (gateway: string, dev: string) => ({ gateway, dev, weight: 1, flags: [] });
  const ways = { dst: 'default', flags: [], nexthops: [hop('10.0.0.9', 'eth0'), hop('10.1.0.9', 'eth1')] };
  const host = buildHost({ addresses: ADDRESSED, routes: [[ways]] });
  expect(host.routes.find(({ prefix }) => prefix === 0)).toMatchObject({ device: 'eth0', gateway: [0x0a000009] });
  expect(host.notes).toContainEqual(expect.stringContaining('default via 10.0.0.9 dev eth0 is taken for all 2 ways'));
  expect(() => buildHost({ addresses: ADDRESSED, routes: [[{ dst: 'default', nexthops: 7 }]] })).toThrow(
    '"nexthops" wants a list',
  );
});
