/** What differs between kernel versions: each difference shown on 6.1 and 6.12 (virtual clock) and 6.18 (running), and in reference and engine with that --kernel. */
import { expect, test } from 'vitest';
import type { CtState } from '../../src/model/outcome.ts';
import type { Kernel } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { describeKernel, describeVirtual } from './machine.ts';
import { ip } from './packets.ts';
import { differencesOf, judgeVirtual, type SentPacket, STATE_RULES, stateIn, type VirtualCase } from './virtual-differential.ts';
import { FLOWS, packetOf } from './virtual-flows.ts';

const MILLISECOND = 1_000_000n;
const NOW = 1_700_000_000_003_000_000n;

interface Difference {
  name: string;
  family: Family;
  packets: SentPacket[];
  sysctls?: Record<string, number>;
  /** Before the rules that tell the state. */
  rules?: string;
  /** States of the packets; undefined: dropped before. */
  said: Record<Kernel, (CtState | undefined)[]>;
  /** Set where reference and engine do not follow: docs/kernel-differences.md says so too. */
  notOurs?: Kernel[];
}

const every = (milliseconds: number, packets: readonly Uint8Array[]): SentPacket[] =>
  packets.map((bytes, i) => ({ time: NOW + BigInt(i * milliseconds) * MILLISECOND, bytes }));

/** A RST that is not exactly where it should be, and a segment two and a half seconds later. */
function doubtedReset(): SentPacket[] {
  const flow = FLOWS.find(({ name }) => name === 'TCP ESTABLISHED behind an inexact reset')!;
  const packets = every(
    50,
    flow.steps.map((step) => packetOf(flow, step, 4, 1)),
  );
  return [...packets, { time: NOW + 2700n * MILLISECOND, bytes: packetOf(flow, flow.probe, 4, 1) }];
}

/** ICMPv6 of 8 bytes. */
const message = (type: number) => ip('2001:db8::1', '2001:db8:1::2', 58, Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]), 2);

/** DCCP (RFC 4340) with 48-bit sequence numbers: request 0, response 1, ack 3. */
function dccp(type: number, source: string, destination: string, ports: [number, number]): Uint8Array {
  const segment = Buffer.alloc(type === 0 ? 20 : type === 1 ? 28 : 24);
  segment.writeUInt16BE(ports[0], 0);
  segment.writeUInt16BE(ports[1], 2);
  segment.writeUInt8(segment.length / 4, 4);
  segment.writeUInt8((type << 1) | 1, 8);
  segment.writeUInt32BE(77, 12);
  return ip(source, destination, 33, segment, 6);
}

const [CLIENT, SERVER] = ['10.0.0.1', '192.0.2.1'];

const DIFFERENCES: readonly Difference[] = [
  {
    name: 'a RST that keeps the connection open leaves it the timeout of CLOSE, in 6.12 that of unacknowledged data',
    family: 4,
    packets: doubtedReset(),
    sysctls: { nf_conntrack_tcp_timeout_close: 1, nf_conntrack_tcp_timeout_unacknowledged: 60 },
    said: {
      '6.1': ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'ESTABLISHED', 'NEW'],
      '6.12': ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'ESTABLISHED', 'ESTABLISHED'],
      '6.18': ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'ESTABLISHED', 'NEW'],
    },
  },
  {
    name: 'multicast router discovery (ICMPv6 151, 152; not 153) is untracked since 6.2',
    family: 6,
    packets: every(5, [151, 152, 153].map(message)),
    said: {
      '6.1': ['INVALID', 'INVALID', 'INVALID'],
      '6.12': ['UNTRACKED', 'UNTRACKED', 'INVALID'],
      '6.18': ['UNTRACKED', 'UNTRACKED', 'INVALID'],
    },
  },
  {
    // "-p" alone asks: to conntrack the packet is one of protocol 142.
    name: 'an IPv6 header that is longer than the packet is walked over for -p, in 6.12 it ends the way',
    family: 6,
    packets: every(5, [message(128), ip('2001:db8::1', '2001:db8:1::2', 43, Buffer.from([142, 68, 0, 0, 0, 0, 0, 0]), 2)]),
    rules: '*raw\n-A PREROUTING -p tcp\nCOMMIT\n',
    said: { '6.1': ['NEW', 'NEW'], '6.12': ['NEW', undefined], '6.18': ['NEW', 'NEW'] },
  },
  {
    name: 'DCCP has ports and states in 6.1 and 6.12, and no tracker in 6.18',
    family: 4,
    packets: every(5, [
      dccp(0, CLIENT, SERVER, [5, 80]),
      dccp(1, SERVER, CLIENT, [80, 5]),
      dccp(3, CLIENT, SERVER, [5, 80]),
      dccp(3, '10.0.0.9', SERVER, [9, 80]),
    ]),
    said: {
      '6.1': ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'INVALID'],
      '6.12': ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'INVALID'],
      '6.18': ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'NEW'],
    },
    notOurs: ['6.1', '6.12'],
  },
];

function agreement(kernel: Kernel): void {
  test('says what it does, and reference and engine say the same', { timeout: 120_000 }, async () => {
    const cases = DIFFERENCES.map(
      ({ name, family, packets, sysctls = {}, rules = '' }): VirtualCase => ({
        name,
        family,
        packets,
        sysctls,
        rules: rules + STATE_RULES,
      }),
    );
    const judged = await judgeVirtual(kernel, cases);
    for (const [i, { name, said }] of DIFFERENCES.entries()) {
      expect
        .soft(
          judged[i]!.outcome.packets.map(({ path }) => stateIn(path)),
          name,
        )
        .toEqual(said[kernel]);
    }
    const [ours, notOurs] = [true, false].map((wanted) =>
      judged.filter((_, i) => !DIFFERENCES[i]!.notOurs?.includes(kernel) === wanted),
    );
    expect(differencesOf(ours!)).toEqual([]);
    // What has come to agree must lose its mark.
    for (const one of notOurs!) expect(one.differences, `${one.case.name} agrees now`).not.toEqual([]);
  });
}

describeVirtual('6.1', 'kernel versions', () => agreement('6.1'));
describeVirtual('6.12', 'kernel versions', () => agreement('6.12'));
describeKernel('kernel versions, running 6.18', () => agreement('6.18'));
