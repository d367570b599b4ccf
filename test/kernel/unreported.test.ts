/** Which refused packets the kernel reports, so that what stands behind them in the capture and looks like an error about them is its own; and that every other one is a packet like any other. */
import { expect, it } from 'vitest';
import { rejection } from '../../src/fuzz/rejection.ts';
import { runKernel } from '../../src/kernel/index.ts';
import { runVirtual, type VirtualJob } from '../../src/kernel/virtual/index.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { type IpMore, icmp, ip, ping, SYN, tcp, udp } from '../reference/build.ts';
import { describeKernel, describeVirtual } from './machine.ts';
import { agree, DEFAULT, FAR, FIREWALL, forwarded, own, PEER, rulesOf } from './refused.ts';

/** A refused packet; `reported`: the kernel sends an error about it. */
type Refused = readonly [name: string, packet: Uint8Array, reported: boolean];

const bad = { badChecksum: true };
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const sevens = new Uint8Array(32).fill(7);
/** GRE, ESP, SCTP, UDP-Lite: their checksums, if they have any, are not looked at. */
const UNSUMMED = [47, 50, 132, 136];
const DCCP = 33;

/** Of either family. No two have the same ends, so that none is of another one's connection. */
function either(family: Family, from: string, to: string): Refused[] {
  const carrying = (protocol: number, payload: Uint8Array, sumAt = -1) => ip(from, to, protocol, payload, sumAt);
  const [own, error] = family === 4 ? [1, 3] : [58, 1];
  return [
    ['UDP', udp(`${from} 1`, `${to} 53`), true],
    ['UDP without a checksum', udp(`${from} 3`, `${to} 53`, { noChecksum: true }), true],
    ['TCP', tcp(`${from} 5`, `${to} 80`, SYN), true],
    ['TCP that is shorter than its header, whose sum is right', carrying(6, bytes(0, 0, 7, 7), 0), true],
    ['a question', ping(from, to, { id: 8 }), true],
    ['a question with a wrong checksum', ping(from, to, { id: 9, ...bad }), false],
    ['an error', icmp(from, to, error, 1, udp(`${to} 10`, `${from} 10`)), false],
    ['an ICMP type nobody knows', icmp(from, to, family === 4 ? 42 : 100, 0, [0, 0, 0, 0]), false],
    ['ICMP of no bytes', carrying(own, bytes()), false],
    ...UNSUMMED.map((protocol) => [`protocol ${protocol}`, carrying(protocol, sevens), true] as const),
    ['DCCP with a wrong sum', carrying(DCCP, sevens), false],
    ['a protocol nobody knows, whose sum is wrong', carrying(99, bytes(1, 2, 3, 4)), false],
    ['a protocol nobody knows, without bytes', carrying(100, bytes()), family === 4],
    ['a protocol nobody knows, whose sum is right with a pseudo header', carrying(102, bytes(0, 0, 3, 4), 0), family === 6],
  ];
}

/** Their sums are nobody's business where the host sends them itself: they are made later. */
const summed = (from: string, to: string): Refused[] => [
  ['UDP with a wrong checksum', udp(`${from} 2`, `${to} 53`, bad), false],
  ['UDP that is shorter than its header', ip(from, to, 17, bytes(0, 4, 0)), false],
  ['TCP with a wrong checksum', tcp(`${from} 6`, `${to} 80`, SYN, bad), false],
];

const only4 = (from: string, to: string): Refused[] => [
  ['ICMP of a zero', ip(from, to, 1, bytes(0)), true],
  ['ICMP of a byte whose sum is wrong', ip(from, to, 1, bytes(8)), false],
  ['ICMP of two zeros', ip(from, to, 1, bytes(0, 0)), true],
  ['a protocol nobody knows, whose sum is right without a pseudo header', ip(from, to, 101, bytes(0x12, 0x34, 0xed, 0xcb)), true],
  ['an authentication header', ip(from, to, 51, sevens), true],
];

