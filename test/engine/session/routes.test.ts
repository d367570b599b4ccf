/** --forward and --out beside files of addresses and routes of every type: random rules and packets, by reference and engine. */
import { expect, test } from 'vitest';
import { casesOf } from '../../../src/fuzz/arbitrary.ts';
import { captureOf, type FuzzCase } from '../../../src/fuzz/case.ts';
import { ask, differences, jobOf } from '../../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../../src/fuzz/witness.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import { SEED } from '../../seed.ts';

/** Routes of every type that answers differently, over halves and quarters of all addresses. */
const ROUTES = [
  { dst: '0.0.0.0/2', type: 'throw' },
  { dst: '10.0.0.0/8', dev: 'eth1' },
  { dst: '128.0.0.0/2', type: 'unreachable' },
  { dst: '192.0.0.0/3', dev: 'eth0' },
  { dst: '2000::/4', type: 'throw' },
  { dst: 'fc00::/7', type: 'blackhole' },
  { dst: 'fe80::/64', dev: 'eth1' },
  { dst: 'fe80::/64', dev: 'eth0', metric: 256 },
  { dst: '2001:db8::/33', dev: 'eth1' },
];
const ADDRESSES = ['eth0', 'eth1'].map((ifname, index) => ({
  ifname,
  mtu: 1500 - 100 * index,
  addr_info: [
    { family: 'inet', local: `10.0.${index}.1`, prefixlen: 24 },
    { family: 'inet6', local: `2001:db8:${index}::1`, prefixlen: 64 },
  ],
}));

const FORWARDING = [
  { in: 'eth0', out: 'eth1', routes: [ROUTES] },
  { in: 'eth0', out: 'eth1', routes: [[{ dst: 'default', type: 'throw' }]] },
  { in: 'eth0', out: 'eth0', routes: [ROUTES], addresses: ADDRESSES },
  { in: 'eth1', out: 'eth0', addresses: ADDRESSES },
].map((given) => buildHost({ ...given, forward: true }));

const OWN = { local: ['10.77.0.1/24@eth0', '2001:db8:77::1/64@eth0'] };
const ROUTING = [
  { ...OWN, in: 'eth0', out: 'eth1', routes: [ROUTES] },
  { ...OWN, in: 'eth0', routes: [ROUTES] },
  { ...OWN, out: 'eth1', routes: [[{ dst: 'default', type: 'throw' }]] },
].map(buildHost);

test.each([
  ['forward', FORWARDING],
  ['route', ROUTING],
])(`reference and engine %s alike, whatever routes say (seed ${SEED})`, { timeout: 240_000 }, async (_, hosts) => {
  const only = ['addrtype', 'rpfilter', 'TCPMSS', 'MASQUERADE', 'REDIRECT', 'DNAT'];
  const placed = (one: FuzzCase, index: number): FuzzCase => {
    const sysctls = { ...one.profile.sysctls, 'net.ipv4.conf.all.rp_filter': index % 3 };
    return { ...one, host: hosts[index % hosts.length]!, profile: { ...one.profile, sysctls } };
  };
  for (const [index, one] of casesOf({ packets: 80, judge: 'software', only }, SEED, 24).map(placed).entries()) {
    const capture = captureOf(one);
    const reference = await ask(PROGRAMS.reference!, jobOf(one), capture);
    for (const name of ['debug', 'linear']) {
      const engine = await ask(PROGRAMS[name]!, jobOf(one), capture);
      expect(differences(reference, engine), `case ${index} of seed ${SEED}, ${name}`).toEqual([]);
    }
  }
});
