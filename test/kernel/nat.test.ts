/**
 * Translated connections, answers addressed to what the other side saw, and errors about them: the reference and the engine against the running kernel. Compared are the way of
 * every packet, the counters, the bytes that left and the entries with both tuples.
 */
import { expect, test } from 'vitest';
import { withAnswers } from '../../src/fuzz/answers.ts';
import type { FuzzCase } from '../../src/fuzz/case.ts';
import { captureOf } from '../../src/fuzz/case.ts';
import { ask, jobOf } from '../../src/fuzz/differential.ts';
import { askKernel, type Kernel, kernelDifferences, runningKernel, virtualKernel } from '../../src/fuzz/kernels.ts';
import type { FuzzPacket } from '../../src/fuzz/packets.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { machineOf } from '../../src/kernel/virtual/index.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { describeKernel, describeVirtual } from './machine.ts';
import { ACK, ip, ping, SYN, tcp, udp } from './packets.ts';

interface Scenario {
  title: string;
  family: Family;
  host: HostGiven;
  /** Rules of the nat table, `-A CHAIN ...`. */
  nat: readonly string[];
  packets: readonly Uint8Array[];
  /** `out`: the host sends it. */
  out?: boolean;
  /** Connections whose port is drawn by lot. */
  drawn?: number;
  /** Nobody answers: to what is drawn nobody could. */
  unanswered?: true;
}

const ROUTER: HostGiven = {
  addresses: [
    {
      ifname: 'eth0',
      addr_info: [
        { family: 'inet', local: '10.0.0.1', prefixlen: 24 },
        { family: 'inet6', local: 'fd00::1', prefixlen: 64 },
      ],
    },
    {
      ifname: 'eth1',
      addr_info: [
        { family: 'inet', local: '203.0.113.1', prefixlen: 24 },
        { family: 'inet6', local: '2001:db8::1', prefixlen: 64 },
      ],
    },
  ],
  routes: [[{ dst: '0.0.0.0/0', dev: 'eth1' }], [{ dst: '::/0', dev: 'eth1' }]],
  in: 'eth0',
};
/** A device with addresses of several labels, and with two of one network. */
const MANY: HostGiven = {
  addresses: [
    { ifname: 'eth0', addr_info: [{ family: 'inet6', local: 'fd01::1', prefixlen: 64 }] },
    {
      ifname: 'eth1',
      addr_info: ['3fff::1', 'fd00::1', '2001:db8:1::1', '2001:db8:1::8', '2002::1'].map((local) => ({
        family: 'inet6',
        local,
        prefixlen: 64,
      })),
    },
  ],
  routes: [[{ dst: '::/0', dev: 'eth1' }]],
  in: 'eth0',
};
const HOST: HostGiven = { local: ['10.0.0.1'], in: 'eth0' };
const OUTSIDE = '198.51.100.7';

const web = (from: string, to = OUTSIDE, port = 80): Uint8Array[] => [
  tcp(from, `${to} ${port}`, SYN, 1000),
  tcp(from, `${to} ${port}`, ACK, 1001, 5001, 10),
];

