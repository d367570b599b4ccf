/** SYNPROXY and REJECT ask for the checksum of packets into whose IPv4 options the stack has written: the header's own sum, which is part of it, is wrong then, but where conntrack has summed the packet up as it came. */
import { expect, it } from 'vitest';
import { fillChecksum, ipPacket, tcpSegment, usualFields } from '../../src/fuzz/build-packet.ts';
import { rejection } from '../../src/fuzz/rejection.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { ACK, SYN } from '../reference/build.ts';
import { frameOf } from '../reference/replay.ts';
import { judge } from './differential.ts';
import { describeKernel } from './machine.ts';
import { FAR, FIREWALL, PEER } from './refused.ts';
import { WITNESSES } from './witnesses.ts';

const OWN = FIREWALL[4].split('.').map(Number);
const OTHER = [203, 0, 113, 9];
const ROOM = [0, 0, 0, 0];
const FULL = [1, 2, 3, 4];
/** Whether the stack writes into them. */
const OPTIONS: readonly (readonly [name: string, written: boolean, bytes: readonly number[]])[] = [
  ['none', false, []],
  ['no-operations', false, [1, 1, 1, 0]],
  ['router alert', false, [148, 4, 0, 0]],
  ['a route', true, [7, 7, 4, ...ROOM, 0]],
  ['a route, full', false, [7, 7, 8, ...FULL, 0]],
  ['a route with room left', true, [7, 11, 8, ...FULL, ...ROOM, 0]],
  ['a route behind no-operations', true, [1, 1, 7, 7, 4, ...ROOM, 1, 1, 0]],
  ['the end of the list', false, [1, 0, 0, 0]],
  ['something behind it, which is wiped', true, [0, 7, 7, 4, ...ROOM]],
  ['times', true, [68, 8, 5, 0, ...ROOM]],
  ['times, full: one more had no room', true, [68, 8, 9, 0, ...FULL]],
  ['times with addresses', true, [68, 12, 5, 1, ...ROOM, ...ROOM]],
  ['times with addresses, full', true, [68, 12, 13, 1, ...FULL, ...FULL]],
  ['times of others', false, [68, 12, 5, 3, ...OTHER, ...ROOM]],
  ['times of this host', true, [68, 12, 5, 3, ...OWN, ...ROOM]],
  ['times of a group', true, [68, 12, 5, 3, 224, 0, 0, 1, ...ROOM]],
  ['times of everybody', true, [68, 12, 5, 3, 255, 255, 255, 255, ...ROOM]],
  ['times of nobody', true, [68, 12, 5, 3, ...ROOM, ...ROOM]],
  ['times of a loopback address', true, [68, 12, 5, 3, 127, 3, 2, 1, ...ROOM]],
  ['times of others, full', false, [68, 12, 13, 3, ...OTHER, ...FULL]],
  ['unknown flags of times', false, [68, 12, 5, 2, ...ROOM, ...ROOM]],
];

const segments = (destination: string, flags: number): Uint8Array[] =>
  OPTIONS.map(([, , bytes], i) => {
    const fields = { ...usualFields({ family: 4, source: PEER[4], destination, protocol: 6 }), options: Uint8Array.from(bytes) };
    const ports = { sourcePort: 1000 + i, destinationPort: 80, sequence: 5, acknowledged: 6 };
    const segment = tcpSegment({ ...ports, flags, window: 100, options: new Uint8Array(0), data: 0 });
    fillChecksum(segment, 16, fields);
    return ipPacket(fields, segment);
  });

const ALL = OPTIONS.length;
const UNWRITTEN = OPTIONS.filter(([, written]) => !written).length;

describeKernel('SYNPROXY and options that the stack has written into', () => {
  for (const [chain, destination] of [
    ['INPUT', FIREWALL[4]],
    ['FORWARD', FAR[4]],
  ] as const)
    for (const tracked of [true, false])
      for (const checksum of [1, 0])
        it(`${chain}, ${tracked ? 'tracked' : 'untracked'}, nf_conntrack_checksum ${checksum}`, async () => {
          const raw = tracked ? '-A PREROUTING' : '-A PREROUTING -j CT --notrack';
          const rules = `*raw\n${raw}\nCOMMIT\n*filter\n-A ${chain} -p tcp -j SYNPROXY\n-A ${chain} -p tcp\nCOMMIT\n`;
          const host = buildHost({ local: [FIREWALL[4]], in: 'eth0' });
          // No first segment, nor a plain acknowledgement: SYNPROXY lets it on.
          const frames = segments(destination, SYN | ACK).map((bytes, i) => frameOf(bytes, i));
          const given = { rules: { 4: rules }, host, frames, sysctls: { nf_conntrack_checksum: checksum } };
          for (const backend of ['legacy', 'nft'] as const) {
            const { outcome, found } = await judge(backend, given, WITNESSES);
            for (const [witness, lines] of found) expect(lines, `${backend}, ${witness}`).toEqual([]);
            const passed = chain === 'INPUT' && tracked && checksum === 1 ? ALL : UNWRITTEN;
            expect(outcome.counters.filter![chain]!.rules[1]!.packets).toBe(passed);
          }
        });
});

/** Rules that bring conntrack, or that make nothing of it. */
const TRACKING = {
  tracked: '*mangle\n-A PREROUTING -m conntrack --ctstate NEW\nCOMMIT\n',
  untracked: '*raw\n-A PREROUTING -j CT --notrack\nCOMMIT\n',
  'without conntrack': '',
};

describeKernel('resets of REJECT and options that the stack has written into', () => {
  for (const [chain, destination] of [
    ['INPUT', FIREWALL[4]],
    ['FORWARD', FAR[4]],
  ] as const)
    for (const [how, more] of Object.entries(TRACKING))
      for (const checksum of [1, 0])
        it(`${chain}, ${how}, nf_conntrack_checksum ${checksum}`, async () => {
          const filter = `*filter\n-A ${chain} -p tcp -m tcp --tcp-flags SYN,ACK ACK -j REJECT --reject-with tcp-reset\n-A OUTPUT\nCOMMIT\n`;
          const host = buildHost({ local: [FIREWALL[4]], in: 'eth0' });
          const refused = segments(destination, ACK);
          const frames = refused.flatMap((bytes, i) => [
            frameOf(bytes, 2 * i),
            frameOf(rejection(bytes, 4, 'tcp-reset', destination)!, 2 * i + 1, { direction: 'out' }),
          ]);
          const given = { rules: { 4: more + filter }, host, frames, sysctls: { nf_conntrack_checksum: checksum }, lists: true };
          for (const backend of ['legacy', 'nft'] as const) {
            const { outcome, found } = await judge(backend, given, WITNESSES);
            for (const [witness, lines] of found) expect(lines, `${backend}, ${witness}`).toEqual([]);
            const answered = outcome.packets.filter(({ ownAnswer }) => ownAnswer).length;
            expect(answered).toBe(chain === 'INPUT' && how === 'tracked' && checksum === 1 ? ALL : UNWRITTEN);
          }
        });
});
