/** What is told of packets beside the capture, where the running kernel knows it by itself: the bench's socket is root's. */
import { expect, test } from 'vitest';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Frame } from '../../src/model/witness.ts';
import { differences } from './differential.ts';
import { describeKernel } from './machine.ts';
import { WITNESSES } from './witnesses.ts';

const ENDS: Record<Family, readonly [own: string, other: string]> = {
  4: ['10.9.0.1', '10.9.0.2'],
  6: ['2001:db8:9::1', '2001:db8:9::2'],
};
const HOST = buildHost({ local: [ENDS[4][0], ENDS[6][0]], in: 'eth0' });
const PACKETS = 40;

/** Every other packet is sent, the others arrive. */
function framesOf(family: Family): Frame[] {
  return Array.from({ length: PACKETS }, (_, index) => {
    const [own, other] = ENDS[family];
    const sent = index % 2 === 0;
    const [source, destination] = sent ? [own, other] : [other, own];
    const bytes = usualPacket({ family, source, destination, protocol: 17 }, udpDatagram(1000 + index, 53, 4));
    return { time: BigInt(index), linktype: 101, bytes, wire: bytes.length, direction: sent ? 'out' : 'in' };
  });
}

const ASKED = [
  '-m owner --socket-exists',
  '-m owner ! --socket-exists',
  '-m owner --uid-owner 0',
  '-m owner ! --uid-owner 0',
  '-m owner --uid-owner 1-5',
  '-m owner --uid-owner 0-5 --gid-owner 0',
  '-m owner --uid-owner 0 ! --gid-owner 0',
  '-m owner ! --uid-owner 7 ! --gid-owner 3-9',
  '-m owner --gid-owner 77 --suppl-groups',
  '-m owner ! --gid-owner 77 --suppl-groups',
  '-m cgroup --cgroup 0',
  '-m cgroup ! --cgroup 0',
  '-m cgroup --cgroup 5',
  '-m cgroup ! --cgroup 5',
  '-m cgroup --path /',
  '-m cgroup ! --path /',
];
const chain = (name: string): string => ASKED.map((asked) => `-A ${name} ${asked}\n`).join('');
const RULES = `*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n${chain('OUTPUT')}COMMIT\n*mangle\n:POSTROUTING ACCEPT\n${chain('POSTROUTING')}COMMIT\n`;

describeKernel('annotations of a socket that is root’s', () => {
  for (const family of [4, 6] as const)
    test(`IPv${family}`, { timeout: 60_000 }, async () => {
      const sent = Array.from({ length: PACKETS / 2 }, (_, i) => 2 * i + 1);
      const annotations = new Map(sent.map((packet) => [packet, { socket: true, uid: 0, gid: 0, groups: [0] }]));
      const given = { rules: { [family]: RULES }, host: HOST, frames: framesOf(family), annotations };
      const found = await differences('legacy', given, WITNESSES);
      for (const [witness, lines] of found) expect.soft(lines.slice(0, 10), witness).toEqual([]);
    });
});