const SCENARIOS: readonly Scenario[] = [
  {
    title: 'MASQUERADE',
    family: 4,
    host: ROUTER,
    nat: ['POSTROUTING -o eth1 -j MASQUERADE'],
    packets: [...web('10.0.0.5 4000'), udp('10.0.0.5 53', `${OUTSIDE} 53`), ping('10.0.0.6', OUTSIDE)],
  },
  {
    title: 'MASQUERADE, IPv6',
    family: 6,
    host: ROUTER,
    nat: ['POSTROUTING -o eth1 -j MASQUERADE'],
    packets: [
      udp('fd00::5 53', '2001:db8:9::7 53'),
      ping('fd00::6', '2001:db8:9::7'),
      tcp('fd00::5 4000', '2001:db8:9::7 80', SYN),
    ],
  },
  {
    title: 'a port that is taken is drawn',
    family: 4,
    host: ROUTER,
    nat: ['POSTROUTING -o eth1 -j MASQUERADE'],
    packets: [
      udp('10.0.0.5 4000', `${OUTSIDE} 53`),
      udp('10.0.0.6 4000', `${OUTSIDE} 53`),
      udp('10.0.0.7 4000', `${OUTSIDE} 54`),
    ],
    drawn: 1,
  },
  {
    title: 'one port for two connections: the second is dropped',
    family: 4,
    host: ROUTER,
    nat: ['POSTROUTING -p udp -j SNAT --to-source 203.0.113.9:4000'],
    packets: [udp('10.0.0.5 1', `${OUTSIDE} 53`), udp('10.0.0.6 2', `${OUTSIDE} 53`), udp('10.0.0.6 2', `${OUTSIDE} 54`)],
  },
  {
    title: 'SNAT to a range of addresses, by a hash of both',
    family: 4,
    host: ROUTER,
    nat: ['POSTROUTING -j SNAT --to-source 203.0.113.10-203.0.113.99'],
    packets: [5, 6, 7, 8, 9].flatMap((last) => [
      udp(`10.0.0.${last} 9`, `${OUTSIDE} 53`),
      udp(`10.0.0.${last} 9`, '192.0.2.1 53'),
      udp(`10.0.0.${last} 10`, '192.0.2.2 53'),
    ]),
  },
  {
    title: 'SNAT to a range, --persistent, IPv6',
    family: 6,
    host: ROUTER,
    nat: ['POSTROUTING -j SNAT --to-source 2001:db8::10-2001:db8::1:99 --persistent'],
    packets: [5, 6, 7].flatMap((last) => [
      udp(`fd00::${last} 9`, '2001:db8:9::1 53'),
      udp(`fd00::${last} 10`, '2001:db8:9::2 53'),
    ]),
  },
  {
    title: 'DNAT to a range, IPv6',
    family: 6,
    host: ROUTER,
    nat: ['PREROUTING -j DNAT --to-destination 2001:db8:9::10-2001:db8:a::1'],
    packets: [5, 6, 7].map((last) => udp(`fd00::${last} 9`, '2001:db8:5::1 53')),
  },
  {
    title: 'DNAT to another port and back into the host',
    family: 4,
    host: ROUTER,
    nat: [
      'PREROUTING -p tcp -d 203.0.113.1 -j DNAT --to-destination 10.0.0.80:8080',
      'PREROUTING -p udp -j DNAT --to-destination 10.0.0.1:5353',
    ],
    packets: [...web('10.0.0.5 4000', '203.0.113.1'), udp('10.0.0.5 53', `${OUTSIDE} 53`)],
  },
  {
    title: 'DNAT shifts ports',
    family: 4,
    host: ROUTER,
    nat: ['PREROUTING -p udp -j DNAT --to-destination 198.51.100.9:5000-5009/53'],
    packets: [
      udp('10.0.0.5 1', `${OUTSIDE} 53`),
      udp('10.0.0.5 2', `${OUTSIDE} 55`),
      udp('10.0.0.5 3', `${OUTSIDE} 70`),
      udp('10.0.0.5 4', `${OUTSIDE} 1`),
    ],
  },
  {
    title: 'DNAT to a range of ports takes the first that is free',
    drawn: 1,
    family: 4,
    host: ROUTER,
    nat: ['PREROUTING -p udp -j DNAT --to-destination 198.51.100.9:5000-5002'],
    packets: [
      udp('10.0.0.5 1', `${OUTSIDE} 53`),
      udp('10.0.0.5 1', `${OUTSIDE} 54`),
      udp('10.0.0.5 1', `${OUTSIDE} 55`),
      udp('10.0.0.5 1', `${OUTSIDE} 5001`),
    ],
  },
  {
    title: 'REDIRECT',
    family: 4,
    host: ROUTER,
    nat: ['PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 3128'],
    packets: web('10.0.0.5 4000'),
  },
  {
    title: 'REDIRECT without an address of the device drops',
    family: 4,
    host: { forward: true, in: 'eth0', out: 'eth1' },
    nat: ['PREROUTING -j REDIRECT'],
    packets: web('10.0.0.5 4000'),
  },
  {
    title: 'NETMAP both ways',
    family: 4,
    host: ROUTER,
    nat: [
      'PREROUTING -d 192.0.2.0/24 -j NETMAP --to 198.51.100.0/24',
      'POSTROUTING -s 10.0.0.0/24 -j NETMAP --to 203.0.113.0/24',
    ],
    packets: [udp('10.0.0.5 9', '192.0.2.77 53'), ping('10.0.0.5', '192.0.2.78')],
  },
  {
    title: 'own packets take another way',
    family: 4,
    host: HOST,
    out: true,
    nat: ['OUTPUT -p udp -j DNAT --to-destination 192.0.2.9', 'OUTPUT -p tcp -j REDIRECT --to-ports 8080'],
    packets: [udp('10.0.0.1 9', `${OUTSIDE} 53`), tcp('10.0.0.1 4000', `${OUTSIDE} 80`, SYN)],
  },
  {
    title: 'own packets to unique local and link-local addresses take another way',
    family: 6,
    host: { local: ['2001:db8:9::1'], in: 'eth0' },
    out: true,
    nat: ['OUTPUT -p udp -j REDIRECT', 'OUTPUT -p tcp -j DNAT --to-destination 2001:db8:9::7'],
    packets: ['fd00::9', 'fe80::9', '2001:db8:5::9'].flatMap((to, index) => [
      udp(`2001:db8:9::1 ${40 + index}`, `${to} 53`),
      tcp(`2001:db8:9::1 ${40 + index}`, `${to} 80`, SYN),
    ]),
  },
  {
    title: 'translated, then the hops are used up',
    family: 6,
    host: { forward: true, in: 'eth0', out: 'eth1' },
    nat: ['PREROUTING -j DNAT --to-destination 2001:db8:9::7'],
    packets: [1, 2].map((ttl) => ip('fd00::5', '2001:db8:5::1', 99, Buffer.alloc(8), -1, { ttl })),
  },
  {
    title: 'handed to a queue that nobody listens to, then the hops are used up',
    family: 6,
    host: { forward: true, in: 'eth0', out: 'eth1' },
    nat: ['PREROUTING -j NFQUEUE --queue-bypass'],
    packets: [1, 2].map((ttl) => ip('fd00::5', '2001:db8:5::1', 99, Buffer.alloc(8), -1, { ttl })),
  },
  {
    title: 'MASQUERADE where nothing but lo has an address, IPv6',
    family: 6,
    host: { forward: true, in: 'eth0', out: 'eth1' },
    nat: ['POSTROUTING -j MASQUERADE'],
    packets: [udp('fd00::5 53', '2001:db8:9::7 53')],
  },
  {
    title: 'MASQUERADE where nothing has an address drops',
    family: 4,
    host: { forward: true, in: 'eth0', out: 'eth1' },
    nat: ['POSTROUTING -j MASQUERADE'],
    packets: [udp('10.0.0.5 53', `${OUTSIDE} 53`)],
  },
  ...['2001:db8:1::9', '2001:db8:2::9', 'fd00::9', '2002:1::9', '3000::9', '::5'].map((to) => ({
    title: `MASQUERADE of what goes to ${to}: the label decides before the prefix, which is no longer than the network`,
    family: 6 as const,
    host: MANY,
    nat: ['POSTROUTING -j MASQUERADE'],
    packets: [udp('fd01::5 53', `${to} 53`)],
  })),
  {
    title: 'SNAT in INPUT',
    family: 4,
    host: HOST,
    nat: ['INPUT -p udp -j SNAT --to-source 10.9.9.9'],
    packets: [udp('10.0.0.5 9', '10.0.0.1 53')],
  },
];

