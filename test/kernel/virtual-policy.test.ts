/** -m policy of packets that IPsec will transform: a kernel that has ESP and AH (6.1) against what annotations tell. */
import { expect, test } from 'vitest';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import type { Annotation, Transformation } from '../../src/model/annotations.ts';
import { describeVirtual } from './machine.ts';
import { differencesOf, judgeVirtual, type VirtualCase } from './virtual-differential.ts';

const FIRST = 1_700_000_000_000_000_000n;
const [SOURCE, DESTINATION] = ['192.0.2.1', '192.0.2.2'];
const ends = { src: [0xc0000201], dst: [0xc0000202] };

/** A security association, as ip(8) adds it and as an annotation tells it. */
function association(proto: 'esp' | 'ah', mode: 'tunnel' | 'transport', spi: number): { add: string; told: Transformation } {
  const keys = { esp: `enc aes 0x${'11'.repeat(16)} `, ah: '' }[proto];
  return {
    add: `xfrm state add src ${SOURCE} dst ${DESTINATION} proto ${proto} spi ${spi} reqid ${spi + 1} mode ${mode} ${keys}auth sha1 0x${'22'.repeat(20)}`,
    told: { proto, mode, spi, reqid: spi + 1, ...ends },
  };
}

const [TUNNEL, INNER, OUTER] = [
  association('esp', 'tunnel', 16),
  association('esp', 'tunnel', 32),
  association('ah', 'transport', 48),
];
const template = ({ told: { proto, mode, reqid } }: typeof TUNNEL): string =>
  `tmpl src ${SOURCE} dst ${DESTINATION} proto ${proto} reqid ${reqid} mode ${mode}`;
const POLICIES = [
  `xfrm policy add dst 198.51.100.0/24 dir out ${template(TUNNEL)}`,
  `xfrm policy add dst 203.0.113.0/24 dir out ${template(INNER)} ${template(OUTER)}`,
];

const TUNNELS = [`--tunnel-src ${SOURCE}`, `! --tunnel-src ${SOURCE}`, '--tunnel-src 192.0.2.0/24', `--tunnel-dst ${SOURCE}`];
const ASKED = [
  '--pol none',
  '--pol ipsec',
  '--pol ipsec --strict --reqid 17',
  ...[
    'reqid 17',
    'reqid 33',
    'reqid 49',
    'spi 16',
    'spi 0x10000000',
    'spi 0x30000000',
    'proto esp',
    'proto ah',
    'mode tunnel',
    'mode transport',
  ].flatMap((one) => [`--pol ipsec --${one}`, `--pol ipsec ! --${one}`, `--pol ipsec --strict --${one}`]),
  ...TUNNELS.flatMap((one) => [
    `--pol ipsec --mode tunnel ${one}`,
    `--pol ipsec ! --mode transport ${one}`,
    `--pol ipsec --strict --mode tunnel ${one} --next --proto ah`,
  ]),
  '--pol ipsec --strict --proto esp --next --proto ah',
  '--pol ipsec --strict --proto ah --next --proto esp',
  '--pol ipsec --strict --spi 0x20000000 --reqid 33 --mode tunnel --next ! --spi 32 --mode transport',
  '--pol ipsec --strict --proto esp --next --proto ah --next --proto esp',
];
const chain = (name: string): string => ASKED.map((asked) => `-A ${name} -m policy --dir out ${asked}`).join('\n');

const PACKETS = ['198.51.100.7', '203.0.113.7', '10.1.2.3', '198.51.100.8', '10.1.2.4'];
const TOLD: readonly Annotation[] = [
  { ipsecout: [TUNNEL.told] },
  { ipsecout: [INNER.told, OUTER.told] },
  {},
  { ipsecout: [TUNNEL.told] },
  { ipsecin: [TUNNEL.told] },
];
const GIVEN: VirtualCase = {
  name: 'policy',
  rules: `*filter\n:FORWARD ACCEPT\n${chain('FORWARD')}\nCOMMIT\n*mangle\n:POSTROUTING ACCEPT\n${chain('POSTROUTING')}\nCOMMIT\n`,
  packets: PACKETS.map((destination, index) => ({
    time: FIRST + BigInt(index) * 1_000_000_000n,
    bytes: usualPacket({ family: 4, source: '10.9.0.2', destination, protocol: 17 }, udpDatagram(1000, 53, 4)),
  })),
  // A tunnel begins at an address of the host.
  beforehand: [`addr add ${SOURCE}/32 dev eth1`, ...[TUNNEL, INNER, OUTER].map(({ add }) => add), ...POLICIES].map((words) => ({
    argv: ['ip', ...words.split(' ')],
  })),
  annotations: new Map(TOLD.map((told, index) => [index + 1, told])),
};

describeVirtual('6.1', 'policy', () => {
  test('what leaves by IPsec', { timeout: 120_000 }, async () => {
    const judged = await judgeVirtual('6.1', [GIVEN]);
    // Behind POSTROUTING a packet goes on as one that the host itself sends, which the bench drops in OUTPUT.
    const goesOn = new RegExp(`packet (${[1, 2, 4].join('|')}) (hook|verdict): legacy (OUTPUT|DROP)`);
    const all = judged.map((one) => ({ ...one, differences: one.differences.filter((line) => !goesOn.test(line)) }));
    expect(differencesOf(all)).toEqual([]);
    const { rules } = judged[0]!.outcome.counters.filter!.FORWARD!;
    expect(rules[0]!.packets).toBe(2);
    expect(rules[1]!.packets).toBe(3);
    expect(rules.filter(({ packets }) => packets === 0).length).toBeGreaterThan(5);
  });
});