const NO_NEXT_HEADER = 59;
const DESTINATION_OPTIONS = 60;
const AUTHENTICATION = 51;
const authentication = (next: number): number[] => [next, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
const options = (next: number, length = 0): number[] => [next, length, 1, 4, 0, 0, 0, 0];

function only6(from: string, to: string): Refused[] {
  const behind = (firstHeader: number, headers: readonly number[]): IpMore => ({ firstHeader, options: headers });
  return [
    ['no next header', ip(from, to, NO_NEXT_HEADER, bytes()), false],
    ['no next header, but bytes', ip(from, to, NO_NEXT_HEADER, bytes(1, 2, 3, 4)), false],
    [
      'options, then no next header',
      ip(from, to, 104, bytes(9), -1, behind(DESTINATION_OPTIONS, options(NO_NEXT_HEADER))),
      false,
    ],
    ['options that are cut', ip(from, to, DESTINATION_OPTIONS, bytes(17)), false],
    ['options that are longer than the packet', ip(from, to, 17, sevens, -1, behind(DESTINATION_OPTIONS, options(17, 9))), false],
    ['options, then UDP', udp(`${from} 11`, `${to} 53`, behind(DESTINATION_OPTIONS, options(17))), true],
    ['options, then nothing', ip(from, to, 17, bytes(), -1, behind(DESTINATION_OPTIONS, options(17))), false],
    ['authentication, then UDP', udp(`${from} 12`, `${to} 53`, behind(AUTHENTICATION, authentication(17))), true],
    ['authentication, then a question', ping(from, to, { id: 13, ...behind(AUTHENTICATION, authentication(58)) }), true],
    ['authentication, then an error', icmp(from, to, 1, 4, sevens, behind(AUTHENTICATION, authentication(58))), false],
    [
      'authentication, then a protocol nobody knows',
      ip(from, to, 105, sevens, -1, behind(AUTHENTICATION, authentication(105))),
      false,
    ],
    ['ICMPv6 of a byte', ip(from, to, 58, bytes(128)), false],
  ];
}

const GROUPS: Record<Family, readonly string[]> = { 4: ['10.9.0.255', '255.255.255.255', '224.0.0.1'], 6: ['ff02::1'] };

const toMany = (family: Family, from: string): Refused[] =>
  GROUPS[family].map((group) => [`to ${group}`, udp(`${from} 1`, `${group} 53`), false]);

const packetsOf = (family: Family, from: string, to: string): Refused[] => [
  ...either(family, from, to),
  ...(family === 4 ? only4 : only6)(from, to),
];

describeKernel('what REJECT refuses, reported or not', () => {
  for (const family of [4, 6] as const) {
    const [peer, host, far] = [PEER[family], FIREWALL[family], FAR[family]];
    /** Each with an error about it, as the refused packet was then. */
    const judged = async (chain: string, refused: readonly Refused[], sysctls: Record<string, number>): Promise<void> => {
      const errors = refused.map(([, packet]) =>
        rejection(chain === 'FORWARD' ? forwarded(packet, family) : packet, family, DEFAULT[family], host),
      );
      const packets = refused.flatMap(([, packet], i) => [packet, errors[i]!]);
      const given = { local: [`${host}/${family === 4 ? 24 : 64}`], in: 'eth0' };
      const outcomes = await agree(rulesOf([`-A ${chain} -m conntrack ! --ctstate RELATED -j REJECT`]), packets, {
        family,
        host: given,
        sysctls,
      });
      const reported = own(outcomes).map((numbers) => numbers.map((number) => refused[number / 2 - 1]![0]));
      const expected = refused.flatMap(([name, , sent]) => (sent ? [name] : []));
      expect(reported).toEqual([expected, expected]);
    };

    for (const checksum of [1, 0]) {
      const sysctls = { nf_conntrack_checksum: checksum };
      it(`IPv${family}, nf_conntrack_checksum ${checksum}: what came for the host`, () =>
        judged('INPUT', [...packetsOf(family, peer, host), ...summed(peer, host), ...toMany(family, peer)], sysctls));

      it(`IPv${family}, nf_conntrack_checksum ${checksum}: what was to be forwarded`, () =>
        judged('FORWARD', [...packetsOf(family, peer, far), ...summed(peer, far)], sysctls));

      it(`IPv${family}, nf_conntrack_checksum ${checksum}: what the host sends`, () =>
        judged('OUTPUT', packetsOf(family, host, far), sysctls));
    }
  }
});

/** Packets for the host, each refused in a job of its own: how many errors the kernel counts. */
const COUNTED: Record<Family, readonly Refused[]> = {
  4: [...either(4, PEER[4], FIREWALL[4]), ...only4(PEER[4], FIREWALL[4])],
  6: [...either(6, PEER[6], FIREWALL[6]), ['from nobody', udp(':: 1', `${FIREWALL[6]} 53`), false]],
};

function jobOf(family: Family, bytes: Uint8Array): VirtualJob {
  return {
    backend: 'legacy',
    family,
    rules: '*filter\n-A INPUT -j REJECT\nCOMMIT\n',
    topology: 'host',
    local: [FIREWALL[family]],
    trace: false,
    frames: [{ time: NOW, bytes, family, direction: 'in' }],
    afterwards: [['cat', `/proc/net/snmp${family === 4 ? '' : '6'}`]],
  };
}

/** OutDestUnreachs of /proc/net/snmp, whose names stand in a line of their own, or of /proc/net/snmp6. */
function errorsSent(text: string, family: Family): number {
  if (family === 6) return Number(/^Icmp6OutDestUnreachs\s+(\d+)$/m.exec(text)![1]);
  const [names, values] = text.split('\n').filter((line) => line.startsWith('Icmp: '));
  return Number(values!.split(' ')[names!.split(' ').indexOf('OutDestUnreachs')]);
}

const NOW = 1_700_000_000_003_000_000n;

describeKernel('errors that the running kernel sends', () => {
  for (const family of [4, 6] as const) {
    it(`IPv${family}`, async () => {
      const sent: [string, number][] = [];
      for (const [name, bytes] of COUNTED[family]) {
        const { afterwards } = await runKernel(jobOf(family, bytes));
        sent.push([name, errorsSent(afterwards[0]!, family)]);
      }
      expect(sent).toEqual(COUNTED[family].map(([name, , reported]) => [name, reported ? 1 : 0]));
    });
  }
});

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, 'errors that are sent', () => {
    for (const family of [4, 6] as const) {
      it(`IPv${family}: to them DCCP is a protocol whose checksum is not over everything`, async () => {
        const asked = COUNTED[family].filter(([name]) => /^(DCCP|protocol|UDP|a protocol)/.test(name));
        const outcomes = await runVirtual(
          kernel,
          asked.map(([, bytes]) => jobOf(family, bytes)),
        );
        const sent = outcomes.map(({ afterwards }, i) => [asked[i]![0], errorsSent(afterwards[0]!, family)]);
        expect(sent).toEqual(asked.map(([name, , reported]) => [name, reported || name.startsWith('DCCP') ? 1 : 0]));
      });
    }
  });
}