function caseOf({ family, host, nat, packets, out = false }: Scenario, kernel: Kernel): FuzzCase {
  const filter =
    '*filter\n-A FORWARD -m conntrack --ctstate DNAT\n-A FORWARD -m conntrack --ctstate SNAT\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED\n-A INPUT -m conntrack --ctstate DNAT\nCOMMIT\n';
  const rules = `*nat\n${nat.map((rule) => `-A ${rule}\n`).join('')}COMMIT\n${filter}`;
  const sent: FuzzPacket[] = packets.map((bytes, index) => ({
    time: 1_700_000_000_000_000_000n + BigInt(index) * 1_000_000n,
    family,
    bytes,
    direction: out ? 'out' : 'in',
    kind: 'host',
    sourceMac: '02:00:00:00:00:99',
  }));
  const ruleset = parseSave(rules, { file: 'rules', family });
  const profile = { ...DEFAULT_PROFILE, ...kernel.profile };
  return { family, rules, refused: [], ruleset, packets: sent, link: 1, given: host, host: buildHost(host), profile };
}

/** Everything that may happen does. */
const ALWAYS = { integer: (low: number) => low, pick: <T>([first]: readonly T[]) => first!, chance: () => true };

async function judged(scenarios: readonly Scenario[], kernel: Kernel): Promise<void> {
  const cases = scenarios.map((scenario) => {
    const opened = caseOf(scenario, kernel);
    return scenario.unanswered ? opened : { ...opened, packets: withAnswers(ALWAYS, opened) };
  });
  const answers = await askKernel(kernel, cases, cases.length === 1);
  for (const [index, answer] of answers.entries()) {
    const { title, drawn = 0 } = scenarios[index]!;
    expect(answer.outcome.refused, title).toBeUndefined();
    for (const name of ['reference', 'engine']) {
      const said = await ask(PROGRAMS[name]!, jobOf(answer.sent), captureOf(answer.sent));
      expect(kernelDifferences(answer, said), `${title}: ${name}`).toEqual([]);
      expect(said.connections().filter((each) => each.drawn !== undefined)).toHaveLength(drawn);
    }
    expect(answer.outcome.entries.length + (title.includes('drops') ? 1 : 0), title).toBeGreaterThan(0);
  }
}

describeKernel('translation of addresses', () => {
  test.each(SCENARIOS.flatMap((scenario) => (['legacy', 'nft'] as const).map((backend) => ({ ...scenario, backend }))))(
    '$title ($backend)',
    { timeout: 120_000 },
    async ({ backend, ...scenario }) => {
      const kernel = runningKernel(backend);
      try {
        await judged([scenario], kernel);
      } finally {
        await kernel.close();
      }
    },
  );
});

/** What 6.1 draws: any port of a destination's range, where others begin with the first. */
const FIRST_FREE = SCENARIOS.filter(({ title }) => title.includes('the first that is free'));
const DRAWN: Scenario = {
  title: 'DNAT to a range of ports draws one',
  family: 4,
  host: ROUTER,
  nat: ['PREROUTING -p udp -j DNAT --to-destination 198.51.100.9:5000-5999'],
  packets: Array.from({ length: 20 }, (_, i) => udp(`10.0.0.5 ${i + 1}`, `${OUTSIDE} ${53 + i}`)),
  unanswered: true,
};

for (const version of ['6.1', '6.12'] as const)
  describeVirtual(version, 'translation of addresses', () => {
    test.each(machineOf(version).backends)('all of the above (%s)', { timeout: 120_000 }, async (backend) => {
      const kernel = virtualKernel(version, backend);
      const draws = version === '6.1';
      await judged(
        SCENARIOS.filter((one) => !(draws && FIRST_FREE.includes(one))).concat({ ...DRAWN, drawn: draws ? 20 : 0 }),
        kernel,
      );
      const [answer] = await askKernel(kernel, [caseOf(DRAWN, kernel)]);
      const ports = new Set(answer!.outcome.packets.map(({ left: [bytes] }) => (bytes![22]! << 8) | bytes![23]!));
      if (draws) expect(ports.size).toBeGreaterThan(1);
      else expect([...ports]).toEqual([5000]);
    });
  });
